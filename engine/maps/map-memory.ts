import type { MapSpec } from '../object/index.ts';
import type { Memory } from '../vm/index.ts';
import { ENOMEM } from './errno.ts';
import { MapSpecError } from './map-spec-error.ts';

/** What share of a machine's memory its maps may have in all where the host sets no limit; the rest is for stacks and kernel structures. */
const SHARE = 7 / 8;

/** A machine's memory as one map sees it: what it takes counts against the limit of all maps of the machine, and is given back at once. */
export interface MapMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Offset of `size` zeroed bytes; 0 where the limit or the memory is reached. */
  take(size: number): number;
  /** As `take`, at creation. @throws MapSpecError */
  allocate(size: number): number;
  /** Gives back what was taken. */
  free(offset: number): void;
  /** Gives back everything. */
  close(): void;
}

/** Bytes that the maps of a machine hold. */
const inUse = new WeakMap<Memory, number>();

/** @param most bytes that all maps of the machine together may have; 7/8 of the memory where left out. */
export function createMapMemory(memory: Memory, spec: MapSpec, most = Math.floor(memory.capacity * SHARE)): MapMemory {
  const pieces = new Map<number, number>();
  const used = (): number => inUse.get(memory) ?? 0;

  const take = (size: number): number => {
    if (used() + size > most) return 0;
    const offset = memory.tryAllocate(size);
    if (offset === 0) return 0;
    pieces.set(offset, size);
    inUse.set(memory, used() + size);
    return offset;
  };
  const free = (offset: number): void => {
    const size = pieces.get(offset);
    if (size === undefined) return;
    pieces.delete(offset);
    memory.free(offset, size);
    inUse.set(memory, used() - size);
  };

  return {
    bytes: memory.bytes,
    view: memory.view,
    take,
    allocate(size) {
      const offset = take(size);
      if (offset !== 0) return offset;
      const left = Math.max(0, Math.min(most - used(), memory.capacity - memory.used));
      throw new MapSpecError(
        spec,
        `it needs ${size} bytes, but the machine has ${left} left for maps, of ${most}; lower maxEntries, or create the machine with more memory`,
        ENOMEM,
      );
    },
    free,
    close() {
      for (const offset of [...pieces.keys()]) free(offset);
    },
  };
}
