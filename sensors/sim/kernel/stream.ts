import type { RingBuffer } from '../../../engine/maps/index.ts';
import type { Memory } from '../../../engine/vm/index.ts';
import type { RecordStream } from '../../kernel.ts';

/** A record where it lies in its ring. */
interface Place {
  offset: number;
  size: number;
  /** Nanoseconds since boot. */
  time: number;
}

/**
 * Ring buffers as one stream in the order of time. Records are handed over where they lie; their room is given back once all that had
 * arrived are done with.
 * @param timeAt where a record has its time, a u64
 */
export const streamOf = (rings: readonly RingBuffer[], { bytes, view }: Memory, timeAt: number): RecordStream => {
  let consuming = false;
  /** Places of this time, and behind them of times before, which are written over. */
  const places: Place[] = [];
  let count = 0;
  let last = 0;
  let sorted = true;
  const take = (offset: number, size: number): void => {
    const at = offset + timeAt;
    const time = view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
    if (time < last) sorted = false;
    last = time;
    const place = places[count++];
    if (place === undefined) places.push({ offset, size, time });
    else {
      place.offset = offset;
      place.size = size;
      place.time = time;
    }
  };
  const hand = (handle: (record: Uint8Array) => void): void => {
    const ordered = sorted ? places : places.slice(0, count).sort((one, other) => one.time - other.time);
    for (let index = 0; index < count; index++) {
      const { offset, size } = ordered[index]!;
      handle(bytes.subarray(offset, offset + size));
    }
  };
  const consume = (handle: (record: Uint8Array) => void): number => {
    if (consuming) return 0;
    count = 0;
    last = 0;
    sorted = true;
    const ends = rings.map((ring) => ring.pending(take));
    consuming = true;
    try {
      hand(handle);
    } finally {
      consuming = false;
      for (const [index, ring] of rings.entries()) ring.release(ends[index] ?? 0);
    }
    return count;
  };
  return { consume, drain: async (handle) => consume(handle), close: () => undefined };
};
