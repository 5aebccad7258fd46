import { readFileSync } from 'node:fs';
import { MAP_TYPE_IDS, type MapSpec, type MapType } from '../../engine/object/index.ts';
import { createAttribute } from './attribute.ts';
import { addressOf, bpf, type Command, closeFd } from './call.ts';
import { BpfError } from './error.ts';

const [EINVAL, EFAULT] = [22, 14];
const CREATE_BYTES = 72;
const ELEMENT_BYTES = 32;
const BATCH_BYTES = 56;
const INFO_ATTRIBUTE_BYTES = 16;
const INFO_BYTES = 80;

const PER_CPU: ReadonlySet<MapType> = new Set(['percpu_hash', 'percpu_array', 'lru_percpu_hash']);

/** What a batch call did. */
export interface Batch {
  /** 0 or a negative errno; -ENOENT at the end of the map. */
  readonly result: number;
  /** Entries that were read, written or deleted. */
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  /** Where the next batch goes on. */
  readonly position: Uint8Array;
}

/**
 * A map of the running kernel. Results are 0 or a negative errno, or the bytes asked for. A per-CPU value is one of `spec.valueSize`
 * bytes for every possible CPU, each rounded up to 8. Queue, stack and bloom filter take `undefined` as key.
 */
export interface LinuxMap {
  readonly spec: MapSpec;
  readonly fd: number;
  /** Bytes of a value as user space sees it. */
  readonly valueBytes: number;
  lookup(key: Uint8Array | undefined, flags?: number): Uint8Array | number;
  update(key: Uint8Array | undefined, value: Uint8Array, flags?: number): number;
  delete(key: Uint8Array): number;
  lookupAndDelete(key: Uint8Array | undefined, flags?: number): Uint8Array | number;
  /** The key after `key`, or the first; -ENOENT behind the last. */
  nextKey(key: Uint8Array | undefined): Uint8Array | number;
  /** All keys, as `nextKey` gives them. */
  keys(): Iterable<Uint8Array>;
  /** Of a bloom filter: 0 where the value may be in it, else -ENOENT. */
  contains(value: Uint8Array): number;
  /** Up to `count` entries from a position that an earlier batch returned, or from the first. */
  lookupBatch(count: number, position?: Uint8Array): Batch;
  lookupAndDeleteBatch(count: number, position?: Uint8Array): Batch;
  /** Writes whole keys and values that lie one after the other. */
  updateBatch(keys: Uint8Array, values: Uint8Array, flags?: number): Batch;
  deleteBatch(keys: Uint8Array): Batch;
  /** No more updates from user space; programs may go on. 0 or a negative errno. */
  freeze(): number;
  /** The kernel's id of the map: what lookups in maps of maps return. */
  readonly id: number;
  close(): void;
}

/** What a map is made of beside its spec. */
export interface LinuxMapOptions {
  /** The inner map that a map of maps takes its shape from; one is made from `spec.inner` where this is left out. */
  readonly innerFd?: number;
  /** Loaded BTF with the types of key and value; local storage needs them. */
  readonly btf?: { readonly fd: number; readonly key: number; readonly value: number };
}

let cpus: number | undefined;

/** CPUs that there could ever be: how many values a per-CPU map has (/sys/devices/system/cpu/possible). */
export function possibleCpus(): number {
  cpus ??= readFileSync('/sys/devices/system/cpu/possible', 'utf8')
    .trim()
    .split(',')
    .reduce((most, range) => Math.max(most, Number(range.split('-').at(-1)) + 1), 0);
  return cpus;
}

const valueBytesOf = ({ type, valueSize }: MapSpec): number =>
  PER_CPU.has(type) ? Math.ceil(valueSize / 8) * 8 * possibleCpus() : valueSize;

function createFd(spec: MapSpec, options: LinuxMapOptions, innerFd: number | undefined): number {
  const attr = createAttribute(CREATE_BYTES);
  attr.u32(0, MAP_TYPE_IDS[spec.type]);
  attr.u32(4, spec.keySize);
  attr.u32(8, spec.valueSize);
  attr.u32(12, spec.maxEntries);
  attr.u32(16, spec.flags ?? 0);
  attr.u32(20, innerFd ?? 0);
  attr.name(28, spec.name);
  if (options.btf) {
    attr.u32(48, options.btf.fd);
    attr.u32(52, options.btf.key);
    attr.u32(56, options.btf.value);
  }
  attr.u64(64, BigInt(spec.extra ?? 0));
  return bpf('BPF_MAP_CREATE', attr.bytes, CREATE_BYTES);
}

/** Creates a map in the running kernel and writes its spec's contents. @throws BpfError */
export function createLinuxMap(spec: MapSpec, options: LinuxMapOptions = {}): LinuxMap {
  const subject = `map "${spec.name}" (${spec.type})`;
  const inner = spec.inner && options.innerFd === undefined ? createLinuxMap(spec.inner) : undefined;
  let fd: number;
  try {
    fd = createFd(spec, options, options.innerFd ?? inner?.fd);
  } finally {
    inner?.close();
  }
  if (fd < 0) throw new BpfError('BPF_MAP_CREATE', -fd, subject);
  const map = mapOfFd(spec, fd);
  for (const [key, value] of spec.contents ?? []) {
    const result = map.update(key, value);
    if (result === 0) continue;
    map.close();
    throw new BpfError('BPF_MAP_UPDATE_ELEM', -result, subject);
  }
  return map;
}

