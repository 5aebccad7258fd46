import { type Alert, type Counted, countingAlert, type Unnumbered } from '../../alerts/index.ts';
import type { Rule } from '../../rules/index.ts';
import type { TokenRate } from '../token.ts';
import { type MatchKey, NO_KEY } from './key.ts';
import { countedInStorm, createStormGuard } from './storm.ts';
import { countedInWindow, createWindows, type Window } from './windows.ts';

const SECOND = 1_000_000_000n;
/** Nanoseconds until an alert that the log refused is tried again. */
const RETRY = SECOND;

/** Why counting ends before its time. */
export type Early = NonNullable<NonNullable<Alert['aggregated']>['early']>;

/** The matches of one rule: which raise an alert, and what becomes of the others. */
export interface RuleNoise {
  readonly rule: Rule;
  /** Whether a match is counted and raises nothing. */
  counts(key: MatchKey): boolean;
  /** Counts such a match; times are in nanoseconds since boot, `now` never goes back. */
  count(key: MatchKey, match: bigint, now: bigint): void;
  /** Raises the alert of a match that isn't counted. @throws Error where the log refuses it: then nothing has changed */
  raise(alert: Unnumbered, key: MatchKey, match: bigint, now: bigint): void;
  /** When the next alert of what was counted is due, at the earliest; undefined where nothing is open. */
  readonly due: bigint | undefined;
  /** Tells what is due first, if it is. */
  tellDue(now: bigint): void;
  /** When the oldest window was opened; undefined where none is. */
  readonly oldest: bigint | undefined;
  /** Closes the oldest window before its time. @throws Error where the log refuses what it counted: then it stays */
  evict(): void;
  /** Closes everything; from then on every match raises an alert. @throws Error where the log refuses what was counted */
  end(early: Early): void;
  /** Matches that no alert has told of. */
  readonly untold: number;
}

export interface RuleNoiseOptions {
  readonly rule: Rule;
  /** Alerts a second that make a storm; undefined: as many as there are. */
  readonly stormLimit: number | undefined;
  readonly wallTime: (time: bigint) => bigint;
  /** Puts an alert into the log, and tells of it. @throws Error where the log refuses it */
  readonly tell: (alert: Unnumbered, rule: Rule) => void;
  /** Makes room for one more window; false where that can't be. */
  readonly makeRoom: () => boolean;
  /** So many windows more are open. */
  readonly onWindows: (change: number) => void;
  /** Something was opened that is to be told of at a time. */
  readonly onDue: (due: bigint) => void;
}

const rateOf = (perSecond: number): TokenRate => ({
  interval: BigInt(Math.max(1, Math.round(1e9 / perSecond))),
  burst: BigInt(Math.max(1, Math.round(perSecond))),
});

export const createRuleNoise = (options: RuleNoiseOptions): RuleNoise => {
  const { rule, stormLimit, wallTime } = options;
  const within = rule.aggregate?.within ?? 0n;
  const windows = createWindows();
  const guard = stormLimit === undefined ? undefined : createStormGuard(rateOf(stormLimit));
  let untold = 0;
  let retryAt = 0n;
  let ended = false;

  const tell = (like: Unnumbered, counted: Counted): void => {
    options.tell(countingAlert(like, counted), rule);
    untold -= counted.count;
  };
  const close = (window: Window, early?: Early): void => {
    if (window.count > 0)
      tell(window.like, { ...countedInWindow(window, wallTime), ...(early !== undefined && { early }) });
    windows.close(window);
    options.onWindows(-1);
  };
  const endStorm = (early: Early): void => {
    const storm = guard?.storm;
    if (guard === undefined || storm === undefined) return;
    tell(storm.like, { ...countedInStorm(storm, 'over', stormLimit ?? 0, wallTime), early });
    guard.end();
  };
  const tellStorm = (now: bigint): void => {
    const { storm } = guard ?? {};
    const told = guard?.told(now);
    if (storm === undefined || told === undefined) return;
    if (told.phase === 'over' || storm.count > 0)
      tell(storm.like, countedInStorm(storm, told.phase, stormLimit ?? 0, wallTime));
    told.done();
  };
  const windowDue = (): bigint | undefined => {
    const { oldest } = windows;
    return oldest === undefined ? undefined : oldest.opened + within;
  };
  const due = (): bigint | undefined => {
    const [one, other] = [windowDue(), guard?.due];
    if (one === undefined || other === undefined) return one ?? other;
    return one <= other ? one : other;
  };

  return {
    rule,
    counts: (key) => guard?.storm !== undefined || windows.has(key),
    count: (key, match, now) => {
      if (!windows.count(key, match)) guard?.count(match, now);
      untold++;
    },
    raise: (alert, key, match, now) => {
      if (ended) {
        options.tell(alert, rule);
        return;
      }
      if (guard !== undefined && !guard.admits(now)) {
        const at = wallTime(match);
        const storm = { phase: 'begins', total: 1, limit: stormLimit ?? 0 } as const;
        const begun = countingAlert(alert, { count: 1, since: at, until: at, key: {}, storm });
        options.tell(begun, rule);
        guard.begin(alert, begun.id, match, now);
        options.onDue(guard.due ?? now);
        return;
      }
      options.tell(alert, rule);
      if (key === NO_KEY || !options.makeRoom()) return;
      windows.open({ key, like: alert, first: alert.id, opened: now });
      options.onWindows(1);
      options.onDue(now + within);
    },
    get due() {
      const at = due();
      return at === undefined || at >= retryAt ? at : retryAt;
    },
    tellDue: (now) => {
      try {
        const { oldest } = windows;
        const at = windowDue();
        if (oldest !== undefined && at !== undefined && at <= now && at === due()) close(oldest);
        else tellStorm(now);
      } catch {
        retryAt = now + RETRY;
      }
    },
    get oldest() {
      return windows.oldest?.opened;
    },
    evict: () => {
      const { oldest } = windows;
      if (oldest !== undefined) close(oldest, 'room');
    },
    end: (early) => {
      for (let { oldest } = windows; oldest !== undefined; { oldest } = windows) close(oldest, early);
      endStorm(early);
      ended = true;
    },
    get untold() {
      return untold;
    },
  };
};
