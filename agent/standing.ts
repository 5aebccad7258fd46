import type { Policy } from '../policies/index.ts';
import type { ProgramStats } from '../sensors/index.ts';
import type { HeldBack } from './held-back.ts';
import type { RingTotal } from './losses.ts';
import type { TallySummary } from './tally.ts';

/** How much of a program's work is a policy's. */
export interface PolicyShare {
  readonly policy: string;
  readonly hook: string;
  /** Its rules among all that the hook's program looks for: 0 to 1. */
  readonly share: number;
}

/** How a run stands at one moment. */
export interface Standing extends TallySummary {
  readonly policies: readonly Policy[];
  /** How often the policies were exchanged. */
  readonly reloads: number;
  readonly rings: readonly RingTotal[];
  readonly missed: ReadonlyMap<string, number>;
  readonly heldBack: readonly HeldBack[];
  /** Alerts that wait for facts of their containers. */
  readonly waiting: number;
  /** Records that could not be read, and records that came to nothing. */
  readonly unreadable: number;
  readonly failed: number;
  /** Runs and time of the programs that are loaded, where the kernel counts them. */
  readonly programs: readonly ProgramStats[];
  readonly shares: readonly PolicyShare[];
  /** Milliseconds since ring buffers were last looked into. */
  readonly idleMs: number;
}

/** Splits the programs' work among policies, by how many of the rules that each looks for are whose. */
export const policyShares = (
  hooks: readonly { readonly hook: string; readonly rules: readonly number[] }[],
  policyOf: (rule: number) => string,
): readonly PolicyShare[] =>
  hooks.flatMap(({ hook, rules }) => {
    const own = new Map<string, number>();
    for (const rule of rules) own.set(policyOf(rule), (own.get(policyOf(rule)) ?? 0) + 1);
    return [...own].map(([policy, count]) => ({ policy, hook, share: count / rules.length }));
  });
