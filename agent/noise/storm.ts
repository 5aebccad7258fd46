import type { Alert, Counted, Unnumbered } from '../../alerts/index.ts';
import { type TokenBucket, type TokenRate, takeToken } from '../token.ts';

const SECOND = 1_000_000_000n;
/** A storm is over when no match was beyond the limit for so long. */
const CALM = 10n * SECOND;
/** After so long the storm is told of again, then after twice as long each time, and at most. */
const FIRST_UPDATE = 10n * SECOND;
const LAST_UPDATE = 3600n * SECOND;

/** A rule's alerts that are more than a rate, from the first of them until they are fewer again. */
export interface Storm {
  /** The alert as it would be without the storm. */
  readonly like: Unnumbered;
  /** The id of the alert that told of its beginning. */
  readonly first: string;
  /** Matches that no alert has told of. */
  count: number;
  /** Matches of the storm so far. */
  total: number;
  /** Nanoseconds since boot of the first and the last match that no alert has told of; of the last one where there are none. */
  since: bigint;
  until: bigint;
  /** When a match was beyond the limit for the last time. */
  lastBeyond: bigint;
  updateAt: bigint;
  pause: bigint;
}

/** Tells a rule's ordinary alerts from a storm of them, by a bucket of tokens for one second. */
export interface StormGuard {
  readonly storm: Storm | undefined;
  /** Takes an alert's token; false where a storm has begun with it. */
  admits(time: bigint): boolean;
  /** The storm whose first alert has been raised. */
  begin(like: Unnumbered, first: string, match: bigint, now: bigint): void;
  /** Counts a match of the storm. */
  count(match: bigint, now: bigint): void;
  /** When there is something to tell, at the earliest; undefined where there is no storm. */
  readonly due: bigint | undefined;
  /** What is to be told now, and what is so once it has been. */
  told(now: bigint): { readonly phase: Phase; readonly done: () => void } | undefined;
  /** Forgets the storm. */
  end(): void;
}

type Phase = NonNullable<NonNullable<Alert['aggregated']>['storm']>['phase'];

export const createStormGuard = (rate: TokenRate): StormGuard => {
  const bucket: TokenBucket = { full: 0n };
  let storm: Storm | undefined;
  const overAt = ({ lastBeyond }: Storm): bigint => lastBeyond + CALM;
  return {
    get storm() {
      return storm;
    },
    admits: (time) => takeToken(bucket, rate, time),
    begin: (like, first, match, now) => {
      storm = {
        like,
        first,
        count: 0,
        total: 1,
        since: match,
        until: match,
        lastBeyond: now,
        updateAt: now + FIRST_UPDATE,
        pause: FIRST_UPDATE,
      };
    },
    count: (match, now) => {
      if (storm === undefined) return;
      if (storm.count === 0 || match < storm.since) storm.since = match;
      if (storm.count === 0 || match > storm.until) storm.until = match;
      storm.count++;
      storm.total++;
      if (!takeToken(bucket, rate, now)) storm.lastBeyond = now;
    },
    get due() {
      if (storm === undefined) return undefined;
      const over = overAt(storm);
      return over <= storm.updateAt ? over : storm.updateAt;
    },
    told: (now) => {
      const its = storm;
      if (its === undefined) return undefined;
      if (overAt(its) <= its.updateAt)
        return overAt(its) > now ? undefined : { phase: 'over', done: () => (storm = undefined) };
      if (its.updateAt > now) return undefined;
      return {
        phase: 'goes on',
        done: () => {
          its.count = 0;
          its.since = its.until;
          its.pause = 2n * its.pause > LAST_UPDATE ? LAST_UPDATE : 2n * its.pause;
          its.updateAt += its.pause;
        },
      };
    },
    end: () => {
      storm = undefined;
    },
  };
};

/** What an alert says of a storm's matches that no other has told of. */
export const countedInStorm = (
  { count, total, since, until, first }: Storm,
  phase: Phase,
  limit: number,
  wallTime: (time: bigint) => bigint,
): Counted => ({
  count,
  since: wallTime(since),
  until: wallTime(until),
  key: {},
  first,
  storm: { phase, total, limit },
});
