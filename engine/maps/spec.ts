import type { MapSpec, MapType } from '../object/index.ts';

/** Flags of map creation (include/uapi/linux/bpf.h). */
const BPF_F_NO_PREALLOC = 1 << 0;
const BPF_F_RDONLY_PROG = 1 << 7;
const BPF_F_MMAPABLE = 1 << 10;

const MAX_VALUE = 32 * 1024 * 1024;
/** KMALLOC_MAX_SIZE of x86-64: the kernel allocates a hash element in one piece. */
const MAX_HASH_ELEMENT = 4 * 1024 * 1024;
/** PCPU_MIN_UNIT_SIZE: the largest per-CPU allocation. */
const MAX_PERCPU_VALUE = 32 * 1024;
const MAX_TOTAL = 1024 * 1024 * 1024;
const MIN_RINGBUF = 4096;

/** Thrown for a map that can't be created as it is described. */
export class MapSpecError extends Error {
  constructor(spec: MapSpec, problem: string) {
    super(`map "${spec.name}" (${spec.type}): ${problem}`);
    this.name = 'MapSpecError';
  }
}

/** Rounds up to a multiple of 8 bytes. */
export const align8 = (size: number): number => Math.ceil(size / 8) * 8;

const isCount = (n: number): boolean => Number.isInteger(n) && n > 0 && n <= 0xffff_ffff;

const FLAGS: Partial<Record<MapType, number>> = {
  array: BPF_F_RDONLY_PROG | BPF_F_MMAPABLE,
  percpu_array: BPF_F_RDONLY_PROG,
  hash: BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG,
  ringbuf: 0,
};

function ringbufProblem(spec: MapSpec): string | undefined {
  const size = spec.maxEntries;
  if (spec.keySize !== 0 || spec.valueSize !== 0)
    return `a ring buffer has no key and no value; keySize and valueSize must be 0, not ${spec.keySize} and ${spec.valueSize}`;
  if (!Number.isInteger(size) || size < MIN_RINGBUF || size > MAX_TOTAL || !Number.isInteger(Math.log2(size)))
    return `maxEntries is the ring buffer's size in bytes: a power of two from ${MIN_RINGBUF} to ${MAX_TOTAL}, not ${size}`;
  if (spec.contents?.length) return 'a ring buffer takes no contents';
  return undefined;
}

function sizeProblem(spec: MapSpec): string | undefined {
  const { type, keySize, valueSize, maxEntries } = spec;
  if (type === 'ringbuf') return ringbufProblem(spec);
  if (type === 'hash') {
    if (!isCount(keySize)) return `keySize must be at least 1 byte, not ${keySize}`;
  } else if (keySize !== 4) return `an array's key is its index, so keySize must be 4, not ${keySize}`;
  if (!isCount(valueSize)) return `valueSize must be at least 1 byte, not ${valueSize}`;
  if (!isCount(maxEntries)) return `maxEntries must be from 1 to 4294967295, not ${maxEntries}`;
  if (type === 'percpu_array' && valueSize > MAX_PERCPU_VALUE)
    return `a value of ${valueSize} bytes is too large: per-CPU values have at most ${MAX_PERCPU_VALUE}`;
  if (type === 'hash' && keySize + valueSize > MAX_HASH_ELEMENT)
    return `key and value of ${keySize + valueSize} bytes are too large: together they have at most ${MAX_HASH_ELEMENT}`;
  if (valueSize > MAX_VALUE)
    return `a value of ${valueSize} bytes is too large: the most is ${MAX_VALUE}; split it over several entries`;
  const total = maxEntries * ((type === 'hash' ? align8(keySize) : 0) + align8(valueSize));
  if (total > MAX_TOTAL)
    return `${maxEntries} entries take ${total} bytes, more than the ${MAX_TOTAL} that a map may have; lower maxEntries`;
  return undefined;
}

/** Checks sizes and flags as the kernel's map_alloc_check does, with limits that a machine's memory can hold. @throws MapSpecError */
export function checkMapSpec(spec: MapSpec): void {
  if (!Object.hasOwn(FLAGS, spec.type))
    throw new MapSpecError(spec, `there is no such map type; there are ${Object.keys(FLAGS).join(', ')}`);
  const problem = sizeProblem(spec);
  if (problem) throw new MapSpecError(spec, problem);
  const unknown = (spec.flags ?? 0) & ~(FLAGS[spec.type] ?? 0);
  if (unknown !== 0)
    throw new MapSpecError(spec, `flags 0x${(unknown >>> 0).toString(16)} are not supported by this map type`);
}
