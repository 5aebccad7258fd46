import type { MapSpec } from '../object/index.ts';

/** Flags of an update (include/uapi/linux/bpf.h). */
export const BPF_ANY = 0;
export const BPF_NOEXIST = 1;
export const BPF_EXIST = 2;

/** Where an array's values lie in memory: that of `index` at `values + index * stride`, for indexes below `maxEntries`; for code that looks up inline. */
export interface ArrayLayout {
  readonly kind: 'array';
  readonly values: number;
  /** Bytes from one value to the next, a multiple of 8. */
  readonly stride: number;
  readonly maxEntries: number;
}

/**
 * Where a ring buffer lies in memory, for code that reserves inline. `data` has `mask + 1` bytes and as many spare ones behind it, so
 * that a record which begins below `data + mask + 1` is contiguous. The others are offsets of little-endian 64-bit numbers: positions
 * only grow, the record at position p begins at `data + (p & mask)`, and a record of n bytes with its header fits while
 * producer + n - consumer <= mask. Each header has 8 bytes: length with the busy bit (2^31) or the discard bit (2^30), then the map's handle.
 */
export interface RingBufferLayout {
  readonly kind: 'ringbuf';
  readonly data: number;
  readonly mask: number;
  readonly producerAt: number;
  readonly consumerAt: number;
  readonly lostAt: number;
}

/**
 * A map whose values lie in the machine's memory. Results are 0 or a negative errno, as the kernel's.
 * Keys and values that user space passes must have the spec's sizes, else -EINVAL.
 */
export interface BpfMap {
  readonly spec: MapSpec;
  /** The number programs refer to it by (a file descriptor on Linux). */
  readonly handle: number;
  /** Offset in memory of the value whose key lies at `keyOffset` in memory; 0 when there is none. */
  lookupAt(keyOffset: number): number;
  updateAt(keyOffset: number, valueOffset: number, flags: number): number;
  deleteAt(keyOffset: number): number;
  /** A copy of the value, from user space. */
  lookup(key: Uint8Array): Uint8Array | undefined;
  update(key: Uint8Array, value: Uint8Array, flags?: number): number;
  delete(key: Uint8Array): number;
  keys(): Iterable<Uint8Array>;
  /** Whether `length` bytes at an offset in memory lie in one value of this map, live or (as in the kernel) still held by a program; for checked runs. */
  contains(offset: number, length: number): boolean;
  /** Offset in memory of an array's only value, for BPF_PSEUDO_MAP_VALUE; undefined for other types and for arrays of several. */
  readonly valueOffset: number | undefined;
  /** What compiled code needs to do without calls; undefined where the type or the machine (per-CPU values of several CPUs) rules that out. */
  readonly layout: ArrayLayout | RingBufferLayout | undefined;
}

/** A ring buffer map. Record sizes in bytes. */
export interface RingBuffer extends BpfMap {
  readonly layout: RingBufferLayout;
  /** Offset of a record of `size` bytes to fill in, 0 when there is no room. */
  reserve(size: number): number;
  /** @throws Error for an offset that `reserve` did not return, or that was submitted or discarded before. */
  submit(recordOffset: number): void;
  discard(recordOffset: number): void;
  /** Copies `size` bytes in; 0, or -EAGAIN when there is no room, also when there never can be. */
  output(dataOffset: number, size: number): number;
  /**
   * Hands every finished record to `each`, oldest first; the bytes are valid only during the call. Returns how many.
   * A record counts as handed out even if `each` throws.
   */
  consume(each: (record: Uint8Array) => void): number;
  /** Records that found no room. */
  readonly lost: number;
}

/** A map that programs call into: bpf_tail_call takes the program behind a slot. Values of user space are handles of loaded programs. */
export interface ProgArray extends BpfMap {
  /** Handle of the program in a slot, undefined where it is empty or beyond the end. */
  programAt(index: number): number | undefined;
}

/** A map whose values are maps: `lookupAt` gives programs the inner map's handle through `mapAt`, user space reads the id it wrote. */
export interface MapOfMaps extends BpfMap {
  /** Handle of the inner map that a key leads to, undefined where there is none. */
  mapAt(keyOffset: number): number | undefined;
}

/** Queue, stack and bloom filter: no keys. Results are 0 or a negative errno. */
export interface KeylessMap extends BpfMap {
  pushAt(valueOffset: number, flags: number): number;
  popAt(valueOffset: number): number;
  peekAt(valueOffset: number): number;
}

/** Values that belong to a task or a cgroup and go with it; the owner is the address of its kernel struct. */
export interface LocalStorageMap extends BpfMap {
  /** Offset in memory of the owner's value; made, from `valueOffset` where it isn't 0, where `create` says so; 0 where there is none. */
  storageAt(owner: bigint, valueOffset: number, create: boolean): number;
  /** 0 or -ENOENT. */
  deleteStorage(owner: bigint): number;
}

/** What maps need of the machine around them. */
export interface MapHost {
  /** A map by its handle, for maps of maps. */
  map(handle: number): BpfMap | undefined;
  /** Whether a handle is that of a loaded program of the prog array's kind. */
  isProgram(handle: number): boolean;
  /** Address of the task_struct or cgroup that a file descriptor of user space (4 bytes) stands for. */
  owner(kind: 'task' | 'cgroup', fd: number): bigint | undefined;
}
