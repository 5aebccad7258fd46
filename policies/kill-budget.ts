import { MAX_DOUBLINGS, MAX_KILLS } from '../rules/index.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000 };

/** The longest first period in milliseconds, so that no period is longer than 49 days. */
export const MAX_PERIOD_MS = Math.floor(2 ** 32 / 2 ** MAX_DOUBLINGS) - 1;

/** How often an executable may be killed in a time, as `10/min` and `3/30s` say it; undefined for other texts. The numbers may be out of range. */
export const killBudgetIn = (text: string): { readonly kills: number; readonly periodMs: number } | undefined => {
  const [, kills = '', number = '', unit = ''] = /^(\d+)\/(\d*)(s|min|h)$/.exec(text) ?? [];
  if (kills === '') return undefined;
  return { kills: Number(kills), periodMs: (number === '' ? 1 : Number(number)) * (UNITS[unit] ?? 0) };
};

/** Whether programs can count with a budget. */
export const isCountable = ({ kills, periodMs }: { readonly kills: number; readonly periodMs: number }): boolean =>
  kills >= 1 && kills <= MAX_KILLS && periodMs >= 1 && periodMs <= MAX_PERIOD_MS;