/** The map of a file descriptor, such as one that another process handed over. */
export function mapOfFd(spec: MapSpec, fd: number): LinuxMap {
  const valueBytes = valueBytesOf(spec);
  const attr = createAttribute(BATCH_BYTES);
  /** One piece whose address is known: key, next key, value. */
  const keyRoom = Math.ceil(spec.keySize / 8) * 8;
  const scratch = Buffer.alloc(2 * keyRoom + valueBytes + 8);
  const base = addressOf(scratch);
  const [nextAt, valueAt] = [keyRoom, 2 * keyRoom];
  let closed = false;

  const call = (command: Command, hasKey: boolean, second: number | undefined, flags: number): number => {
    attr.bytes.fill(0, 0, ELEMENT_BYTES);
    attr.u32(0, fd);
    if (hasKey) attr.u64(8, base);
    if (second !== undefined) attr.u64(16, base + BigInt(second));
    attr.u64(24, BigInt(flags));
    return bpf(command, attr.bytes, ELEMENT_BYTES);
  };
  /** Puts a key in place; false for one of the wrong size, which the kernel could not notice. */
  const setKey = (key: Uint8Array | undefined): boolean => {
    if (key === undefined) return true;
    if (key.length !== spec.keySize) return false;
    scratch.set(key, 0);
    return true;
  };
  const copy = (at: number, length: number): Uint8Array => Uint8Array.from(scratch.subarray(at, at + length));

  const read = (command: Command, key: Uint8Array | undefined, flags = 0): Uint8Array | number => {
    if (!setKey(key)) return -EINVAL;
    const result = call(command, key !== undefined, valueAt, flags);
    return result < 0 ? result : copy(valueAt, valueBytes);
  };

  const batch = (
    command: Command,
    keys: Uint8Array,
    values: Uint8Array,
    from: Uint8Array | undefined,
    flags: number,
  ) => {
    const count = spec.keySize === 0 ? 0 : Math.floor(keys.length / spec.keySize);
    const position = new Uint8Array(Math.max(keyRoom, 8));
    attr.clear();
    if (from) attr.u64(0, addressOf(from));
    attr.u64(8, addressOf(position));
    if (keys.length > 0) attr.u64(16, addressOf(keys));
    if (values.length > 0) attr.u64(24, addressOf(values));
    attr.u32(32, count);
    attr.u32(36, fd);
    attr.u64(40, BigInt(flags));
    const result = bpf(command, attr.bytes, BATCH_BYTES);
    const done = result === -EFAULT ? 0 : attr.readU32(32);
    return {
      result,
      count: done,
      keys: keys.subarray(0, done * spec.keySize),
      values: values.subarray(0, done * valueBytes),
      position,
    };
  };
  const readBatch = (command: Command, count: number, position: Uint8Array | undefined): Batch =>
    batch(command, new Uint8Array(count * spec.keySize), new Uint8Array(count * valueBytes), position, 0);

  const map: LinuxMap = {
    spec,
    fd,
    valueBytes,
    lookup: (key, flags) => read('BPF_MAP_LOOKUP_ELEM', key, flags),
    update(key, value, flags = 0) {
      if (!setKey(key) || value.length !== valueBytes) return -EINVAL;
      scratch.set(value, valueAt);
      return call('BPF_MAP_UPDATE_ELEM', key !== undefined, valueAt, flags);
    },
    delete: (key) => (setKey(key) ? call('BPF_MAP_DELETE_ELEM', true, undefined, 0) : -EINVAL),
    lookupAndDelete: (key, flags) => read('BPF_MAP_LOOKUP_AND_DELETE_ELEM', key, flags),
    nextKey(key) {
      if (!setKey(key)) return -EINVAL;
      const result = call('BPF_MAP_GET_NEXT_KEY', key !== undefined, nextAt, 0);
      return result < 0 ? result : copy(nextAt, spec.keySize);
    },
    *keys() {
      for (let key = map.nextKey(undefined); typeof key !== 'number'; key = map.nextKey(key)) yield key;
    },
    contains(value) {
      if (value.length !== valueBytes) return -EINVAL;
      scratch.set(value, valueAt);
      return call('BPF_MAP_LOOKUP_ELEM', false, valueAt, 0);
    },
    lookupBatch: (count, position) => readBatch('BPF_MAP_LOOKUP_BATCH', count, position),
    lookupAndDeleteBatch: (count, position) => readBatch('BPF_MAP_LOOKUP_AND_DELETE_BATCH', count, position),
    updateBatch: (keys, values, flags = 0) => batch('BPF_MAP_UPDATE_BATCH', keys, values, undefined, flags),
    deleteBatch: (keys) => batch('BPF_MAP_DELETE_BATCH', keys, new Uint8Array(0), undefined, 0),
    freeze() {
      attr.clear();
      attr.u32(0, fd);
      return bpf('BPF_MAP_FREEZE', attr.bytes, 4);
    },
    get id() {
      return idOf(fd);
    },
    close() {
      if (closed) return;
      closed = true;
      closeFd(fd);
    },
  };
  return map;
}

/** `id` of struct bpf_map_info. @throws BpfError */
function idOf(fd: number): number {
  const info = createAttribute(INFO_BYTES);
  const attr = createAttribute(INFO_ATTRIBUTE_BYTES);
  attr.u32(0, fd);
  attr.u32(4, INFO_BYTES);
  attr.u64(8, addressOf(info.bytes));
  const result = bpf('BPF_OBJ_GET_INFO_BY_FD', attr.bytes, INFO_ATTRIBUTE_BYTES);
  if (result < 0) throw new BpfError('BPF_OBJ_GET_INFO_BY_FD', -result, `map of fd ${fd}`);
  return info.readU32(4);
}
