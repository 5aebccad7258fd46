import { createRecency } from './recency.ts';
import type { Dropped, Occurrence, Threshold } from './spec.ts';
import { createTimeLog, type TimeLog } from './time-log.ts';

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
 * kept: the last `moreThan` within the window.
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
    times -= log.capacity;
  };
  /** Lets go of what can't count any more, and of what was not touched for longest where there is too much. */
  const makeRoom = (now: bigint, keep: string): void => {
    for (;;) {
      const { oldest } = counts;
      if (oldest === undefined || oldest.key === keep) return;
      const { key, value } = oldest;
      const expired = now - value.log.last > within;
      if (!expired && counts.size <= limits.keys && times <= limits.times) return;
      if (!expired) {
        dropped.keys++;
        dropped.matches += value.log.size;
      }
      remove(key, value);
    }
  };
  const use = (key: string): Counted => {
    let counted = counts.get(key);
    if (counted === undefined) {
      counted = { log: createTimeLog(), recent: [] };
      times += counted.log.capacity;
    }
    counts.use(key, counted);
    return counted;
  };
  const put = (log: TimeLog, time: bigint): void => {
    times -= log.capacity;
    log.add(time);
    times += log.capacity;
  };
  const trim = (log: TimeLog): void => {
    while (log.size > moreThan || log.span > longest) log.dropFirst();
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
      const { log } = use(key);
      for (const time of matches) put(log, time);
      while (log.span > longest) log.dropFirst();
      makeRoom(last, key);
    },
    count: (key, match) => {
      const counted = use(key);
      const { log, recent } = counted;
      put(log, match.time);
      recent.push(match);
      if (recent.length > MAX_NAMED) recent.shift();
      if (log.size > moreThan && log.span <= longest) {
        const { size: count, first: from, last: to } = log;
        remove(key, counted);
        return { count, from, to, events: recent.filter(({ time }) => time >= from) };
      }
      trim(log);
      makeRoom(match.time, key);
      return undefined;
    },
  };
};
