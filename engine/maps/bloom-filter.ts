import type { MapSpec } from '../object/index.ts';
import { powerOfTwo } from './align.ts';
import { EINVAL, ENOENT, EOPNOTSUPP } from './errno.ts';
import { jhash } from './jhash.ts';
import { BPF_ANY, type KeylessMap } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { userOperations } from './syscalls.ts';

const HASHES = 5;
const FEWEST_BITS = 64;

/** How many hashes and bits the kernel gives a bloom filter: about 7/5 bits for each hash of each entry, rounded up (bloom_map_alloc). */
export function bloomFilterSize({ maxEntries, extra = 0 }: MapSpec): {
  readonly hashes: number;
  readonly bits: number;
} {
  const hashes = extra === 0 ? HASHES : extra;
  const product = maxEntries * hashes;
  const bits = Math.floor(product / 5) * 7;
  if (product > 0xffff_ffff || bits > 2 ** 31) return { hashes, bits: 2 ** 32 };
  return { hashes, bits: Math.max(FEWEST_BITS, powerOfTwo(bits)) };
}

/** A bloom filter (kernel/bpf/bloom_filter.c) that hashes as the kernel's does with BPF_F_ZERO_SEED. */
export function createBloomFilter(memory: MapMemory, spec: MapSpec, handle: number): KeylessMap {
  const { bytes, view } = memory;
  const { valueSize } = spec;
  const { hashes, bits } = bloomFilterSize(spec);
  const filter = memory.allocate(bits / 8);
  const scratch = memory.allocate(valueSize);
  const bitOf = (valueOffset: number, n: number): number => jhash(view, valueOffset, valueSize, n) % bits;

  const pushAt = (valueOffset: number, flags: number): number => {
    if (flags !== BPF_ANY) return -EINVAL;
    for (let n = 0; n < hashes; n++) {
      const bit = bitOf(valueOffset, n);
      const at = filter + Math.floor(bit / 8);
      view.setUint8(at, view.getUint8(at) | (1 << (bit & 7)));
    }
    return 0;
  };
  const peekAt = (valueOffset: number): number => {
    for (let n = 0; n < hashes; n++) {
      const bit = bitOf(valueOffset, n);
      if ((view.getUint8(filter + Math.floor(bit / 8)) & (1 << (bit & 7))) === 0) return -ENOENT;
    }
    return 0;
  };

  return {
    spec,
    handle,
    lookupAt: () => 0,
    updateAt: () => -EINVAL,
    deleteAt: () => -EOPNOTSUPP,
    pushAt,
    popAt: () => -EOPNOTSUPP,
    peekAt,
    ...userOperations(memory, spec, valueSize, {
      /** A lookup is a question about the value in the caller's buffer, which this form of the call doesn't have. */
      read: () => -EINVAL,
      contains: (value) => {
        bytes.set(value, scratch);
        return peekAt(scratch);
      },
      write: (_key, value, flags) => {
        bytes.set(value, scratch);
        return pushAt(scratch, flags);
      },
      remove: () => -EOPNOTSUPP,
      next: () => -EOPNOTSUPP,
    }),
    contains: () => false,
    valueOffset: undefined,
    layout: undefined,
    close: memory.close,
  };
}
