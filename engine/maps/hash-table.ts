import { powerOfTwo } from './align.ts';
import { jhash } from './jhash.ts';
import type { MapMemory } from './map-memory.ts';

const FIRST_BUCKETS = 4096;
const HASH = 4;

/** Where the key lies in an element of a hash table: 8 bytes for the chain, 8 for whoever keeps the element. */
export const KEY_AT = 16;

/**
 * Chains of elements by key (struct bpf_htab of kernel/bpf/hashtab.c). An element begins with
 *
 *     offset  0               4      8         16
 *             | next's offset | hash | owner's | key ...
 *
 * Hashes are the kernel's without a seed and new elements come first in their chain, so that keys are in the order of a kernel's map
 * that was created with BPF_F_ZERO_SEED, once the table has as many buckets as the kernel's.
 */
export interface HashTable {
  hash(keyOffset: number): number;
  /** Offset of the element with that key, or 0. */
  find(keyOffset: number, hash: number): number;
  /** Puts an element, whose key is in place, at the head of its chain. */
  link(element: number, hash: number): void;
  unlink(element: number): void;
  /** The element behind this one, or the first where it is 0; 0 behind the last. */
  next(element: number): number;
  /** Visits every element until `visit` returns true; elements may be linked and unlinked meanwhile. */
  each(visit: (element: number) => boolean): void;
}

/** @param most how many elements there can be. */
export function createHashTable(memory: MapMemory, keySize: number, most: number): HashTable {
  const { view } = memory;
  const mostBuckets = powerOfTwo(most);
  let length = Math.min(FIRST_BUCKETS, mostBuckets);
  let mask = length - 1;
  let buckets = memory.allocate(4 * length);
  let count = 0;
  let visitors = 0;

  const bucketOf = (hash: number): number => buckets + 4 * (hash & mask);
  const nextOf = (element: number): number => view.getUint32(element, true);

  /** Splits every chain in two, each in the order it had; the table stays as it is where there is no memory for a larger one. */
  const grow = (): void => {
    const larger = memory.take(8 * length);
    if (larger === 0) return;
    for (let bucket = 0; bucket < length; bucket++) {
      let low = larger + 4 * bucket;
      let high = low + 4 * length;
      for (let element = nextOf(buckets + 4 * bucket); element !== 0; element = nextOf(element)) {
        if ((view.getUint32(element + HASH, true) & length) === 0) {
          view.setUint32(low, element, true);
          low = element;
        } else {
          view.setUint32(high, element, true);
          high = element;
        }
      }
      view.setUint32(low, 0, true);
      view.setUint32(high, 0, true);
    }
    memory.free(buckets);
    buckets = larger;
    length *= 2;
    mask = length - 1;
  };

  const firstFrom = (bucket: number): number => {
    for (let at = bucket; at < length; at++) {
      const element = nextOf(buckets + 4 * at);
      if (element !== 0) return element;
    }
    return 0;
  };

  return {
    hash: (keyOffset) => jhash(view, keyOffset, keySize, 0),
    find: finder(view, keySize, bucketOf),
    link(element, hash) {
      if (++count > length && length < mostBuckets && visitors === 0) grow();
      const bucket = bucketOf(hash);
      view.setUint32(element, nextOf(bucket), true);
      view.setUint32(element + HASH, hash, true);
      view.setUint32(bucket, element, true);
    },
    unlink(element) {
      let before = bucketOf(view.getUint32(element + HASH, true));
      while (nextOf(before) !== element) before = nextOf(before);
      view.setUint32(before, nextOf(element), true);
      count--;
    },
    next(element) {
      if (element === 0) return firstFrom(0);
      const next = nextOf(element);
      return next === 0 ? firstFrom((view.getUint32(element + HASH, true) & mask) + 1) : next;
    },
    each(visit) {
      visitors++;
      try {
        for (let bucket = 0; bucket < length; bucket++) {
          for (let element = nextOf(buckets + 4 * bucket); element !== 0; ) {
            const next = nextOf(element);
            if (visit(element)) return;
            element = next;
          }
        }
      } finally {
        visitors--;
      }
    },
  };
}

/** `find` for the size of the keys: those of 4 and of 8 bytes are compared at once. */
function finder(view: DataView, keySize: number, bucketOf: (hash: number) => number): HashTable['find'] {
  if (keySize === 4)
    return (keyOffset, hash) => {
      const key = view.getInt32(keyOffset, true);
      let element = view.getUint32(bucketOf(hash), true);
      while (element !== 0 && view.getInt32(element + KEY_AT, true) !== key) element = view.getUint32(element, true);
      return element;
    };
  return (keyOffset, hash) => {
    let element = view.getUint32(bucketOf(hash), true);
    while (
      element !== 0 &&
      (view.getUint32(element + HASH, true) !== hash || !sameBytes(view, element + KEY_AT, keyOffset, keySize))
    )
      element = view.getUint32(element, true);
    return element;
  };
}

function sameBytes(view: DataView, a: number, b: number, length: number): boolean {
  const words = length & ~3;
  for (let i = 0; i < words; i += 4) if (view.getInt32(a + i, true) !== view.getInt32(b + i, true)) return false;
  for (let i = words; i < length; i++) if (view.getUint8(a + i) !== view.getUint8(b + i)) return false;
  return true;
}
