import { numberOf, objectOf, textOf } from './glance.ts';

/** A start of an agent, and how it ended. */
export interface Run {
  readonly seq: number;
  readonly started: string;
  readonly host: string;
  readonly kernel: string;
  readonly enforce: boolean;
  readonly scope: string;
  /** Ways to enforce that were tried at the start: `lsm: proven`. */
  readonly tiers: readonly string[];
  /** `stopped`: it said so. `crashed`: another start follows without a stop. `open`: nothing follows. */
  end: 'stopped' | 'crashed' | 'open';
  /** When it stopped; for others the time of its last entry. */
  ended: string;
  lastSeq: number;
  /** As it said at its stop. */
  events: number | undefined;
  alerts: number | undefined;
}

/** A policy that was in force from a time on. */
export interface PolicyPeriod {
  readonly name: string;
  readonly hash: string;
  readonly mode: string;
  readonly rules: number;
  readonly seq: number;
  readonly from: string;
  /** Whether a reload brought it. */
  readonly reloaded: boolean;
  /** Undefined where it is in force at the log's end. */
  until: string | undefined;
  /** Why it ended. */
  ending: 'in force' | 'stop' | 'crash' | 'replaced' | 'removed';
}

/** Follows starts, stops and policies through a log. */
export interface Runs {
  readonly runs: readonly Run[];
  readonly periods: readonly PolicyPeriod[];
  /** Runs and periods that are counted and not kept. */
  readonly omittedRuns: number;
  readonly omittedPeriods: number;
  start(seq: number, time: string, body: Readonly<Record<string, unknown>>): void;
  stop(seq: number, time: string, body: Readonly<Record<string, unknown>>): void;
  policy(seq: number, time: string, body: Readonly<Record<string, unknown>>): void;
  /** Any entry of the run. */
  entry(seq: number, time: string): void;
}

const MOST_RUNS = 400;
const MOST_PERIODS = 2_000;

const tierText = (value: unknown): string => {
  const { tier, proven, hook } = objectOf(value);
  return `${textOf(tier)} at ${textOf(hook)}: ${proven === true ? 'proven' : 'not proven'}`;
};

export const createRuns = (): Runs => {
  const runs: Run[] = [];
  const periods: PolicyPeriod[] = [];
  let inForce = new Map<string, PolicyPeriod>();
  let current: Run | undefined;
  let last = '';
  let omittedRuns = 0;
  let omittedPeriods = 0;

  const endAll = (until: string, ending: PolicyPeriod['ending']): void => {
    for (const period of inForce.values()) {
      period.until = until;
      period.ending = ending;
    }
    inForce = new Map();
  };

  return {
    runs,
    periods,
    get omittedRuns() {
      return omittedRuns;
    },
    get omittedPeriods() {
      return omittedPeriods;
    },
    start(seq, time, body) {
      if (current !== undefined && current.end === 'open') current.end = 'crashed';
      endAll(last === '' ? time : last, 'crash');
      const { tiers } = body;
      current = {
        seq,
        started: time,
        host: textOf(body.host),
        kernel: textOf(body.kernel),
        enforce: body.enforce === true,
        scope: textOf(body.scope),
        tiers: Array.isArray(tiers) ? tiers.map(tierText) : [],
        end: 'open',
        ended: time,
        lastSeq: seq,
        events: undefined,
        alerts: undefined,
      };
      if (runs.length < MOST_RUNS) runs.push(current);
      else omittedRuns++;
    },
    stop(seq, time, body) {
      endAll(time, 'stop');
      if (current === undefined) return;
      current.end = 'stopped';
      current.ended = time;
      current.lastSeq = seq;
      current.events = numberOf(body.events);
      current.alerts = numberOf(body.alerts);
      current = undefined;
    },
    policy(seq, time, body) {
      const [name, hash, mode] = [textOf(body.name), textOf(body.hash), textOf(body.mode)];
      const known = inForce.get(name);
      if (body.ended === true) {
        if (known !== undefined) {
          known.until = time;
          known.ending = 'removed';
          inForce.delete(name);
        }
        return;
      }
      if (known?.hash === hash && known.mode === mode) return;
      if (known !== undefined) {
        known.until = time;
        known.ending = 'replaced';
      }
      const reloaded = body.reload !== undefined;
      const rules = numberOf(body.rules);
      const period: PolicyPeriod = {
        name,
        hash,
        mode,
        rules,
        seq,
        from: time,
        reloaded,
        until: undefined,
        ending: 'in force',
      };
      inForce.set(name, period);
      if (periods.length < MOST_PERIODS) periods.push(period);
      else omittedPeriods++;
    },
    entry(seq, time) {
      last = time;
      if (current === undefined) return;
      current.ended = time;
      current.lastSeq = seq;
    },
  };
};
