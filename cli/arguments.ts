import { InvalidArgumentError, Option } from 'commander';

/** A whole number from `least` on, for an option. */
export const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`Expected a whole number from ${least} on.`);
    return value;
  };

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;

/** A time, or `2h` for so long ago. */
export const timeOf = (text: string): Date => {
  const [, amount, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const time =
    amount === undefined
      ? TIME.test(text)
        ? Date.parse(text)
        : Number.NaN
      : Date.now() - Number(amount) * 1_000 * (SECONDS[unit] ?? 0);
  if (Number.isNaN(time))
    throw new InvalidArgumentError('Expected 30s, 5m, 2h or 7d for so long ago, or a time: 2026-01-02T03:04:05Z.');
  return new Date(time);
};

/** Where to begin in a stream. */
export type Since = 'all' | { readonly sequence: number } | { readonly time: Date };

/** `all`, the number of a message, or a time. */
export const sinceOf = (text: string): Since =>
  text === 'all' ? 'all' : /^\d+$/.test(text) ? { sequence: wholeNumber(1)(text) } : { time: timeOf(text) };

const BYTES: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** A number of bytes from `least` on: `4096`, `512k`, `64m`, `1g`. */
export const byteCount =
  (least: number) =>
  (text: string): number => {
    const [, digits = '', unit = ''] = /^(\d+)([kmgt]?)$/i.exec(text) ?? [];
    const value = Number(digits) * (BYTES[unit.toLowerCase()] ?? 1);
    if (digits === '' || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`Expected a number of bytes from ${least} on, for example 512k, 64m or 1g.`);
    return value;
  };

const MILLISECONDS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time in milliseconds: `90m`, `12h`, `30d`. */
export const duration = (text: string): number => {
  const [, digits = '', unit = ''] = /^(\d+)([mhd])$/.exec(text) ?? [];
  const value = Number(digits) * (MILLISECONDS[unit] ?? 0);
  if (!(value > 0 && Number.isSafeInteger(value)))
    throw new InvalidArgumentError('Expected a time of a minute or more, for example 90m, 12h or 30d.');
  return value;
};

/** A time in milliseconds, a second or more: `10s`, `1m`. */
export const seconds = (text: string): number => {
  const [, digits = '', unit = ''] = /^(\d{1,6})([sm])$/.exec(text) ?? [];
  const value = Number(digits) * 1_000 * (SECONDS[unit] ?? 0);
  if (!(value > 0)) throw new InvalidArgumentError('Expected a time of a second or more, for example 10s or 1m.');
  return value;
};

/** A number above 0, for an option. */
export const positiveNumber = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('Expected a number above 0.');
  return value;
};

/** A percentage, for an option. */
export const percentage = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 100)) throw new InvalidArgumentError('Expected 0 to 100.');
  return value;
};

/** Which of the rules that match one event count; without a default, which is all. */
export const ruleMatchingOption = (description: string): Option =>
  new Option('--rule-matching <which>', description).choices(['all', 'first']);

/** The same for commands that raise alerts. */
export const raisingOption = (): Option =>
  ruleMatchingOption(
    'first: of the rules that match one event only the first in load order raises an alert (default: all)',
  );
