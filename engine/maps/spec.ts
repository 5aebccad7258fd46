import {
  BPF_F_INNER_MAP,
  BPF_F_MMAPABLE,
  BPF_F_NO_COMMON_LRU,
  BPF_F_NO_PREALLOC,
  BPF_F_NUMA_NODE,
  BPF_F_RDONLY,
  BPF_F_RDONLY_PROG,
  BPF_F_WRONLY,
  BPF_F_WRONLY_PROG,
  BPF_F_ZERO_SEED,
  type MapSpec,
  type MapType,
} from '../object/index.ts';
import { align8 } from './align.ts';
import { bloomFilterSize } from './bloom-filter.ts';
import { E2BIG, EINVAL, ENOMEM, ENOTSUPP } from './errno.ts';
import { MapSpecError } from './map-spec-error.ts';
import { isPerCpu } from './percpu.ts';

const BPF_F_CLONE = 1 << 9;
const BPF_F_PRESERVE_ELEMS = 1 << 11;

/** KMALLOC_MAX_SIZE of x86-64: the kernel allocates a hash element in one piece. */
const MAX_KMALLOC = 4 * 1024 * 1024;
/** struct htab_elem, struct lpm_trie_node. */
const HASH_ELEMENT_HEADER = 48;
const TRIE_NODE_HEADER = 24;
/** PCPU_MIN_UNIT_SIZE: the largest per-CPU allocation. */
const MAX_PERCPU_VALUE = 32 * 1024;
const MAX_VALUE = 32 * 1024 * 1024;
/** BPF_LOCAL_STORAGE_MAX_VALUE_SIZE: an element with its header of 96 bytes has its size in 16 bits. */
const MAX_STORAGE_VALUE = 0xffff - 96;
/** sysctl kernel.perf_event_max_stack. */
const MAX_FRAMES = 127;
const MIN_RINGBUF = 4096;
/** Bytes that one map may have. */
const MAX_TOTAL = 1024 * 1024 * 1024;

const ACCESS = BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
const USER_ACCESS = BPF_F_RDONLY | BPF_F_WRONLY;
const HASH = BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | ACCESS;
/** Whether elements are allocated at once is asked later. */
const LRU = BPF_F_NO_PREALLOC | BPF_F_NO_COMMON_LRU | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | ACCESS;
const SLOTS = BPF_F_NUMA_NODE | USER_ACCESS;

/** The flags that each type may have; BPF_F_STACK_BUILD_ID is missing, as frames in the machine have no build ids. */
const FLAGS: Readonly<Record<MapType, number>> = {
  array: BPF_F_NUMA_NODE | BPF_F_MMAPABLE | BPF_F_INNER_MAP | ACCESS,
  percpu_array: ACCESS,
  hash: HASH,
  percpu_hash: HASH & ~BPF_F_NUMA_NODE,
  lru_hash: LRU,
  lru_percpu_hash: LRU & ~BPF_F_NUMA_NODE,
  lpm_trie: BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | ACCESS,
  prog_array: SLOTS,
  perf_event_array: SLOTS | BPF_F_PRESERVE_ELEMS,
  cgroup_array: SLOTS,
  array_of_maps: SLOTS,
  hash_of_maps: HASH,
  queue: BPF_F_NUMA_NODE | ACCESS,
  stack: BPF_F_NUMA_NODE | ACCESS,
  bloom_filter: BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | ACCESS,
  ringbuf: BPF_F_NUMA_NODE,
  task_storage: BPF_F_NO_PREALLOC | BPF_F_CLONE,
  cgrp_storage: BPF_F_NO_PREALLOC | BPF_F_CLONE,
  stack_trace: BPF_F_NUMA_NODE | USER_ACCESS,
};

/** What is wrong with a spec, and what the kernel answers. */
interface Problem {
  readonly text: string;
  readonly errno: number;
}
const problem = (text: string, errno = EINVAL): Problem => ({ text, errno });
type Check = (spec: MapSpec) => Problem | undefined;

