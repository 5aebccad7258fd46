import type { Guard } from '../../rules/index.ts';
import type { RandomRule } from './policies.ts';

/** What is set for a run beside the rules. */
export interface Setting {
  readonly state: 'monitor' | 'on' | 'off';
  /** When enforcement ends by itself, nanoseconds since boot; 0: never. */
  readonly expires: bigint;
}

/** Who acts, as the test made it: what it really is, not what it looks like. */
export interface Standing {
  readonly isInit: boolean;
  readonly isKernelThread: boolean;
  readonly isAgent: boolean;
  readonly isContainerInit: boolean;
  /** Which program it runs can't be told. */
  readonly isUnknown: boolean;
}

export const KILLS = 2;
export const PERIOD_MS = 10_000;

interface Period {
  start: number;
  length: number;
  wanted: number;
}

/** How often programs were killed: the budget as its documentation says it, with periods instead of bits. */
export const createBudget = () => {
  const periods = new Map<string, Period>();
  /** Whether one more kill is allowed. */
  const take = (key: string, nowMs: number): boolean => {
    const last = periods.get(key) ?? { start: 0, length: PERIOD_MS, wanted: 0 };
    const end = last.start + last.length;
    if (nowMs < end) {
      last.wanted++;
      periods.set(key, last);
      return last.wanted <= KILLS;
    }
    const isSpent = last.wanted > KILLS;
    const isSoon = nowMs < end + last.length;
    const length = isSpent && isSoon ? Math.min(2 * last.length, 64 * PERIOD_MS) : PERIOD_MS;
    periods.set(key, { start: nowMs, length, wanted: 1 });
    return true;
  };
  return { take };
};

export type Budget = ReturnType<typeof createBudget>;

/** What is to become of a deed. */
export interface Expected {
  readonly verdict: 'alert' | 'deny' | 'kill';
  readonly guard: Guard;
  readonly denied: boolean;
  readonly killed: boolean;
}

/** The strongest of what rules that match want. */
export const verdictOf = (rules: readonly RandomRule[]): Expected['verdict'] => {
  const acting = rules.filter(({ rule }) => rule.mode === 'enforce');
  if (acting.some(({ rule }) => rule.action === 'kill')) return 'kill';
  return acting.some(({ rule }) => rule.action === 'deny') ? 'deny' : 'alert';
};

export interface Case {
  readonly verdict: Expected['verdict'];
  readonly setting: Setting;
  readonly standing: Standing;
  /** The executable, or at a denied exec the old or the new one, is protected. */
  readonly isProtected: boolean;
  /** The hook can refuse the call. */
  readonly refuses: boolean;
  readonly time: bigint;
  /** The executable and the cgroup. */
  readonly key: string;
}

/** What the guards leave of a verdict. */
export const expect = (of: Case, budget: Budget): Expected => {
  const { verdict, setting, standing } = of;
  const kept = (guard: Guard, denied = false): Expected => ({ verdict, guard, denied, killed: false });
  if (verdict === 'alert') return kept('done');
  if (setting.state === 'monitor') return kept('monitor');
  if (setting.state === 'off') return kept('switched off');
  if (setting.expires !== 0n && of.time >= setting.expires) return kept('expired');
  if (standing.isAgent) return kept('agent');
  if (standing.isInit) return kept('init');
  if (standing.isKernelThread) return kept('kernel thread');
  if (of.isProtected) return kept('protected executable');
  if (standing.isUnknown) return kept('executable unknown');
  if (verdict === 'deny') return kept('done', true);
  if (standing.isContainerInit) return kept('container init', of.refuses);
  if (!budget.take(of.key, Number(of.time / 1_000_000n))) return kept('budget spent', of.refuses);
  return { verdict, guard: 'done', denied: of.refuses, killed: true };
};
