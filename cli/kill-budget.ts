import { InvalidArgumentError, Option } from 'commander';
import { checkedBudget, type KillBudget } from '../agent/index.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000 };

/** How often an executable may be killed: `10/min`, `3/30s`. */
export const killBudgetOf = (text: string): KillBudget => {
  const [, kills = '', number = '', unit = ''] = /^(\d+)\/(\d*)(s|min|h)$/.exec(text) ?? [];
  if (kills === '') throw new InvalidArgumentError('Expected kills in a time, for example 10/min, 3/30s or 100/h.');
  try {
    return checkedBudget({ kills: Number(kills), periodMs: (number === '' ? 1 : Number(number)) * (UNITS[unit] ?? 0) });
  } catch (error) {
    throw new InvalidArgumentError(`Expected another budget: ${(error as Error).message}.`);
  }
};

export const killBudgetOption = (): Option =>
  new Option(
    '--kill-budget <n/time>',
    'kills of one executable in one cgroup, in a period that doubles (default: 10/min)',
  ).argParser(killBudgetOf);
