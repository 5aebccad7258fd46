/** Times in their order. */
export interface TimeLog {
  /** Puts a time in its place; constant where it is the latest. */
  add(time: bigint): void;
  dropFirst(): void;
  /** The earliest; 0 where there is none. */
  readonly first: bigint;
  /** The latest; 0 where there is none. */
  readonly last: bigint;
  /** Nanoseconds from the earliest to the latest. */
  readonly span: number;
  readonly size: number;
  /** Times that are kept or have a place, at 8 bytes each. */
  readonly capacity: number;
}

/** Places in front of the first that are given back only when they are so many. */
const SLACK = 64;
/** Offsets beyond it, 13 days, are counted from a later time: they are exact up to 2^53. */
const FAR = 2 ** 50;

/** An empty log. Times are kept as nanoseconds from one of them, which numbers hold exactly. */
export const createTimeLog = (): TimeLog => {
  let origin = 0n;
  let offsets: number[] = [];
  let start = 0;
  const rebase = (to: bigint): void => {
    const by = Number(to - origin);
    offsets = offsets.slice(start).map((offset) => offset - by);
    start = 0;
    origin = to;
  };
  const firstOffset = (): number => offsets[start] ?? 0;
  const lastOffset = (): number => offsets[offsets.length - 1] ?? 0;
  return {
    add: (time) => {
      if (start === offsets.length) {
        offsets.length = 0;
        start = 0;
        origin = time;
      }
      let offset = Number(time - origin);
      if (offset > FAR) {
        rebase(origin + BigInt(firstOffset()));
        offset = Number(time - origin);
      }
      if (start === offsets.length || lastOffset() <= offset) {
        offsets.push(offset);
        return;
      }
      let index = offsets.length;
      while (index > start && (offsets[index - 1] ?? 0) > offset) index--;
      offsets.splice(index, 0, offset);
    },
    dropFirst: () => {
      start++;
      if (start < SLACK || 2 * start < offsets.length) return;
      offsets = offsets.slice(start);
      start = 0;
    },
    get first() {
      return start === offsets.length ? 0n : origin + BigInt(firstOffset());
    },
    get last() {
      return start === offsets.length ? 0n : origin + BigInt(lastOffset());
    },
    get span() {
      return start === offsets.length ? 0 : lastOffset() - firstOffset();
    },
    get size() {
      return offsets.length - start;
    },
    get capacity() {
      return offsets.length;
    },
  };
};
