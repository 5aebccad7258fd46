import type { MapSpec } from '../object/index.ts';

/** Flags of an update (include/uapi/linux/bpf.h). */
export const BPF_ANY = 0;
export const BPF_NOEXIST = 1;
export const BPF_EXIST = 2;

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
  /** Offset in memory of an array's only value, for BPF_PSEUDO_MAP_VALUE; undefined for other types and for arrays of several. */
  readonly valueOffset: number | undefined;
}

/** A ring buffer map. Record sizes in bytes. */
export interface RingBuffer extends BpfMap {
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
