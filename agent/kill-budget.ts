import { MAX_PERIOD_MS } from '../policies/index.ts';
import { type EventRecord, MAX_KILLS } from '../rules/index.ts';
import type { Processes } from '../sensors/index.ts';
import type { BuiltIn } from './built-in.ts';

/** How often one executable may be killed in one cgroup. */
export interface KillBudget {
  /** In a period, from 1 to 65,535. */
  readonly kills: number;
  /** Milliseconds of the first period. One that begins soon after another whose kills did not suffice is twice as long, up to 64 times the first. */
  readonly periodMs: number;
}

export const DEFAULT_BUDGET: KillBudget = { kills: 10, periodMs: 60_000 };

/** A budget that programs can count with. @throws RangeError with a sentence that says what is expected */
export const checkedBudget = ({ kills, periodMs }: KillBudget): KillBudget => {
  if (!Number.isInteger(kills) || kills < 1 || kills > MAX_KILLS)
    throw new RangeError(`a budget is from 1 to ${MAX_KILLS.toLocaleString('en-US')} kills, not ${kills}`);
  if (!Number.isInteger(periodMs) || periodMs < 1 || periodMs > MAX_PERIOD_MS)
    throw new RangeError(`a period is from 1 ms to ${Math.floor(MAX_PERIOD_MS / 3_600_000)} h, not ${periodMs} ms`);
  return { kills, periodMs };
};

/** The alert that is raised where an executable's kills are used up. */
export const BUDGET_SPENT = 'Kill budget spent';

/** What is raised where an executable's kills are used up for now. */
export const budgetSpent = (
  record: EventRecord,
  { kills, periodMs }: KillBudget = DEFAULT_BUDGET,
  processes: Processes,
  cgroup: string | undefined,
): BuiltIn => {
  const exe = processes.get(record.pid, record.start)?.exepath ?? null;
  const seconds = periodMs / 1000;
  return {
    rule: BUDGET_SPENT,
    event: 'enforcement',
    priority: 'critical',
    hook: record.hook,
    output: `${exe ?? 'an executable'} was killed ${kills} times in ${cgroup ?? 'its cgroup'} within ${seconds} s and is started again and again: it is not killed until the period ends, and the next is twice as long. Find out who starts it, or deny its exec: denials have no budget`,
    fields: { exe, cgroup: cgroup ?? null, kills, seconds, pid: record.pid },
  };
};
