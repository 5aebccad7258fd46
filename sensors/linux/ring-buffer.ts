import {
  BUSY,
  DISCARD,
  HEADER_BYTES,
  mapRing,
  placeIn,
  type RingMapping,
  recordBytes,
  unmapRing,
  viewRing,
} from './drain/ring.ts';
import { BpfError } from './error.ts';
import type { LinuxMap } from './map.ts';

/** The reading end of a ring buffer map. */
export interface LinuxRingBuffer {
  /** Hands every finished record to `each`, oldest first; the bytes are valid only during the call. Returns how many. */
  consume(each: (record: Uint8Array) => void): number;
  /** Unmaps its pages; the map stays open. */
  close(): void;
}

/** Maps a ring buffer's pages. @throws BpfError */
export function mapRingOf(map: Pick<LinuxMap, 'fd' | 'spec'>): RingMapping {
  const mapping = mapRing(map.fd, map.spec.maxEntries);
  if (typeof mapping === 'number') throw new BpfError('mmap', -mapping, `map "${map.spec.name}" (${map.spec.type})`);
  return mapping;
}

/** Opens a ring buffer for reading in this thread. @throws BpfError */
export function openRingBuffer(map: Pick<LinuxMap, 'fd' | 'spec'>): LinuxRingBuffer {
  const mapping = mapRingOf(map);
  const ring = viewRing(mapping);
  let closed = false;
  return {
    consume(each) {
      if (closed) return 0;
      let records = 0;
      for (let at = ring.consumed(); at < ring.produced(); ) {
        const word = ring.header(at);
        if (word >= BUSY) break;
        const length = word & (DISCARD - 1);
        const place = placeIn(at, ring.size) + HEADER_BYTES;
        at += recordBytes(length);
        try {
          if ((word & DISCARD) === 0) {
            records++;
            each(ring.data.subarray(place, place + length));
          }
        } finally {
          ring.release(at);
        }
      }
      return records;
    },
    close() {
      if (closed) return;
      closed = true;
      unmapRing(mapping);
    },
  };
}