const isCount = (n: number): boolean => Number.isInteger(n) && n > 0 && n <= 0xffff_ffff;

const hasFlags: Check = ({ type, flags = 0 }) => {
  const unknown = flags & ~FLAGS[type];
  if (unknown !== 0) return problem(`flags 0x${(unknown >>> 0).toString(16)} are not supported by this map type`);
  if ((flags & BPF_F_NO_COMMON_LRU) !== 0 && (flags & BPF_F_NUMA_NODE) !== 0)
    return problem('lists of each CPU lie on its own node: BPF_F_NO_COMMON_LRU and BPF_F_NUMA_NODE exclude each other');
  if ((flags & BPF_F_RDONLY_PROG) !== 0 && (flags & BPF_F_WRONLY_PROG) !== 0)
    return problem(
      'programs can not have a map read-only and write-only: BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other',
    );
  return undefined;
};
const hasHashes: Check = ({ extra = 0 }) =>
  Number.isInteger(extra) && extra >= 0 && extra <= 15
    ? undefined
    : problem(`extra is the number of hash functions: from 0, which means 5, to 15, not ${extra}`);
const hasEntries: Check = ({ maxEntries }) =>
  isCount(maxEntries) ? undefined : problem(`maxEntries must be from 1 to 4294967295, not ${maxEntries}`);
const hasValue: Check = ({ valueSize }) =>
  isCount(valueSize) ? undefined : problem(`valueSize must be at least 1 byte, not ${valueSize}`);
const hasKey: Check = ({ keySize }) =>
  isCount(keySize) ? undefined : problem(`keySize must be at least 1 byte, not ${keySize}`);
const hasIndex: Check = ({ keySize }) =>
  keySize === 4 ? undefined : problem(`an array's key is its index, so keySize must be 4, not ${keySize}`);
const hasNoKey: Check = ({ type, keySize }) =>
  keySize === 0 ? undefined : problem(`a ${type} has no keys, so keySize must be 0, not ${keySize}`);
const holdsDescriptors: Check = ({ valueSize }) =>
  valueSize === 4 ? undefined : problem(`values are descriptors of 4 bytes, so valueSize must be 4, not ${valueSize}`);
const fitsPerCpu: Check = ({ type, valueSize }) =>
  isPerCpu(type) && align8(valueSize) > MAX_PERCPU_VALUE
    ? problem(`a value of ${valueSize} bytes is too large: per-CPU values have at most ${MAX_PERCPU_VALUE}`, E2BIG)
    : undefined;
const fitsElement: Check = ({ keySize, valueSize }) =>
  keySize + valueSize >= MAX_KMALLOC - HASH_ELEMENT_HEADER
    ? problem(
        `key and value of ${keySize + valueSize} bytes are too large: together they have at most ${MAX_KMALLOC - HASH_ELEMENT_HEADER - 1}`,
        E2BIG,
      )
    : undefined;
const fitsBuckets: Check = ({ maxEntries }) =>
  maxEntries > 2 ** 31 ? problem(`maxEntries must be at most 2147483648, not ${maxEntries}`, E2BIG) : undefined;
const preallocates: Check = ({ flags = 0 }) =>
  (flags & BPF_F_NO_PREALLOC) === 0
    ? undefined
    : problem('elements of an LRU map are allocated when it is created: BPF_F_NO_PREALLOC is not possible', ENOTSUPP);
const needsNoPrealloc: Check = ({ flags = 0 }) =>
  (flags & BPF_F_NO_PREALLOC) !== 0
    ? undefined
    : problem('entries are allocated as they come, so flags must have BPF_F_NO_PREALLOC');
