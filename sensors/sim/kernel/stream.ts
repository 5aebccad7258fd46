import type { RingBuffer } from '../../../engine/maps/index.ts';
import type { Memory } from '../../../engine/vm/index.ts';
import type { RecordStream } from '../../kernel.ts';

/** A record where it lies in its ring. */
interface Place {
  readonly offset: number;
  readonly size: number;
  /** Nanoseconds since boot. */
  readonly time: number;
}

/**
 * Ring buffers as one stream in the order of time. Records are handed over where they lie; their room is given back once all that had
 * arrived are done with.
 * @param timeAt where a record has its time, a u64
 */
export const streamOf = (rings: readonly RingBuffer[], { bytes, view }: Memory, timeAt: number): RecordStream => {
  let consuming = false;
  const hand = (places: readonly Place[], handle: (record: Uint8Array) => void): void => {
    for (const { offset, size } of places) handle(bytes.subarray(offset, offset + size));
  };
  const consume = (handle: (record: Uint8Array) => void): number => {
    if (consuming) return 0;
    let places: Place[] | undefined;
    let last = 0;
    let sorted = true;
    const take = (offset: number, size: number): void => {
      const at = offset + timeAt;
      const time = view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
      if (time < last) sorted = false;
      last = time;
      places ??= [];
      places.push({ offset, size, time });
    };
    const ends = rings.map((ring) => ring.pending(take));
    consuming = true;
    try {
      if (!sorted) places?.sort((one, other) => one.time - other.time);
      if (places !== undefined) hand(places, handle);
    } finally {
      consuming = false;
      for (const [index, ring] of rings.entries()) ring.release(ends[index] ?? 0);
    }
    return places?.length ?? 0;
  };
  return { consume, drain: async (handle) => consume(handle), close: () => undefined };
};
