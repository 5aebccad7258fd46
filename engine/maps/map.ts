import type { MapSpec } from '../object/index.ts';

/** Flags of an update (include/uapi/linux/bpf.h). */
export const BPF_ANY = 0;
export const BPF_NOEXIST = 1;
export const BPF_EXIST = 2;
/** Takes the lock in the value; only for values that have one. */
export const BPF_F_LOCK = 4;

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
 * What bpf(2) offers user space for a map: results are the bytes asked for, 0, or a negative errno, as the kernel's (kernel/bpf/syscall.c).
 * Keys and values must have the spec's sizes, else -EINVAL; a per-CPU value is one for every CPU, each padded to 8 bytes. Queue, stack,
 * bloom filter and ring buffer take `undefined` as key. Flags are whole numbers of 64 bits, as far as a number holds them.
 */
export interface MapSyscalls {
  /** BPF_MAP_LOOKUP_ELEM: a copy of the value; of queue and stack the next one to pop. */
  lookup(key: Uint8Array | undefined, flags?: number): Uint8Array | number;
  /** BPF_MAP_UPDATE_ELEM; pushes on queue, stack and bloom filter. */
  update(key: Uint8Array | undefined, value: Uint8Array, flags?: number): number;
  /** BPF_MAP_DELETE_ELEM. */
  delete(key: Uint8Array | undefined): number;
  /** BPF_MAP_LOOKUP_AND_DELETE_ELEM; pops from queue and stack. */
  lookupAndDelete(key: Uint8Array | undefined, flags?: number): Uint8Array | number;
  /** BPF_MAP_GET_NEXT_KEY: the key after `key`; the first where that is undefined or, as in the kernel, no longer there. */
  nextKey(key: Uint8Array | undefined): Uint8Array | number;
  /** Of a bloom filter: 0 where the value may be in it, else -ENOENT. */
  contains(value: Uint8Array): number;
  /** BPF_MAP_FREEZE: no more writes from user space; programs may go on. */
  freeze(): number;
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
  /** As `syscalls.lookup`; undefined whatever the errno. */
  lookup(key: Uint8Array): Uint8Array | undefined;
  /** As `syscalls.update`. */
  update(key: Uint8Array, value: Uint8Array, flags?: number): number;
  /** As `syscalls.delete`. */
  delete(key: Uint8Array): number;
  /** The keys there are when it is called. */
  keys(): Iterable<Uint8Array>;
  readonly syscalls: MapSyscalls;
  /** Gives the map's memory back to the machine. No program may hold or use the map any more. */
  close(): void;
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
  /**
   * Tells where every finished record lies, oldest first, and takes none; those that were discarded are left out. Returns the position
   * behind the last of them, for `release`.
   */
  pending(each: (recordOffset: number, size: number) => void): number;
  /** Gives the room of all records in front of a position that `pending` returned back to programs. */
  release(position: number): void;
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

/** A map whose entries bpf_for_each_map_elem visits: arrays and hash maps. */
export interface IterableMap extends BpfMap {
  /** Calls `visit` with the offsets of each key and value until it returns true; entries may be deleted meanwhile. Returns how many were visited. */
  eachAt(visit: (keyOffset: number, valueOffset: number) => boolean): number;
}

/** A per-CPU map: `lookupAt` and `updateAt` are about the current CPU's value. */
export interface PerCpuMap extends IterableMap {
  /** As `lookupAt`, of another CPU (bpf_map_lookup_percpu_elem); 0 also where there is no such CPU. */
  lookupCpuAt(keyOffset: number, cpu: number): number;
}

/** Queue, stack and bloom filter: no keys. Results are 0 or a negative errno. */
export interface KeylessMap extends BpfMap {
  pushAt(valueOffset: number, flags: number): number;
  /** Fills in the value that it takes out, zeroes where there is none (-ENOENT). */
  popAt(valueOffset: number): number;
  /** As `popAt`, leaving the value; of a bloom filter whether the value may be in it. */
  peekAt(valueOffset: number): number;
}

/** Values that belong to a task or a cgroup and go with it; the owner is the address of its kernel struct. */
export interface LocalStorageMap extends BpfMap {
  /** Offset in memory of the owner's value; made, from `valueOffset` where it isn't 0, where `create` says so; 0 where there is none. */
  storageAt(owner: bigint, valueOffset: number, create: boolean): number;
  /** 0 or -ENOENT. */
  deleteStorage(owner: bigint): number;
}

/** A map whose slots are cgroups, for bpf_current_task_under_cgroup. */
export interface CgroupArray extends BpfMap {
  /** Address of the cgroup in a slot, undefined where it is empty or beyond the end. */
  cgroupAt(index: number): bigint | undefined;
}

/** A map whose slots are perf events, each the buffer of one CPU. */
export interface PerfEventArray extends BpfMap {
  /** Puts a perf event into a slot, as perf_event_open and an update do; 0 or -E2BIG. */
  open(index: number): number;
  /**
   * bpf_perf_event_output: keeps a copy of `size` bytes for the reader. `flags` is the slot, or BPF_F_CURRENT_CPU (0xffffffff).
   * -EINVAL for other flags, -E2BIG beyond the end, -ENOENT where the slot is empty, -EOPNOTSUPP for another CPU's, -ENOSPC when
   * 65,536 records wait.
   */
  outputAt(dataOffset: number, size: number, flags: number): number;
  /** Hands every record to `each`, oldest first, with its slot. Returns how many. */
  consume(each: (record: Uint8Array, index: number) => void): number;
  /** Records that found no room. */
  readonly lost: number;
}

/** A map of call chains; ids come from their content. */
export interface StackTraceMap extends BpfMap {
  /**
   * bpf_get_stackid for the addresses of a call chain: its id, or -EEXIST where another chain has it already, -EFAULT where all frames are
   * skipped, -EINVAL for unknown flags. Flags: frames to skip (8 bits), BPF_F_USER_STACK, BPF_F_FAST_STACK_CMP, BPF_F_REUSE_STACKID.
   */
  stackId(frames: readonly bigint[], flags: number): number;
}

/** What maps need of the machine around them. */
export interface MapHost {
  /** A map by its handle, for maps of maps. */
  map(handle: number): BpfMap | undefined;
  /** Whether a handle is that of a loaded program of the prog array's kind. */
  isProgram(handle: number): boolean;
  /** Address of the task_struct or cgroup that a file descriptor of user space (4 bytes) stands for. */
  owner(kind: 'task' | 'cgroup', fd: number): bigint | undefined;
  /** How many CPUs the machine has, from 1; 1 where left out. */
  readonly cpus?: number;
  /** The CPU that programs run on, from 0; 0 where left out. */
  currentCpu?(): number;
  /** Most bytes that the maps of the machine may have together; 7/8 of its memory where left out. */
  readonly mapBytes?: number;
}
