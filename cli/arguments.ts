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

/** `all`, or a sequence number of the stream. */
export const sinceOf = (text: string): 'all' | number => (text === 'all' ? 'all' : wholeNumber(1)(text));

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
