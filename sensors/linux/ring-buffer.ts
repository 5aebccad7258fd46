import { mapShared, unmapShared } from './call.ts';
import { BpfError } from './error.ts';
import type { LinuxMap } from './map.ts';

const PAGE_BYTES = 4096;
const HEADER_BYTES = 8;
const [PROT_READ, PROT_WRITE] = [1, 2];
/** Flags in a record's length (BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT of include/uapi/linux/bpf.h). */
const [BUSY, DISCARD] = [0x8000_0000, 0x4000_0000];

/** The reading end of a ring buffer map. */
export interface LinuxRingBuffer {
  /** Hands every finished record to `each`, oldest first; the bytes are valid only during the call. Returns how many. */
  consume(each: (record: Uint8Array) => void): number;
  /** Unmaps its pages; the map stays open. */
  close(): void;
}

/**
 * Maps a ring buffer's pages (kernel/bpf/ringbuf.c): the consumer's position, which is ours to write; then, read only, the
 * producer's position and the data twice in a row, so that a record is whole where it wraps. @throws BpfError
 */
export function openRingBuffer(map: LinuxMap): LinuxRingBuffer {
  const size = map.spec.maxEntries;
  const consumerPage = shared(map, PAGE_BYTES, PROT_READ | PROT_WRITE, 0);
  const producerPages = shared(map, PAGE_BYTES + 2 * size, PROT_READ, PAGE_BYTES);
  const consumer = new BigUint64Array(consumerPage, 0, 1);
  const producer = new BigUint64Array(producerPages, 0, 1);
  const lengths = new Uint32Array(producerPages, PAGE_BYTES);
  const data = new Uint8Array(producerPages, PAGE_BYTES);
  let closed = false;
  return {
    consume(each) {
      if (closed) return 0;
      let records = 0;
      for (let at = Atomics.load(consumer, 0); at < Atomics.load(producer, 0); ) {
        const place = Number(at & BigInt(size - 1));
        const word = Atomics.load(lengths, place / 4);
        if (word >= BUSY) break;
        const length = word & (DISCARD - 1);
        at += BigInt((length + HEADER_BYTES + 7) & ~7);
        try {
          if ((word & DISCARD) === 0) {
            records++;
            each(data.subarray(place + HEADER_BYTES, place + HEADER_BYTES + length));
          }
        } finally {
          Atomics.store(consumer, 0, at);
        }
      }
      return records;
    },
    close() {
      if (closed) return;
      closed = true;
      unmapShared(consumerPage);
      unmapShared(producerPages);
    },
  };
}

function shared(map: LinuxMap, length: number, protection: number, offset: number): ArrayBuffer {
  const pages = mapShared(map.fd, length, protection, offset);
  if (typeof pages === 'number') throw new BpfError('mmap', -pages, `map "${map.spec.name}" (${map.spec.type})`);
  return pages;
}
