/** Times in their order, in a ring that grows as it needs to. */
export interface TimeLog {
  /** Puts a time in its place; constant where it is the latest. */
  add(time: bigint): void;
  dropFirst(): void;
  /** The earliest; 0 where there is none. */
  readonly first: bigint;
  /** The latest; 0 where there is none. */
  readonly last: bigint;
  readonly size: number;
  /** Times there is room for, at 8 bytes each. */
  readonly capacity: number;
}

const LEAST = 4;

export const createTimeLog = (): TimeLog => {
  let ring = new BigInt64Array(LEAST);
  let start = 0;
  let size = 0;
  const at = (index: number): bigint => ring[(start + index) & (ring.length - 1)] ?? 0n;
  const put = (index: number, time: bigint): void => {
    ring[(start + index) & (ring.length - 1)] = time;
  };
  const grow = (): void => {
    const larger = new BigInt64Array(2 * ring.length);
    for (let index = 0; index < size; index++) larger[index] = at(index);
    ring = larger;
    start = 0;
  };
  return {
    add: (time) => {
      if (size === ring.length) grow();
      let index = size++;
      for (; index > 0 && at(index - 1) > time; index--) put(index, at(index - 1));
      put(index, time);
    },
    dropFirst: () => {
      start = (start + 1) & (ring.length - 1);
      size--;
    },
    get first() {
      return size === 0 ? 0n : at(0);
    },
    get last() {
      return size === 0 ? 0n : at(size - 1);
    },
    get size() {
      return size;
    },
    get capacity() {
      return ring.length;
    },
  };
};