const hasPrefix: Check = ({ keySize }) =>
  Number.isInteger(keySize) && keySize >= 5 && keySize <= 260
    ? undefined
    : problem(
        `a key is a prefix length of 4 bytes and 1 to 256 bytes of data, so keySize must be from 5 to 260, not ${keySize}`,
      );
const fitsNode: Check = ({ valueSize }) =>
  valueSize > MAX_KMALLOC - 256 - TRIE_NODE_HEADER
    ? problem(`a value of ${valueSize} bytes is too large: the most is ${MAX_KMALLOC - 256 - TRIE_NODE_HEADER}`)
    : undefined;
const fitsAllocation: Check = ({ valueSize }) =>
  valueSize > MAX_KMALLOC
    ? problem(`a value of ${valueSize} bytes is too large: the most is ${MAX_KMALLOC}`, E2BIG)
    : undefined;
const hasFrames: Check = ({ valueSize }) =>
  Number.isInteger(valueSize) && valueSize >= 8 && valueSize % 8 === 0 && valueSize / 8 <= MAX_FRAMES
    ? undefined
    : problem(
        `a value is a call chain of 1 to ${MAX_FRAMES} frames of 8 bytes, so valueSize must be from 8 to ${8 * MAX_FRAMES}, not ${valueSize}`,
      );
const isStorage: Check = ({ keySize, maxEntries, btf }) => {
  if (maxEntries !== 0) return problem(`there is a value for each owner, so maxEntries must be 0, not ${maxEntries}`);
  if (keySize !== 4) return problem(`a key is a descriptor of 4 bytes, so keySize must be 4, not ${keySize}`);
  if (!btf) return problem('local storage needs the BTF types of its key and value: define it with __type in .maps');
  return undefined;
};
const fitsStorage: Check = ({ valueSize }) =>
  valueSize > MAX_STORAGE_VALUE
    ? problem(`a value of ${valueSize} bytes is too large: the most is ${MAX_STORAGE_VALUE}`, E2BIG)
    : undefined;
const isRing: Check = ({ keySize, valueSize, maxEntries: size, contents }) => {
  if (keySize !== 0 || valueSize !== 0)
    return problem(
      `a ring buffer has no key and no value; keySize and valueSize must be 0, not ${keySize} and ${valueSize}`,
    );
  if (!Number.isInteger(size) || size < MIN_RINGBUF || size > MAX_TOTAL || !Number.isInteger(Math.log2(size)))
    return problem(
      `maxEntries is the ring buffer's size in bytes: a power of two from ${MIN_RINGBUF} to ${MAX_TOTAL}, not ${size}`,
    );
  return contents?.length ? problem('a ring buffer takes no contents') : undefined;
};
/** What an inner map may be (bpf_map_meta_alloc of kernel/bpf/map_in_map.c). */
const hasInner: Check = ({ inner }) => {
  if (!inner) return problem('a map of maps needs an inner map that says what its maps look like');
  if (inner.type === 'array_of_maps' || inner.type === 'hash_of_maps')
    return problem(`its inner map "${inner.name}" is a map of maps itself; there is one level`);
  return inner.type === 'prog_array' ? problem(`its inner map "${inner.name}" is a prog_array`, ENOTSUPP) : undefined;
};

const fitsValue: Check = ({ valueSize }) =>
  valueSize > MAX_VALUE
    ? problem(
        `a value of ${valueSize} bytes is too large: the most is ${MAX_VALUE}; split it over several entries`,
        valueSize > 0x7fff_ffff ? E2BIG : ENOMEM,
      )
    : undefined;
const fitsInAll: Check = (spec) => {
  const total = bytesOf(spec);
  return total > MAX_TOTAL
    ? problem(
        `${spec.maxEntries} entries take ${total} bytes, more than the ${MAX_TOTAL} that a map may have; lower maxEntries`,
        ENOMEM,
      )
    : undefined;
};

