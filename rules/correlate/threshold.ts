import { createRecency } from './recency.ts';
import type { Dropped, Occurrence, Threshold } from './spec.ts';
import { addTime, createTimeLog, dropFirst, firstOf, lastOf, sizeOf, spanOf, type TimeLog } from './time-log.ts';

/** Matches that an alert names at most, the last ones. */
export const MAX_NAMED = 8;

/** What one rule may keep. */
export interface ThresholdLimits {
  readonly keys: number;
  /** Times of matches, of all keys together; 8 bytes each. */
  readonly times: number;
}

const LIMITS: ThresholdLimits = { keys: 16_384, times: 4 * 1024 * 1024 };

/** More matches of one key than the threshold allows. */
export interface Exceeded {
  readonly count: number;
  /** Nanoseconds since boot of the first and the last match of the window. */
  readonly from: bigint;
  readonly to: bigint;
  readonly events: readonly Occurrence[];
}

/** Counts the matches of one rule by key. */
export interface ThresholdState {
  readonly kind: 'threshold';
  /** Counts a match; says where it is one too many, and starts that key anew. */
  count(key: string, match: Occurrence): Exceeded | undefined;
  /** Adds matches that were counted elsewhere, in front of a match that may exceed the threshold with them. */
  add(key: string, times: readonly bigint[]): void;
  readonly dropped: Dropped;
  readonly keys: number;
}

interface Counted {
  readonly log: TimeLog;
  /** The last of them. */
  readonly recent: Occurrence[];
}

/**
 * Exact for matches in the order of their times. One that comes later than others of its key is put in its place among those that are still
 * kept: those in a window with the latest.
 */
export const createThreshold = (
  { moreThan, within }: Pick<Threshold, 'moreThan' | 'within'>,
  limits: ThresholdLimits = LIMITS,
): ThresholdState => {
  const longest = Number(within);
  const counts = createRecency<Counted>();
  const dropped: Dropped = { keys: 0, matches: 0 };
  let times = 0;
  const remove = (key: string, { log }: Counted): void => {
    counts.delete(key);
    times -= log.offsets.length;
  };
  /** Lets go of what can't count any more, and of what was not touched for longest where there is too much. */
  const makeRoom = (now: bigint, keep: string): void => {
    for (;;) {
      const { oldest } = counts;
      if (oldest === undefined || oldest.key === keep) return;
      const { key, value } = oldest;
      const expired = now - lastOf(value.log) > within;
      if (!expired && counts.size <= limits.keys && times <= limits.times) return;
      if (!expired) {
        dropped.keys++;
        dropped.matches += sizeOf(value.log);
      }
      remove(key, value);
    }
  };
  const use = (key: string, time: bigint): Counted => {
    const counted = counts.get(key) ?? { log: createTimeLog(time), recent: [] };
    counts.use(key, counted);
    return counted;
  };
  /** Puts times into a log, takes away what can't be in a window with its latest, and keeps count of what all logs hold. */
  const put = (log: TimeLog, matches: readonly bigint[]): void => {
    times -= log.offsets.length;
    for (const time of matches) addTime(log, time);
    while (spanOf(log) > longest) dropFirst(log);
    times += log.offsets.length;
  };
  return {
    kind: 'threshold',
    dropped,
    get keys() {
      return counts.size;
    },
    add: (key, matches) => {
      const last = matches.at(-1);
      if (last === undefined) return;
      put(use(key, last).log, matches);
      makeRoom(last, key);
    },
    count: (key, match) => {
      const counted = use(key, match.time);
      const { log, recent } = counted;
      put(log, [match.time]);
      recent.push(match);
      if (recent.length > MAX_NAMED) recent.shift();
      if (sizeOf(log) > moreThan) {
        const from = firstOf(log);
        remove(key, counted);
        return { count: sizeOf(log), from, to: lastOf(log), events: recent.filter(({ time }) => time >= from) };
      }
      makeRoom(match.time, key);
      return undefined;
    },
  };
};
