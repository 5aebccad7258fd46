import type { MapSpec } from '../object/index.ts';
import type { Memory } from '../vm/index.ts';
import { E2BIG, EEXIST, EINVAL, ENOENT } from './errno.ts';
import { BPF_ANY, BPF_EXIST, BPF_NOEXIST, type BpfMap } from './map.ts';
import { type MapStorage, mapOperations } from './operations.ts';
import { align8 } from './spec.ts';

const FIRST_BUCKETS = 16;
const SLAB_BYTES = 65_536;

/** MurmurHash3 (32 bits) of `length` bytes at `offset`. */
function hashBytes(view: DataView, offset: number, length: number): number {
  let hash = 0;
  const mix = (word: number): void => {
    const product = Math.imul(word, 0xcc9e2d51);
    hash ^= Math.imul((product << 15) | (product >>> 17), 0x1b873593);
  };
  const words = length & ~3;
  for (let i = 0; i < words; i += 4) {
    mix(view.getInt32(offset + i, true));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (words < length) {
    let tail = 0;
    for (let i = length - 1; i >= words; i--) tail = (tail << 8) | view.getUint8(offset + i);
    mix(tail);
  }
  hash ^= length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function sameBytes(view: DataView, a: number, b: number, length: number): boolean {
  const words = length & ~3;
  for (let i = 0; i < words; i += 4) if (view.getInt32(a + i, true) !== view.getInt32(b + i, true)) return false;
  for (let i = words; i < length; i++) if (view.getUint8(a + i) !== view.getUint8(b + i)) return false;
  return true;
}

/**
 * A hash map (kernel/bpf/hashtab.c): chains of elements that lie in memory,
 *
 *     offset  0               4      8     8 + key      8 + key + value
 *             | next's offset | hash | key | value      |
 *
 * key and value padded to 8 bytes. A deleted element's storage is only ever reused for another element of the same map, so a
 * program that still holds its value reads and writes a value of this map, as in the kernel.
 */
export function createHashMap(memory: Memory, spec: MapSpec, handle: number): BpfMap {
  const { bytes, view } = memory;
  const { keySize, valueSize, maxEntries } = spec;
  const valueAt = 8 + align8(keySize);
  const elementSize = valueAt + align8(valueSize);
  let buckets = new Uint32Array(FIRST_BUCKETS);
  let count = 0;
  let firstFree = 0;
  let slab = 0;
  let slabEnd = 0;
  let slots = 0;
  const slabs: (readonly [start: number, end: number])[] = [];

  const find = (keyOffset: number, hash: number): number => {
    let element = buckets[hash & (buckets.length - 1)] as number;
    while (element !== 0) {
      if (view.getUint32(element + 4, true) === hash && sameBytes(view, element + 8, keyOffset, keySize))
        return element;
      element = view.getUint32(element, true);
    }
    return 0;
  };

  const link = (element: number, hash: number): void => {
    const bucket = hash & (buckets.length - 1);
    view.setUint32(element, buckets[bucket] as number, true);
    buckets[bucket] = element;
  };

  const grow = (): void => {
    const old = buckets;
    buckets = new Uint32Array(old.length * 2);
    for (let element of old) {
      while (element !== 0) {
        const next = view.getUint32(element, true);
        link(element, view.getUint32(element + 4, true));
        element = next;
      }
    }
  };

  const takeElement = (): number => {
    if (firstFree !== 0) {
      const element = firstFree;
      firstFree = view.getUint32(element, true);
      return element;
    }
    if (slab === slabEnd) {
      const elements = Math.min(maxEntries - slots, Math.max(1, Math.floor(SLAB_BYTES / elementSize)));
      slab = memory.allocate(elements * elementSize);
      slabEnd = slab + elements * elementSize;
      slots += elements;
      slabs.push([slab, slabEnd]);
    }
    slab += elementSize;
    return slab - elementSize;
  };

  const storage: MapStorage = {
    lookupAt: (keyOffset) => {
      const element = find(keyOffset, hashBytes(view, keyOffset, keySize));
      return element === 0 ? 0 : element + valueAt;
    },
    placeAt: (keyOffset, flags) => {
      if (flags !== BPF_ANY && flags !== BPF_NOEXIST && flags !== BPF_EXIST) return -EINVAL;
      const hash = hashBytes(view, keyOffset, keySize);
      let element = find(keyOffset, hash);
      if (element !== 0) {
        if (flags === BPF_NOEXIST) return -EEXIST;
      } else {
        if (flags === BPF_EXIST) return -ENOENT;
        if (count === maxEntries) return -E2BIG;
        element = takeElement();
        if (count++ === buckets.length) grow();
        view.setUint32(element + 4, hash, true);
        bytes.copyWithin(element + 8, keyOffset, keyOffset + keySize);
        link(element, hash);
      }
      return element + valueAt;
    },
    deleteAt: (keyOffset) => {
      const hash = hashBytes(view, keyOffset, keySize);
      const found = find(keyOffset, hash);
      if (found === 0) return -ENOENT;
      const bucket = hash & (buckets.length - 1);
      const next = view.getUint32(found, true);
      let element = buckets[bucket] as number;
      if (element === found) buckets[bucket] = next;
      else {
        while (view.getUint32(element, true) !== found) element = view.getUint32(element, true);
        view.setUint32(element, next, true);
      }
      view.setUint32(found, firstFree, true);
      firstFree = found;
      count--;
      return 0;
    },
  };

  return {
    spec,
    handle,
    ...mapOperations(memory, spec, storage),
    keys: () => {
      const keys: Uint8Array[] = [];
      for (let element of buckets)
        for (; element !== 0; element = view.getUint32(element, true))
          keys.push(bytes.slice(element + 8, element + 8 + keySize));
      return keys;
    },
    contains: (offset, length) =>
      slabs.some(([start, end]) => {
        const inside = (offset - start) % elementSize;
        return offset >= start && offset < end && inside >= valueAt && inside + length <= valueAt + valueSize;
      }),
    valueOffset: undefined,
    layout: undefined,
  };
}
