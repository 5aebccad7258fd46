const SECOND = 1_000_000_000n;

/** ISO 8601 with nanoseconds, UTC, from nanoseconds since 1970: `2026-01-02T03:04:05.678900000Z`. */
export const isoTime = (nanoseconds: bigint): string => {
  const fraction = ((nanoseconds % SECOND) + SECOND) % SECOND;
  const seconds = new Date(Number((nanoseconds - fraction) / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${fraction.toString().padStart(9, '0')}Z`;
};

/** The wall clock, to a millisecond, in the format of `isoTime`. */
export const isoNow = (): string => isoTime(BigInt(Date.now()) * 1_000_000n);
