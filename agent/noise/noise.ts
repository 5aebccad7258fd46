import { CRITICAL_PRIORITIES, type Rule } from '../../rules/index.ts';
import { ruleText } from '../rule-changes.ts';
import { createRuleNoise, type Early, type RuleNoise, type RuleNoiseOptions } from './rule-noise.ts';

/** Rules of priority critical or higher may raise so many times as many. */
const CRITICAL_FACTOR = 10;
/** Keys at most that are counted at once, of all rules together; each keeps an alert in memory. */
const MAX_KEYS = 10_000;

/** Matches of a rule that were counted and stand in no alert: the body of an audit record of the kind `shed`. */
interface Untold {
  readonly policy: string;
  readonly rule: string;
  readonly aggregated: number;
}

export const untoldOf = ({ policy, name }: Pick<Rule, 'policy' | 'name'>, aggregated: number): Untold => ({
  policy,
  rule: name,
  aggregated,
});

/** Alerts that are told of together: those of one key within a time (`aggregate`), and storms. */
export interface Noise {
  /** What becomes of a rule's matches; undefined where each raises an alert. Rules that say the same share it. */
  of(rule: Rule): RuleNoise | undefined;
  /** Tells what is due by a time, in nanoseconds since boot, and takes it for now where it is later. */
  advance(time: bigint): void;
  /** The latest time there was. */
  readonly now: bigint;
  /** Rules with matches that stand in no alert yet, where they are others than when it was last asked for. */
  untold(): readonly Untold[];
  /** Ends what is counted for rules that are not among these. */
  keep(rules: readonly Rule[]): void;
  /** Tells of all that was counted. @throws Error where the log refuses it */
  end(): void;
}

export interface NoiseOptions extends Pick<RuleNoiseOptions, 'wallTime' | 'tell'> {
  /** Alerts a second of one rule, and as many at once, beyond which they are a storm; left out: none are. */
  readonly stormLimit?: number | undefined;
  readonly maxKeys?: number;
}

/** Alerts of attempts to deny or kill are never counted together. */
const isCounted = ({ action }: Rule): boolean => action === 'alert';

export const createNoise = (options: NoiseOptions): Noise => {
  const { stormLimit, maxKeys = MAX_KEYS } = options;
  const rules = new Map<string, RuleNoise>();
  const recorded = new Map<RuleNoise, number>();
  let keys = 0;
  let now = 0n;
  /** Nothing is due before. */
  let nextDue: bigint | undefined;

  const soonest = (at: (each: RuleNoise) => bigint | undefined): RuleNoise | undefined => {
    let found: RuleNoise | undefined;
    let least: bigint | undefined;
    for (const each of rules.values()) {
      const time = at(each);
      if (time === undefined || (least !== undefined && time >= least)) continue;
      [found, least] = [each, time];
    }
    return found;
  };
  const makeRoom = (): boolean => {
    if (keys < maxKeys) return true;
    try {
      soonest(({ oldest }) => oldest)?.evict();
    } catch {
      return false;
    }
    return keys < maxKeys;
  };
  const limitOf = ({ priority }: Rule): number | undefined => {
    if (stormLimit === undefined) return undefined;
    return CRITICAL_PRIORITIES.has(priority) ? stormLimit * CRITICAL_FACTOR : stormLimit;
  };
  const create = (rule: Rule): RuleNoise =>
    createRuleNoise({
      ...options,
      rule,
      stormLimit: limitOf(rule),
      makeRoom,
      onWindows: (change) => {
        keys += change;
      },
      onDue: (due) => {
        if (nextDue === undefined || due < nextDue) nextDue = due;
      },
    });
  const advance = (time: bigint): void => {
    if (time > now) now = time;
    while (nextDue !== undefined && nextDue <= now) {
      const first = soonest(({ due }) => due);
      nextDue = first?.due;
      if (first === undefined || nextDue === undefined || nextDue > now) return;
      first.tellDue(now);
    }
  };
  /** Ends all that some rules count; what the log refuses does not keep the others from it. */
  const endAll = (ending: Iterable<readonly [string, RuleNoise]>, early: Early): void => {
    const failures: unknown[] = [];
    for (const [text, each] of ending) {
      try {
        each.end(early);
        rules.delete(text);
        recorded.delete(each);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  };

  return {
    of: (rule) => {
      if (!isCounted(rule) || (stormLimit === undefined && rule.aggregate === undefined)) return undefined;
      const text = ruleText(rule);
      const known = rules.get(text);
      if (known !== undefined) return known;
      const made = create(rule);
      rules.set(text, made);
      return made;
    },
    advance,
    get now() {
      return now;
    },
    untold: () =>
      [...rules.values()].flatMap((each) => {
        const { untold } = each;
        if (untold === (recorded.get(each) ?? 0)) return [];
        recorded.set(each, untold);
        return untold === 0 ? [] : untoldOf(each.rule, untold);
      }),
    keep: (staying) => {
      const texts = new Set(staying.map(ruleText));
      endAll(
        [...rules].filter(([text]) => !texts.has(text)),
        'reload',
      );
    },
    end: () => endAll([...rules], 'stop'),
  };
};
