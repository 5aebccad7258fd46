import type { LineTime } from './line.ts';

const DAY_NS = 86_400_000_000_000n;

/** Turns the times of lines, read in order and once each, into nanoseconds since the first. */
export interface RecordingClock {
  /** Undefined for a line without a time. Never goes back, also not at midnight. */
  read(time: LineTime | undefined): bigint | undefined;
  /** Nanoseconds since the Unix epoch of the first line, where the times are such. */
  readonly start: bigint | undefined;
}

export const createClock = (): RecordingClock => {
  let start: bigint | undefined;
  let origin: bigint | undefined;
  let days = 0n;
  let now = 0n;
  return {
    read: (time) => {
      if (time === undefined) return undefined;
      if (time.kind === 'delta') {
        now += time.ns;
        return now;
      }
      if (time.kind === 'epoch') start ??= time.ns;
      origin ??= time.ns;
      let since = time.ns - origin + days * DAY_NS;
      if (time.kind === 'day' && since < now - DAY_NS / 2n) {
        days += 1n;
        since += DAY_NS;
      }
      if (since > now) now = since;
      return now;
    },
    get start() {
      return start;
    },
  };
};
