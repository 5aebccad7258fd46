import { InvalidArgumentError, Option } from 'commander';
import { checkedBudget, type KillBudget } from '../agent/index.ts';
import { killBudgetIn } from '../policies/index.ts';

/** How often an executable may be killed: `10/min`, `3/30s`. */
export const killBudgetOf = (text: string): KillBudget => {
  const budget = killBudgetIn(text);
  if (budget === undefined)
    throw new InvalidArgumentError('Expected kills in a time, for example 10/min, 3/30s or 100/h.');
  try {
    return checkedBudget(budget);
  } catch (error) {
    throw new InvalidArgumentError(`Expected another budget: ${(error as Error).message}.`);
  }
};

export const killBudgetOption = (): Option =>
  new Option(
    '--kill-budget <n/time>',
    'kills of one executable in one cgroup, in a period that doubles (default: 10/min)',
  ).argParser(killBudgetOf);
