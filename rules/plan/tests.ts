import type { Constant, Operator, Predicate } from '../language/index.ts';

/** Whether a number lies in one of some closed ranges of signed 64-bit numbers; a comparison with numbers in a normal form. */
export interface NumberTest {
  readonly ranges: readonly (readonly [low: bigint, high: bigint])[];
}

/** A string pattern. `fold` ignores the case of ASCII letters. */
export interface Pattern {
  readonly match: 'equals' | 'prefix' | 'suffix' | 'contains' | 'glob';
  readonly text: string;
  readonly fold: boolean;
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

const MATCHES: Partial<Record<Operator, Pattern['match']>> = {
  '=': 'equals',
  '!=': 'equals',
  in: 'equals',
  intersects: 'equals',
  contains: 'contains',
  icontains: 'contains',
  startswith: 'prefix',
  endswith: 'suffix',
  glob: 'glob',
  iglob: 'glob',
};

const stringTests = new WeakMap<Predicate, StringTest | undefined>();

/** The string test of a comparison with strings, the same object each time; undefined where it has none (regex, exists). */
export const stringTest = (predicate: Predicate): StringTest | undefined => {
  if (!stringTests.has(predicate)) stringTests.set(predicate, stringTestOf(predicate));
  return stringTests.get(predicate);
};

const stringTestOf = (predicate: Predicate): StringTest | undefined => {
  const texts = predicate.constants.map((constant) => (constant.type === 'string' ? constant.value : undefined));
  if (texts.includes(undefined)) return undefined;
  const strings = texts as string[];
  const fold = predicate.operator === 'icontains' || predicate.operator === 'iglob';
  if (predicate.operator === 'pmatch') {
    const patterns = strings.flatMap((text): Pattern[] => {
      const path = text.endsWith('/') && text !== '/' ? text.slice(0, -1) : text;
      return [
        { match: 'equals', text: path, fold },
        { match: 'prefix', text: path === '/' ? '/' : `${path}/`, fold },
      ];
    });
    return { patterns, negated: false };
  }
  const match = MATCHES[predicate.operator];
  if (match === undefined) return undefined;
  return { patterns: strings.map((text) => ({ match, text, fold })), negated: predicate.operator === '!=' };
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
