/** Widths of bars in milliseconds; each divides the next, so that counts can be joined. */
const WIDTHS = [
  1, 10, 100, 1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 10_800_000, 21_600_000, 86_400_000,
  604_800_000, 2_419_200_000, 29_030_400_000,
] as const;

/** Buckets that are kept while reading. */
const MOST_BUCKETS = 2_000;

/** What happened in a stretch of time. */
export interface Bar {
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly counts: readonly number[];
}

export interface Bars {
  /** Milliseconds. */
  readonly width: number;
  /** In the order of time, without gaps; empty where nothing was counted. */
  readonly bars: readonly Bar[];
}

/** Counts events of several series by time, whose range isn't known before. */
export interface Histogram {
  /** @param time milliseconds since 1970 */
  add(time: number, series: number, count: number): void;
  /** In at most so many bars. */
  bars(most: number): Bars;
}

export const createTimeHistogram = (series: number): Histogram => {
  let level = 0;
  let buckets = new Map<number, number[]>();

  /** Joins buckets to those of the next width. */
  const widen = (): void => {
    const factor = WIDTHS[level + 1]! / WIDTHS[level]!;
    const wider = new Map<number, number[]>();
    for (const [index, counts] of buckets) {
      const at = Math.floor(index / factor);
      const known = wider.get(at);
      if (known === undefined) wider.set(at, counts);
      else for (let each = 0; each < series; each++) known[each]! += counts[each]!;
    }
    buckets = wider;
    level++;
  };
  const range = (): readonly [number, number] => {
    let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const index of buckets.keys()) {
      if (index < first) first = index;
      if (index > last) last = index;
    }
    return [first, last];
  };

  return {
    add(time, which, count) {
      const index = Math.floor(time / WIDTHS[level]!);
      let counts = buckets.get(index);
      if (counts === undefined) {
        counts = new Array<number>(series).fill(0);
        buckets.set(index, counts);
      }
      counts[which]! += count;
      while (buckets.size > MOST_BUCKETS && level < WIDTHS.length - 1) widen();
    },
    bars(most) {
      if (buckets.size === 0) return { width: WIDTHS[0], bars: [] };
      let [first, last] = range();
      while (last - first + 1 > most && level < WIDTHS.length - 1) {
        widen();
        [first, last] = range();
      }
      const width = WIDTHS[level]!;
      const length = Math.min(most, last - first + 1);
      const none = new Array<number>(series).fill(0);
      return {
        width,
        bars: Array.from({ length }, (_, at) => ({
          from: (first + at) * width,
          counts: buckets.get(first + at) ?? none,
        })),
      };
    },
  };
};