/** Bytes that a map has when it is full, but for what it needs to find them. */
function bytesOf(spec: MapSpec): number {
  const { type, keySize, valueSize, maxEntries } = spec;
  if (type === 'bloom_filter') return bloomFilterSize(spec).bits / 8;
  return maxEntries * ((keySize === 4 && !type.includes('hash') ? 0 : align8(keySize)) + align8(valueSize));
}

const SLOT_ARRAY: readonly Check[] = [hasFlags, holdsDescriptors, hasIndex, hasEntries];
const HASH_MAP: readonly Check[] = [hasKey, hasValue, hasEntries, fitsElement, fitsPerCpu, fitsBuckets];
const QUEUE: readonly Check[] = [hasFlags, hasNoKey, hasValue, hasEntries, fitsAllocation];
const STORAGE: readonly Check[] = [hasFlags, needsNoPrealloc, isStorage, hasValue, fitsStorage];

/** What each type asks of a spec, in the kernel's order where errnos differ. */
const CHECKS = {
  array: [hasFlags, hasIndex, hasValue, hasEntries],
  percpu_array: [hasFlags, hasIndex, hasValue, hasEntries, fitsPerCpu],
  hash: [hasFlags, ...HASH_MAP],
  percpu_hash: [hasFlags, ...HASH_MAP],
  lru_hash: [hasFlags, preallocates, ...HASH_MAP],
  lru_percpu_hash: [hasFlags, preallocates, ...HASH_MAP],
  lpm_trie: [hasFlags, needsNoPrealloc, hasPrefix, hasValue, hasEntries, fitsNode],
  prog_array: SLOT_ARRAY,
  perf_event_array: SLOT_ARRAY,
  cgroup_array: SLOT_ARRAY,
  array_of_maps: [...SLOT_ARRAY, hasInner],
  hash_of_maps: [holdsDescriptors, hasFlags, hasKey, hasEntries, fitsElement, hasInner, fitsBuckets],
  queue: QUEUE,
  stack: QUEUE,
  bloom_filter: [fitsAllocation, hasFlags, hasNoKey, hasValue, hasEntries, hasHashes],
  ringbuf: [hasFlags, isRing],
  task_storage: STORAGE,
  cgrp_storage: STORAGE,
  stack_trace: [hasFlags, hasIndex, hasFrames, hasEntries, fitsBuckets],
} as const satisfies Record<MapType, readonly Check[]>;

/** What any type refuses (map_create of kernel/bpf/syscall.c). */
const isCreatable: Check = ({ type, flags = 0, extra = 0 }) => {
  if (type !== 'bloom_filter' && extra !== 0) return problem(`extra must be 0 for this map type, not ${extra}`);
  if ((flags & BPF_F_RDONLY) !== 0 && (flags & BPF_F_WRONLY) !== 0)
    return problem(
      'user space can not have a map read-only and write-only: BPF_F_RDONLY and BPF_F_WRONLY exclude each other',
    );
  return undefined;
};

/** The inner map is there before the map that is made for it, so its own problems come first. */
function specProblem(spec: MapSpec): Problem | undefined {
  const inner = spec.inner && specProblem(spec.inner);
  if (inner) return problem(`its inner map "${spec.inner!.name}" can not be created: ${inner.text}`, inner.errno);
  for (const check of [isCreatable, ...CHECKS[spec.type], ...(spec.type === 'ringbuf' ? [] : [fitsValue, fitsInAll])]) {
    const found = check(spec);
    if (found) return found;
  }
  return undefined;
}

/** Checks sizes and flags as the kernel's map_alloc_check does, with limits that a machine's memory can hold. @throws MapSpecError */
export function checkMapSpec(spec: MapSpec): void {
  if (!Object.hasOwn(CHECKS, spec.type))
    throw new MapSpecError(spec, `there is no such map type; there are ${Object.keys(CHECKS).join(', ')}`);
  const found = specProblem(spec);
  if (found) throw new MapSpecError(spec, found.text, found.errno);
}
