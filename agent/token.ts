/** How full a bucket of tokens is: a moment, in nanoseconds since boot, at which it is full again (generic cell rate algorithm, as in the programs). */
export interface TokenBucket {
  full: bigint;
}

/** One token each `interval` nanoseconds on average, `burst` (at least 1) at once. */
export interface TokenRate {
  readonly interval: bigint;
  readonly burst: bigint;
}

/** Takes a token at a time; false where there is none, and nothing is changed. */
export const takeToken = (bucket: TokenBucket, { interval, burst }: TokenRate, time: bigint): boolean => {
  const from = bucket.full > time ? bucket.full : time;
  if (from - time > interval * (burst - 1n)) return false;
  bucket.full = from + interval;
  return true;
};
