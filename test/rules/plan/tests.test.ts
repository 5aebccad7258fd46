import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Operator, Predicate } from '../../../rules/index.ts';
import { complement, HIGHEST, LOWEST, type NumberTest, numberTest, oneOf, within } from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';

const holds = (test: NumberTest | undefined, value: bigint): boolean =>
  test?.ranges.some(([low, high]) => value >= low && value <= high) ?? false;

/** Ranges that code can test one after the other: in order, apart, and inside of 64 bits. */
const isNormal = ({ ranges }: NumberTest): boolean =>
  ranges.every(
    ([low, high], index) =>
      low <= high &&
      low >= LOWEST &&
      high <= HIGHEST &&
      (index === 0 || low > (ranges[index - 1]?.[1] ?? HIGHEST) + 1n),
  );

const edge = fc.constantFrom(
  LOWEST - 1n,
  LOWEST,
  LOWEST + 1n,
  HIGHEST - 1n,
  HIGHEST,
  HIGHEST + 1n,
  2n ** 64n,
  -(2n ** 70n),
);
const small = fc.bigInt({ min: -6n, max: 6n });
const number = fc.oneof(small, edge);
/** Values a signed 64-bit number can have. */
const VALUES = [
  LOWEST,
  LOWEST + 1n,
  ...Array.from({ length: 17 }, (_, index) => BigInt(index - 8)),
  HIGHEST - 1n,
  HIGHEST,
];
const parameters = (name: string) => ({ numRuns: count(50_000), seed: seed(name) });

const predicate = (operator: Operator, constants: readonly bigint[]): Predicate => ({
  kind: 'predicate',
  field: { name: 'evt.rawres', span: { start: 0, end: 0 } },
  operator,
  constants: constants.map((value) => ({ type: 'number', value })),
  span: { start: 0, end: 0 },
});

describe('tests of numbers', () => {
  it('hold for the numbers in their ranges, and their complement for all others', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { maxLength: 5 }), (ranges) => {
        const test = within(ranges);
        const other = complement({ ranges });
        expect(isNormal(test) && isNormal(other)).toBe(true);
        for (const value of VALUES) {
          const inside = ranges.some(([low, high]) => low <= value && value <= high);
          expect(holds(test, value)).toBe(inside);
          expect(holds(other, value)).toBe(!inside);
        }
      }),
      parameters('ranges'),
    );
  });

  it.each<[Operator, (value: bigint, constant: bigint) => boolean]>([
    ['=', (value, constant) => value === constant],
    ['!=', (value, constant) => value !== constant],
    ['<', (value, constant) => value < constant],
    ['<=', (value, constant) => value <= constant],
    ['>', (value, constant) => value > constant],
    ['>=', (value, constant) => value >= constant],
  ])('%s compares as it does with numbers of any size', (operator, compare) => {
    fc.assert(
      fc.property(number, (constant) => {
        const test = numberTest(predicate(operator, [constant]));
        expect(test && isNormal(test)).toBe(true);
        for (const value of VALUES) expect(holds(test, value), `${value}`).toBe(compare(value, constant));
      }),
      parameters(operator),
    );
  });

  it('of a list hold for its members', () => {
    fc.assert(
      fc.property(fc.array(number, { maxLength: 6 }), (constants) => {
        const test = numberTest(predicate('in', constants));
        for (const value of VALUES) expect(holds(test, value)).toBe(constants.includes(value));
        expect(test).toEqual(oneOf(constants));
      }),
      parameters('in'),
    );
  });

  it('of truth values compare 0 and 1', () => {
    const is = (value: boolean): Predicate => ({ ...predicate('=', []), constants: [{ type: 'boolean', value }] });
    expect(numberTest(is(true))).toEqual({ ranges: [[1n, 1n]] });
    expect(numberTest(is(false))).toEqual({ ranges: [[0n, 0n]] });
  });

  it('there are none of texts', () => {
    expect(numberTest({ ...predicate('=', []), constants: [{ type: 'string', value: '1' }] })).toBeUndefined();
  });
});
