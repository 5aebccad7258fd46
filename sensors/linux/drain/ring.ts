import { mapShared, unmapShared, viewOf } from '../libc.ts';

const PAGE_BYTES = 4096;
const [PROT_READ, PROT_WRITE] = [1, 2];
/** Flags in a record's length (BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT of include/uapi/linux/bpf.h). */
export const [BUSY, DISCARD] = [0x8000_0000, 0x4000_0000];
/** Length and page offset, in front of every record. */
export const HEADER_BYTES = 8;

/** Where a position lies in a buffer of `size` bytes, a power of two: positions have more bits than an int. */
export const placeIn = (position: number, size: number): number => (position >>> 0) & (size - 1);

/** Bytes that a record takes with its header; lengths are below 2^30. */
export const recordBytes = (length: number): number => (length + HEADER_BYTES + 7) & ~7;

/** Where a ring buffer's pages lie in this process, for every thread of it. */
export interface RingMapping {
  readonly consumer: bigint;
  readonly producer: bigint;
  /** Bytes of data, a power of two. */
  readonly size: number;
}

/**
 * Maps a ring buffer's pages (kernel/bpf/ringbuf.c): the consumer's position, which is ours to write; then, read only, the
 * producer's position and the data twice in a row, so that a record is whole where it wraps. A negative errno where that fails.
 */
export function mapRing(fd: number, size: number): RingMapping | number {
  const consumer = mapShared(fd, PAGE_BYTES, PROT_READ | PROT_WRITE, 0);
  if (consumer < 0n) return Number(consumer);
  const producer = mapShared(fd, PAGE_BYTES + 2 * size, PROT_READ, PAGE_BYTES);
  if (producer < 0n) {
    unmapShared(consumer, PAGE_BYTES);
    return Number(producer);
  }
  return { consumer, producer, size };
}

/** No thread may touch the pages any more. */
export function unmapRing({ consumer, producer, size }: RingMapping): void {
  unmapShared(consumer, PAGE_BYTES);
  unmapShared(producer, PAGE_BYTES + 2 * size);
}

/** A mapped ring buffer as one thread sees it. Positions only grow and are exact up to 2^53. */
export interface RingPages {
  readonly size: number;
  /** Twice in a row. */
  readonly data: Uint8Array;
  /** The same in words of 4 bytes. */
  readonly words: Uint32Array;
  /** Where the next record will be. */
  produced(): number;
  /** Where the first record that was not released is. */
  consumed(): number;
  /** A record's header: its length, with BUSY while it is being written and DISCARD where it is none. */
  header(at: number): number;
  /** Gives everything in front of a position back to the kernel. */
  release(at: number): void;
}

export function viewRing({ consumer, producer, size }: RingMapping): RingPages {
  const consumerPage = new BigUint64Array(viewOf(consumer, PAGE_BYTES), 0, 1);
  const pages = viewOf(producer, PAGE_BYTES + 2 * size);
  const producerPage = new BigUint64Array(pages, 0, 1);
  const words = new Uint32Array(pages, PAGE_BYTES);
  return {
    size,
    data: new Uint8Array(pages, PAGE_BYTES),
    words,
    produced: () => Number(Atomics.load(producerPage, 0)),
    consumed: () => Number(Atomics.load(consumerPage, 0)),
    header: (at) => Atomics.load(words, placeIn(at, size) >>> 2),
    release: (at) => void Atomics.store(consumerPage, 0, BigInt(at)),
  };
}
