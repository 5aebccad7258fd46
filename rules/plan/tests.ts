import type { Constant, Predicate } from '../language/index.ts';
import { type Pattern, patternsOf } from './patterns.ts';

export type { Pattern } from './patterns.ts';

/** Whether a number lies in one of some closed ranges of signed 64-bit numbers; a comparison with numbers in a normal form. */
export interface NumberTest {
  readonly ranges: readonly (readonly [low: bigint, high: bigint])[];
}

/** Whether any pattern matches, or with `negated` none. */
export interface StringTest {
  readonly patterns: readonly Pattern[];
  readonly negated: boolean;
}

/** Whether an address lies in one of some networks, or with `negated` in none. */
export interface AddressTest {
  readonly networks: readonly { readonly bytes: Uint8Array; readonly prefix: number }[];
  readonly negated: boolean;
}

export const LOWEST = -(2n ** 63n);
export const HIGHEST = 2n ** 63n - 1n;

/** The numbers that lie in some ranges, as a test: the ranges clipped to 64 bits, sorted and joined. */
export const within = (ranges: Iterable<readonly [low: bigint, high: bigint]>): NumberTest => {
  const sorted = [...ranges]
    .map(([low, high]) => [low < LOWEST ? LOWEST : low, high > HIGHEST ? HIGHEST : high] as const)
    .filter(([low, high]) => low <= high)
    .sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  const joined: [bigint, bigint][] = [];
  for (const [low, high] of sorted) {
    const last = joined.at(-1);
    if (last !== undefined && low <= last[1] + 1n) last[1] = high > last[1] ? high : last[1];
    else joined.push([low, high]);
  }
  return { ranges: joined };
};

/** The numbers outside of the ranges. */
export const complement = (test: NumberTest): NumberTest => {
  const ranges: [bigint, bigint][] = [];
  let from = LOWEST;
  for (const [low, high] of within(test.ranges).ranges) {
    if (low > from) ranges.push([from, low - 1n]);
    if (high === HIGHEST) return { ranges };
    from = high + 1n;
  }
  ranges.push([from, HIGHEST]);
  return { ranges };
};

/** A test that holds for exactly these numbers. */
export const oneOf = (numbers: Iterable<bigint>): NumberTest =>
  within([...numbers].map((number) => [number, number] as const));

const numberOf = (constant: Constant): bigint | undefined =>
  constant.type === 'number' ? constant.value : constant.type === 'boolean' ? BigInt(constant.value) : undefined;

/** The number test of a comparison with numbers or truth values; undefined where operator or constants are of another kind. */
export const numberTest = (predicate: Predicate): NumberTest | undefined => {
  if (predicate.operator === 'exists') return { ranges: [[LOWEST, HIGHEST]] };
  const numbers: bigint[] = [];
  for (const constant of predicate.constants) {
    const number = numberOf(constant);
    if (number === undefined) return undefined;
    numbers.push(number);
  }
  const first = numbers[0] ?? 0n;
  switch (predicate.operator) {
    case '=':
    case 'in':
    case 'intersects':
      return oneOf(numbers);
    case '!=':
      return complement(oneOf(numbers));
    case '<':
      return within([[LOWEST, first - 1n]]);
    case '<=':
      return within([[LOWEST, first]]);
    case '>':
      return within([[first + 1n, HIGHEST]]);
    case '>=':
      return within([[first, HIGHEST]]);
    default:
      return undefined;
  }
};

const stringTests = new WeakMap<Predicate, StringTest | undefined>();

/** The string test of a comparison with strings, the same object each time; undefined where it has none (exists, most transformers). */
export const stringTest = (predicate: Predicate): StringTest | undefined => {
  if (!stringTests.has(predicate)) stringTests.set(predicate, stringTestOf(predicate));
  return stringTests.get(predicate);
};

const stringTestOf = ({ operator, constants, left, right }: Predicate): StringTest | undefined => {
  if (operator === 'exists' || right !== undefined) return undefined;
  const texts: string[] = [];
  for (const constant of constants) {
    if (constant.type !== 'string') return undefined;
    texts.push(constant.value);
  }
  const patterns = patternsOf(operator, texts, left);
  return patterns && { patterns, negated: operator === '!=' };
};

/** The address test of a comparison with addresses or networks; undefined where it has none. */
export const addressTest = (predicate: Predicate): AddressTest | undefined => {
  const networks: { readonly bytes: Uint8Array; readonly prefix: number }[] = [];
  for (const constant of predicate.constants) {
    if (constant.type !== 'network') return undefined;
    networks.push({ bytes: constant.bytes, prefix: constant.prefix });
  }
  if (!['=', '!=', 'in', 'intersects'].includes(predicate.operator)) return undefined;
  return { networks, negated: predicate.operator === '!=' };
};
