const SECOND = 1_000_000_000n;

/** The seconds that were asked for last: events' times follow one another closely, and so do those at which they are logged. */
let last = { second: -1n, text: '' };
let before = last;

const textOf = (second: bigint): string => {
  if (last.second === second) return last.text;
  const found =
    before.second === second
      ? before
      : { second, text: new Date(Number(second / 1_000_000n)).toISOString().slice(0, 19) };
  before = last;
  last = found;
  return found.text;
};

/** ISO 8601 with nanoseconds, UTC, from nanoseconds since 1970: `2026-01-02T03:04:05.678900000Z`. */
export const isoTime = (nanoseconds: bigint): string => {
  const fraction = ((nanoseconds % SECOND) + SECOND) % SECOND;
  return `${textOf(nanoseconds - fraction)}.${fraction.toString().padStart(9, '0')}Z`;
};

/** The millisecond that was asked for last. */
let now = { milliseconds: Number.NaN, text: '' };

/** The wall clock, or another time in milliseconds since 1970, in the format of `isoTime`. */
export const isoNow = (milliseconds = Date.now()): string => {
  if (now.milliseconds !== milliseconds) now = { milliseconds, text: isoTime(BigInt(milliseconds) * 1_000_000n) };
  return now.text;
};

/** Nanoseconds since 1970 of a text of `isoTime`. */
export const nanosecondsOf = (iso: string): bigint =>
  BigInt(Date.parse(`${iso.slice(0, 19)}Z`)) * 1_000_000n + BigInt(iso.slice(20, 29));
