import { InvalidArgumentError } from 'commander';

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
