import { DISCARD, HEADER_BYTES, recordBytes } from './ring.ts';

/** Words of the control block: positions count pieces of 8 bytes and wrap at 2^32. */
const WORDS = 16;
export const CONTROL = {
  /** Up to where the writer has written. */
  written: 0,
  /** Up to where the reader has read. */
  read: 1,
  /** Number of the last request to hand over everything there is, and of the last that was met. */
  asked: 2,
  met: 3,
  /** 1: the writer ends. */
  stop: 4,
  /** What the writer sleeps on. */
  wake: 5,
} as const;

const UNIT = 8;
/** In place of a record's length: the rest of the buffer is empty, the next record is at its beginning. */
const WRAP = 0xffff_ffff;
/** How far the writer goes before it starts over at the beginning when nothing is unread: what is touched stays small and in the cache. */
const WARM_BYTES = 1 << 20;
/** Up to here records are copied word by word, which takes less than a call. */
const SHORT_BYTES = 192;

/** What two threads share: records on their way, as they lay in the ring buffers. */
export interface OutboxMemory {
  readonly control: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
}

/** @param size bytes, a power of two; a record may take half of it. */
export const outboxMemory = (size: number): OutboxMemory => ({
  control: new SharedArrayBuffer(4 * WORDS),
  data: new SharedArrayBuffer(size),
});

/** The writing end. */
export interface OutboxWriter {
  /** How many bytes may be written at once. */
  readonly most: number;
  /** Copies whole records with their headers from `place` on; false where there is no room for them now. */
  write(bytes: Uint8Array, words: Uint32Array, place: number, length: number): boolean;
  /** Lets the reader see what was written. */
  publish(): void;
}

export function openOutboxWriter({ control, data }: OutboxMemory): OutboxWriter {
  const state = new Uint32Array(control);
  const bytes = new Uint8Array(data);
  const words = new Uint32Array(data);
  const size = data.byteLength;
  let written = Atomics.load(state, CONTROL.written);
  const unread = (): number => ((written - Atomics.load(state, CONTROL.read)) >>> 0) * UNIT;
  const placeOf = (): number => (written * UNIT) % size;
  const skipToStart = (): void => {
    const place = placeOf();
    words[place / 4] = WRAP;
    written = (written + (size - place) / UNIT) >>> 0;
  };
  return {
    most: size / 2,
    write(from, fromWords, place, length) {
      const waiting = unread();
      if (waiting === 0 && placeOf() >= WARM_BYTES) skipToStart();
      const tail = size - placeOf();
      if (length > tail) {
        if (unread() + tail + length >= size) return false;
        skipToStart();
      } else if (unread() + length >= size) return false;
      const to = placeOf();
      if (length <= SHORT_BYTES) {
        for (let i = to / 4, j = place / 4, end = j + length / 4; j < end; i++, j++) words[i] = fromWords[j] as number;
      } else bytes.set(from.subarray(place, place + length), to);
      written = (written + length / UNIT) >>> 0;
      return true;
    },
    publish: () => void Atomics.store(state, CONTROL.written, written),
  };
}

/** The reading end. */
export interface OutboxReader {
  /**
   * Hands over what was written, oldest first; returns how many. A record counts as handed over also where `handle` throws; the
   * next call goes on behind it.
   */
  read(handle: (record: Uint8Array) => void): number;
}

export function openOutboxReader({ control, data }: OutboxMemory): OutboxReader {
  const state = new Uint32Array(control);
  const bytes = new Uint8Array(data);
  const words = new Uint32Array(data);
  const size = data.byteLength;
  /** Bytes after which the writer hears that there is room. */
  const stride = size / 16 / UNIT;
  let reading = false;
  return {
    read(handle) {
      if (reading) return 0;
      reading = true;
      const end = Atomics.load(state, CONTROL.written);
      let at = Atomics.load(state, CONTROL.read);
      let told = at;
      let records = 0;
      try {
        while (at !== end) {
          const place = (at * UNIT) % size;
          const word = words[place / 4] as number;
          if (word === WRAP) {
            at = (at + (size - place) / UNIT) >>> 0;
            continue;
          }
          if ((at - told) >>> 0 > stride) {
            Atomics.store(state, CONTROL.read, at);
            told = at;
          }
          const length = word & (DISCARD - 1);
          at = (at + recordBytes(length) / UNIT) >>> 0;
          records++;
          handle(bytes.subarray(place + HEADER_BYTES, place + HEADER_BYTES + length));
        }
      } finally {
        Atomics.store(state, CONTROL.read, at);
        reading = false;
      }
      return records;
    },
  };
}
