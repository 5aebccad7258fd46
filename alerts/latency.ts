/** Upper bounds in seconds of a latency histogram's buckets. */
export const LATENCY_BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

/** How long things took, as Prometheus counts it. */
export interface Histogram {
  /** For each of `LATENCY_BOUNDS` how many took at most so long. */
  readonly cumulative: readonly number[];
  readonly count: number;
  /** Seconds. */
  readonly sum: number;
}

export interface LatencyRecorder {
  record(milliseconds: number): void;
  histogram(): Histogram;
}

/** Counts latencies by bucket. */
export const createLatencyRecorder = (): LatencyRecorder => {
  const counts = LATENCY_BOUNDS.map(() => 0);
  let count = 0;
  let sum = 0;
  return {
    record(milliseconds) {
      const seconds = milliseconds / 1000;
      count++;
      sum += seconds;
      const bucket = LATENCY_BOUNDS.findIndex((bound) => seconds <= bound);
      if (bucket >= 0) counts[bucket] = counts[bucket]! + 1;
    },
    histogram() {
      let below = 0;
      const cumulative = counts.map((each) => {
        below += each;
        return below;
      });
      return { cumulative, count, sum };
    },
  };
};
