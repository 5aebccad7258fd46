import {
  BPF_F_INNER_MAP,
  BPF_F_MMAPABLE,
  BPF_F_NO_COMMON_LRU,
  BPF_F_NO_PREALLOC,
  BPF_F_RDONLY,
  BPF_F_RDONLY_PROG,
  BPF_F_WRONLY,
  BPF_F_WRONLY_PROG,
  BPF_F_ZERO_SEED,
  type MapSpec,
  type MapType,
} from '../../engine/object/index.ts';
import type { Random } from '../support/random.ts';

const BPF_F_STACK_BUILD_ID = 1 << 5;
const FLAG_BITS = 13;
const ACCESS = [BPF_F_RDONLY, BPF_F_WRONLY, BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG] as const;
/** So many entries that no kernel drops one of a handful of keys: each CPU keeps up to 128 free elements for itself. */
const LRU_ENTRIES = 1024;

const isLru = (type: MapType): boolean => type === 'lru_hash' || type === 'lru_percpu_hash';
const isHash = (type: MapType): boolean => type.includes('hash');

/** A spec of the type that the kernel takes. */
function validSpec(random: Random, type: MapType): MapSpec {
  const valueSize = random.pick([1, 3, 4, 8, 12, 16, 24, 33]);
  const hashed = {
    keySize: random.pick([1, 3, 4, 7, 8, 12, 16, 25]),
    valueSize,
    maxEntries: random.pick([1, 2, 3, 5, 8]),
  };
  const indexed = { keySize: 4, valueSize, maxEntries: random.pick([1, 2, 5, 16]) };
  const keyless = { keySize: 0, valueSize, maxEntries: random.pick([1, 2, 3, 7]) };
  const seed = random.chance(0.7) ? BPF_F_ZERO_SEED : 0;
  const sizes = {
    array: { ...indexed, flags: random.pick([0, 0, BPF_F_MMAPABLE, BPF_F_INNER_MAP]) },
    percpu_array: indexed,
    hash: { ...hashed, flags: seed | random.pick([0, BPF_F_NO_PREALLOC]) },
    percpu_hash: { ...hashed, flags: seed | random.pick([0, BPF_F_NO_PREALLOC]) },
    lru_hash: { ...hashed, maxEntries: LRU_ENTRIES, flags: seed | random.pick([0, BPF_F_NO_COMMON_LRU]) },
    lru_percpu_hash: { ...hashed, maxEntries: LRU_ENTRIES, flags: seed | random.pick([0, BPF_F_NO_COMMON_LRU]) },
    lpm_trie: { ...hashed, keySize: random.pick([5, 6, 8, 13, 20]), flags: BPF_F_NO_PREALLOC },
    prog_array: { ...indexed, valueSize: 4 },
    perf_event_array: { ...indexed, valueSize: 4 },
    cgroup_array: { ...indexed, valueSize: 4 },
    array_of_maps: { ...indexed, valueSize: 4 },
    hash_of_maps: { ...hashed, valueSize: 4, flags: seed | random.pick([0, BPF_F_NO_PREALLOC]) },
    queue: keyless,
    stack: keyless,
    bloom_filter: {
      ...keyless,
      valueSize: 1,
      maxEntries: random.pick([1, 4, 9, 40]),
      extra: random.pick([0, 1, 3, 15]),
      flags: seed,
    },
    ringbuf: { keySize: 0, valueSize: 0, maxEntries: random.pick([4096, 8192, 65_536]) },
    task_storage: { keySize: 4, valueSize, maxEntries: 0, flags: BPF_F_NO_PREALLOC, btf: { key: 1, value: 1 } },
    cgrp_storage: { keySize: 4, valueSize, maxEntries: 0, flags: BPF_F_NO_PREALLOC, btf: { key: 1, value: 1 } },
    stack_trace: { ...indexed, valueSize: random.pick([8, 64, 1016]) },
  } satisfies Record<MapType, Partial<MapSpec>>;
  const spec: MapSpec = { name: type.slice(0, 15), type, ...sizes[type] };
  if (type !== 'array_of_maps' && type !== 'hash_of_maps') return spec;
  return { ...spec, inner: { ...validSpec(random, random.pick(INNER_TYPES)), name: 'inner' } };
}

const INNER_TYPES = [
  'array',
  'array',
  'hash',
  'lpm_trie',
  'percpu_hash',
  'queue',
  'bloom_filter',
  'ringbuf',
  'prog_array',
  'cgroup_array',
  'stack_trace',
  'array_of_maps',
] as const satisfies readonly MapType[];

