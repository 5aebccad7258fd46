import type { MapMemory } from './map-memory.ts';

const SLAB_BYTES = 65_536;
/** Where a free element keeps the offset of the next one; what is before it stays as it was, for those who still walk a chain. */
const FREE_LINK = 8;

/** How an element lies in memory: `valueAt` bytes in, one value of `valueSize` bytes every `stride` bytes up to its end. */
export interface ElementShape {
  readonly size: number;
  readonly valueAt: number;
  readonly valueSize: number;
  readonly stride: number;
}

/**
 * Elements of one size for one map, taken from memory when they are first needed. One that is given back is the next to be taken and
 * only ever serves this map, so that a program which still holds its value reads and writes a value of this map, as in the kernel.
 */
export interface Elements {
  /** Offset of an element, its bytes as they were left; 0 where memory is used up. */
  take(): number;
  give(element: number): void;
  /** Whether `length` bytes lie in one value of an element, used or free. */
  contains(offset: number, length: number): boolean;
}

/** @param most how many elements there can be. */
export function createElements(memory: MapMemory, shape: ElementShape, most: number): Elements {
  const { view } = memory;
  const { size, valueAt, valueSize, stride } = shape;
  const slabs: (readonly [start: number, end: number])[] = [];
  let firstFree = 0;
  let top = 0;
  let end = 0;
  let made = 0;

  return {
    take() {
      if (firstFree !== 0) {
        const element = firstFree;
        firstFree = view.getUint32(element + FREE_LINK, true);
        return element;
      }
      if (top === end) {
        const count = Math.min(most - made, Math.max(1, Math.floor(SLAB_BYTES / size)));
        const slab = count > 0 ? memory.take(count * size) : 0;
        if (slab === 0) return 0;
        top = slab;
        end = slab + count * size;
        made += count;
        slabs.push([top, end]);
      }
      top += size;
      return top - size;
    },
    give(element) {
      view.setUint32(element + FREE_LINK, firstFree, true);
      firstFree = element;
    },
    contains: (offset, length) =>
      slabs.some(([start, stop]) => {
        if (offset < start || offset >= stop) return false;
        const inside = ((offset - start) % size) - valueAt;
        return inside >= 0 && (inside % stride) + length <= valueSize;
      }),
  };
}
