import { describe, expect, it } from 'vitest';
import { createMap, MapSpecError } from '../../../engine/maps/index.ts';
import type { MapSpec } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32, u64 } from './bytes.ts';

const array: MapSpec = { name: 'm', type: 'array', keySize: 4, valueSize: 8, maxEntries: 2 };
const hash: MapSpec = { ...array, type: 'hash' };
const ring: MapSpec = { name: 'r', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 };
const queue: MapSpec = { ...array, type: 'queue', keySize: 0 };
const trie: MapSpec = { ...array, name: 't', type: 'lpm_trie', keySize: 8 };
const outer: MapSpec = { ...array, type: 'array_of_maps', valueSize: 4, inner: { ...array, name: 'innermost' } };
const storage: MapSpec = { ...array, type: 'task_storage', maxEntries: 0, flags: 1, btf: { key: 1, value: 2 } };
const create = (spec: MapSpec) => createMap(new Memory(1 << 20), spec, 1);

const REFUSED: readonly (readonly [MapSpec, string])[] = [
  [{ ...array, keySize: 8 }, `map "m" (array): an array's key is its index, so keySize must be 4, not 8`],
  [{ ...hash, keySize: 0 }, 'map "m" (hash): keySize must be at least 1 byte, not 0'],
  [{ ...array, valueSize: 0 }, 'map "m" (array): valueSize must be at least 1 byte, not 0'],
  [{ ...hash, valueSize: 1.5 }, 'map "m" (hash): valueSize must be at least 1 byte, not 1.5'],
  [{ ...array, maxEntries: 0 }, 'map "m" (array): maxEntries must be from 1 to 4294967295, not 0'],
  [{ ...array, maxEntries: -1 }, 'map "m" (array): maxEntries must be from 1 to 4294967295, not -1'],
  [
    { ...array, valueSize: 33_554_433 },
    'map "m" (array): a value of 33554433 bytes is too large: the most is 33554432; split it over several entries',
  ],
  [
    { ...hash, valueSize: 4_194_304 },
    'map "m" (hash): key and value of 4194308 bytes are too large: together they have at most 4194255',
  ],
  [
    { ...array, type: 'percpu_array', valueSize: 32_769 },
    'map "m" (percpu_array): a value of 32769 bytes is too large: per-CPU values have at most 32768',
  ],
  [
    { ...array, maxEntries: 200_000_000 },
    'map "m" (array): 200000000 entries take 1600000000 bytes, more than the 1073741824 that a map may have; lower maxEntries',
  ],
  [{ ...hash, flags: 1 << 5 }, 'map "m" (hash): flags 0x20 are not supported by this map type'],
  [
    { ...ring, valueSize: 8 },
    'map "r" (ringbuf): a ring buffer has no key and no value; keySize and valueSize must be 0, not 0 and 8',
  ],
  ...[2048, 5000, 0, 2 ** 31].map(
    (maxEntries) =>
      [
        { ...ring, maxEntries },
        `map "r" (ringbuf): maxEntries is the ring buffer's size in bytes: a power of two from 4096 to 1073741824, not ${maxEntries}`,
      ] as const,
  ),
  [{ ...ring, contents: [[u32(1), u64(1n)]] }, 'map "r" (ringbuf): a ring buffer takes no contents'],
  [
    { ...array, contents: [[u32(0), u32(1)]] },
    'map "m" (array): entry 0 of its contents has 4 bytes of key and 4 of value; the map has 4 and 8',
  ],
  [
    {
      ...array,
      contents: [
        [u32(0), u64(1n)],
        [u32(2), u64(1n)],
      ],
    },
    'map "m" (array): entry 1 of its contents does not fit: the map has room for 2 (errno 7)',
  ],
  [
    { ...array, valueSize: 0x7fff_ffff, maxEntries: 0xffff_ffff },
    'map "m" (array): a value of 2147483647 bytes is too large: the most is 33554432; split it over several entries',
  ],
  [
    { ...queue, valueSize: 2 ** 22, maxEntries: 2 ** 31 },
    'map "m" (queue): 2147483648 entries take 9007199254740992 bytes, more than the 1073741824 that a map may have; lower maxEntries',
  ],
  [{ ...hash, maxEntries: 2 ** 31 + 1 }, 'map "m" (hash): maxEntries must be at most 2147483648, not 2147483649'],
  [{ ...hash, flags: 1 << 1 }, 'map "m" (hash): flags 0x2 are not supported by this map type'],
  [
    { ...array, flags: (1 << 3) | (1 << 4) },
    'map "m" (array): user space can not have a map read-only and write-only: BPF_F_RDONLY and BPF_F_WRONLY exclude each other',
  ],
  [
    { ...array, flags: (1 << 7) | (1 << 8) },
    'map "m" (array): programs can not have a map read-only and write-only: BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other',
  ],
  [{ ...array, extra: 1 }, 'map "m" (array): extra must be 0 for this map type, not 1'],
  [
    { ...hash, type: 'lru_hash', flags: 1 },
    'map "m" (lru_hash): elements of an LRU map are allocated when it is created: BPF_F_NO_PREALLOC is not possible',
  ],
  [
    { ...hash, type: 'lru_hash', flags: (1 << 1) | (1 << 2) },
    'map "m" (lru_hash): lists of each CPU lie on its own node: BPF_F_NO_COMMON_LRU and BPF_F_NUMA_NODE exclude each other',
  ],
  [trie, 'map "t" (lpm_trie): entries are allocated as they come, so flags must have BPF_F_NO_PREALLOC'],
  [
    { ...trie, flags: 1, keySize: 4 },
    'map "t" (lpm_trie): a key is a prefix length of 4 bytes and 1 to 256 bytes of data, so keySize must be from 5 to 260, not 4',
  ],
  [
    { ...trie, flags: 1, valueSize: 4_194_304 },
    'map "t" (lpm_trie): a value of 4194304 bytes is too large: the most is 4194024',
  ],
  [
    { ...array, type: 'prog_array' },
    'map "m" (prog_array): values are descriptors of 4 bytes, so valueSize must be 4, not 8',
  ],
  [
    { ...array, type: 'array_of_maps', valueSize: 4 },
    'map "m" (array_of_maps): a map of maps needs an inner map that says what its maps look like',
  ],
  [
    { ...array, type: 'array_of_maps', valueSize: 4, inner: { ...array, name: 'i', keySize: 8 } },
    `map "m" (array_of_maps): its inner map "i" can not be created: an array's key is its index, so keySize must be 4, not 8`,
  ],
  [
    { ...hash, type: 'hash_of_maps', valueSize: 4, inner: { ...array, name: 'i', type: 'prog_array', valueSize: 4 } },
    'map "m" (hash_of_maps): its inner map "i" is a prog_array',
  ],
  [
    { ...outer, name: 'm', inner: { ...outer, name: 'i' } },
    'map "m" (array_of_maps): its inner map "i" is a map of maps itself; there is one level',
  ],
  [{ ...queue, keySize: 4 }, 'map "m" (queue): a queue has no keys, so keySize must be 0, not 4'],
  [{ ...queue, valueSize: 4_194_305 }, 'map "m" (queue): a value of 4194305 bytes is too large: the most is 4194304'],
  [
    { ...queue, type: 'bloom_filter', extra: 16 },
    'map "m" (bloom_filter): extra is the number of hash functions: from 0, which means 5, to 15, not 16',
  ],
  [
    { ...array, type: 'stack_trace', valueSize: 12 },
    'map "m" (stack_trace): a value is a call chain of 1 to 127 frames of 8 bytes, so valueSize must be from 8 to 1016, not 12',
  ],
  [
    { ...storage, maxEntries: 1 },
    'map "m" (task_storage): there is a value for each owner, so maxEntries must be 0, not 1',
  ],
  [{ ...storage, keySize: 8 }, 'map "m" (task_storage): a key is a descriptor of 4 bytes, so keySize must be 4, not 8'],
  [
    { ...storage, btf: undefined } as unknown as MapSpec,
    'map "m" (task_storage): local storage needs the BTF types of its key and value: define it with __type in .maps',
  ],
  [{ ...storage, valueSize: 65_536 }, 'map "m" (task_storage): a value of 65536 bytes is too large: the most is 65439'],
  [
    { ...array, type: 'devmap' as 'array' },
    'map "m" (devmap): there is no such map type; there are array, percpu_array, hash, percpu_hash, lru_hash, lru_percpu_hash, lpm_trie, prog_array, perf_event_array, cgroup_array, array_of_maps, hash_of_maps, queue, stack, bloom_filter, ringbuf, task_storage, cgrp_storage, stack_trace',
  ],
];

describe('map creation', () => {
  it.each(REFUSED)('refuses %j', (spec, message) => {
    const attempt = () => create(spec);
    expect(attempt).toThrow(MapSpecError);
    expect(attempt).toThrow(expect.objectContaining({ message }));
  });

  it('writes the contents of the spec', () => {
    const map = create({
      ...hash,
      contents: [
        [u32(5), u64(50n)],
        [u32(6), u64(60n)],
      ],
    });
    expect(map.lookup(u32(5))).toEqual(u64(50n));
    expect(map.lookup(u32(6))).toEqual(u64(60n));
  });

  it('allows BPF_F_NO_PREALLOC for hash maps, BPF_F_MMAPABLE for arrays, BPF_F_RDONLY_PROG for both', () => {
    expect(create({ ...hash, flags: 1 | (1 << 7) }).handle).toBe(1);
    expect(create({ ...array, flags: (1 << 10) | (1 << 7) }).handle).toBe(1);
  });

  it('says how to get room when the machine has none', () => {
    expect(() => create({ ...array, maxEntries: 1_000_000 })).toThrow(
      'map "m" (array): it needs 8000000 bytes, but the machine has 917504 left for maps, of 917504; lower maxEntries, or create the machine with more memory',
    );
  });
});