/**
 * A spec of the type with up to two random changes, which may make it one that the kernel refuses; sizes keep what is allocated below
 * some MiB, since only ours has limits of its own.
 */
export function randomSpec(random: Random, type: MapType): MapSpec {
  let spec = validSpec(random, type);
  for (
    let changes = random.weighted([
      [6, 0],
      [3, 1],
      [1, 2],
    ]);
    changes > 0;
    changes--
  )
    spec = changed(random, spec);
  return spec;
}

function changed(random: Random, spec: MapSpec): MapSpec {
  const { type, flags = 0 } = spec;
  switch (random.below(6)) {
    case 0:
      return { ...spec, keySize: random.pick([0, 1, 2, 3, 4, 5, 8, 64, 255, 260, 261, 512, 0x7fff_ffff]) };
    case 1:
      return { ...spec, valueSize: random.pick(valueSizesOf(type)) };
    case 2:
      return { ...spec, maxEntries: random.pick(entriesOf(type)) };
    case 3:
      return { ...spec, extra: random.pick([1, 2, 15, 16, 17]) };
    case 4:
      return { ...spec, flags: flags ^ random.pick(ACCESS) };
    default:
      return { ...spec, flags: (flags ^ (1 << random.below(FLAG_BITS))) & ~BPF_F_STACK_BUILD_ID };
  }
}

/** LRU maps are so large that they get small values, or some that are refused. */
function valueSizesOf(type: MapType): readonly number[] {
  if (type === 'stack_trace') return STACK_SIZES;
  return isLru(type) ? VALUE_SIZES.filter((size) => size <= 100 || size > 4_194_304) : VALUE_SIZES;
}

const STACK_SIZES = [0, 7, 8, 12, 1016, 1024, 4096];
const VALUE_SIZES = [
  0, 1, 4, 5, 8, 100, 32_761, 32_768, 32_769, 65_400, 65_536, 4_194_240, 4_194_305, 0x8000_0000, 0xffff_ffff,
];

/** Sizes of values for which local storage can have a BTF type. */
export const VALUE_TYPE_SIZES = [1, 3, 4, 5, 8, 12, 16, 24, 33, 100, 32_761, 32_768, 32_769, 65_400, 65_536];

function entriesOf(type: MapType): readonly number[] {
  if (isLru(type)) return [0, LRU_ENTRIES, 0x8000_0001, 0xffff_ffff];
  if (isHash(type)) return [0, 1, 4, 0x8000_0001, 0xffff_ffff];
  if (type === 'ringbuf') return [0, 1, 4095, 4097, 5000, 12_288, 16_384];
  return [0, 1, 4, 17];
}

/** Whether keys come in the same order on both sides: not where the kernel's hashes have a seed of their own. */
export const hasKnownOrder = ({ type, flags = 0 }: MapSpec): boolean =>
  !isHash(type) || (flags & BPF_F_ZERO_SEED) !== 0;

/** A key of few that there are for a spec; empty for types without. */
export function randomKey(random: Random, { type, keySize, maxEntries }: MapSpec): Uint8Array {
  const key = new Uint8Array(keySize);
  if (keySize === 0) return key;
  const view = new DataView(key.buffer);
  if (type === 'lpm_trie') {
    const bits = 8 * (keySize - 4);
    view.setUint32(
      0,
      random.weighted([
        [4, random.below(bits + 1)],
        [4, bits],
        [2, random.below(9)],
        [1, bits + 1],
        [1, 0xffff_ffff],
      ]),
      true,
    );
    for (let i = 4; i < keySize; i++) key[i] = random.pick([0, 1, 0x80, 0xff]);
    if (random.chance(0.5)) key.fill(0, 5);
  } else if (isHash(type)) key[random.below(Math.min(keySize, 2))] = random.below(5);
  else
    view.setUint32(
      0,
      random.weighted([
        [8, random.below(maxEntries + 2)],
        [1, 0xffff_ffff],
      ]),
      true,
    );
  return key;
}

/** Flags of an update: those that there are, and others. */
export const randomFlags = (random: Random): number =>
  random.weighted([
    [10, 0],
    [4, 1],
    [4, 2],
    [1, 3],
    [1, 4],
    [1, 5],
    [1, 6],
    [1, 7],
    [1, 8],
    [1, 2 ** 32],
    [1, 2 ** 32 + 1],
  ]);

/** Flags of a lookup. */
export const randomLookupFlags = (random: Random): number =>
  random.weighted([
    [20, 0],
    [1, 1],
    [1, 2],
    [1, 4],
    [1, 5],
    [1, 2 ** 40],
  ]);
