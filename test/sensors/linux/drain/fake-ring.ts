import {
  BUSY,
  DISCARD,
  HEADER_BYTES,
  placeIn,
  type RingPages,
  recordBytes,
} from '../../../../sensors/linux/drain/ring.ts';

/** A ring buffer as the kernel's side writes it, both copies of its data included. */
export interface FakeRing {
  readonly pages: RingPages;
  /** Reserves room for a record, still busy; its position, or undefined where there is no room. */
  reserve(length: number): number | undefined;
  /** Fills a record in and lets readers see it. */
  commit(at: number, bytes: Uint8Array, discard?: boolean): void;
  readonly produced: number;
  readonly consumed: number;
}

/** @param start the position of both ends at the beginning. */
export function fakeRing(size: number, start = 0): FakeRing {
  const buffer = new ArrayBuffer(2 * size);
  const data = new Uint8Array(buffer);
  const words = new Uint32Array(buffer);
  let produced = start;
  let consumed = start;
  const put = (place: number, bytes: Uint8Array): void => {
    for (const [i, byte] of bytes.entries()) {
      const at = (place + i) % size;
      data[at] = byte;
      data[at + size] = byte;
    }
  };
  const header = (at: number, word: number): void =>
    put(placeIn(at, size), new Uint8Array(Uint32Array.of(word, 0).buffer));
  return {
    pages: {
      size,
      data,
      words,
      produced: () => produced,
      consumed: () => consumed,
      header: (at) => words[placeIn(at, size) / 4] as number,
      release(at) {
        if (at < consumed || at > produced) throw new Error(`released up to ${at} of ${consumed} to ${produced}`);
        consumed = at;
      },
    },
    reserve(length) {
      const total = recordBytes(length);
      if (produced - consumed + total > size) return undefined;
      const at = produced;
      header(at, (length | BUSY) >>> 0);
      produced += total;
      return at;
    },
    commit(at, bytes, discard = false) {
      put((placeIn(at, size) + HEADER_BYTES) % size, bytes);
      header(at, bytes.length | (discard ? DISCARD : 0));
    },
    get produced() {
      return produced;
    },
    get consumed() {
      return consumed;
    },
  };
}
