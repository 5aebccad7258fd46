import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf, calculate, isOperator, negate, swapBytes } from '../../../engine/verifier/arithmetic.ts';
import { deduce, signExtend, UNKNOWN, zeroExtend } from '../../../engine/verifier/scalar.ts';
import { count, seed } from '../../support/counts.ts';
import { allows, numbers, scalarOf, sets } from './scalars.ts';

const RUNS = count(60_000);
const u = BigInt.asUintN;
const s = BigInt.asIntN;

/** RFC 9669, section 4.1, on unsigned numbers of `w` bits. */
const RFC: Readonly<Record<string, (x: bigint, y: bigint, w: number) => bigint>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => (y === 0n ? 0n : x / y),
  sdiv: (x, y, w) => (y === 0n ? 0n : s(w, x) / s(w, y)),
  mod: (x, y) => (y === 0n ? x : x % y),
  smod: (x, y, w) => (y === 0n ? x : s(w, x) % s(w, y)),
  or: (x, y) => x | y,
  and: (x, y) => x & y,
  xor: (x, y) => x ^ y,
  lsh: (x, y, w) => x << (y % BigInt(w)),
  rsh: (x, y, w) => x >> (y % BigInt(w)),
  arsh: (x, y, w) => s(w, x) >> (y % BigInt(w)),
};

const check = (name: string, property: fc.IProperty<[bigint[], bigint[]]>): void => {
  fc.assert(property, { numRuns: RUNS, seed: seed(name) });
};

describe('what is known after an operation holds for every number that went in', () => {
  for (const [operation, concrete] of Object.entries(RFC)) {
    for (const width of [64, 32] as const) {
      test(`${operation}${width}`, () => {
        if (!isOperator(operation)) throw new Error(`${operation} is missing`);
        check(
          `${operation}${width}`,
          fc.property(sets, sets, (left, right) => {
            const result = calculate(operation, width, scalarOf(left), scalarOf(right));
            for (const a of left) {
              for (const b of right) {
                expect(allows(result, u(width, concrete(u(width, a), u(width, b), width)))).toBe(true);
              }
            }
          }),
        );
      });
    }
  }

  test('negation, extension, byte order and parts of a number', () => {
    fc.assert(
      fc.property(sets, fc.constantFrom(8, 16, 32), fc.integer({ min: 0, max: 7 }), (set, width, from) => {
        const abstract = scalarOf(set);
        for (const a of set) {
          expect(allows(negate(64, abstract), u(64, -a))).toBe(true);
          expect(allows(negate(32, abstract), u(32, -a))).toBe(true);
          expect(allows(zeroExtend(abstract, width), u(width, a))).toBe(true);
          expect(allows(signExtend(abstract, width), u(64, s(width, a)))).toBe(true);
          expect(allows(bytesOf(abstract, from, 1), (a >> BigInt(8 * from)) & 0xffn)).toBe(true);
          const bytes = u(16, a).toString(16).padStart(4, '0');
          expect(allows(swapBytes('be', 16, abstract), BigInt(`0x${bytes.slice(2)}${bytes.slice(0, 2)}`))).toBe(true);
          expect(allows(swapBytes('le', 32, abstract), u(32, a))).toBe(true);
        }
      }),
      { numRuns: RUNS, seed: seed('extensions') },
    );
  });
});

test('what bits and bounds say together holds for every number that each allows', () => {
  fc.assert(
    fc.property(numbers, sets, sets, sets, (n, first, second, third) => {
      const [a, b, c] = [first, second, third].map((set) => scalarOf([...set, n]));
      const joined = deduce(a!.bits, b!.wide, c!.low);
      expect(joined && allows(joined, n)).toBe(true);
    }),
    { numRuns: RUNS * 5, seed: seed('deduce') },
  );
});

describe('bounds that later checks rely on', () => {
  const known = (n: bigint) => scalarOf([n]);
  test('a mask bounds', () => {
    const masked = calculate('and', 64, UNKNOWN, known(63n));
    expect([masked.wide.umin, masked.wide.umax, masked.wide.smin, masked.wide.smax]).toEqual([0n, 63n, 0n, 63n]);
  });
  test('a shift right bounds', () => {
    expect(calculate('rsh', 64, UNKNOWN, known(56n)).wide.umax).toBe(255n);
  });
  test('modulo bounds', () => {
    expect(calculate('mod', 64, UNKNOWN, known(10n)).wide.umax).toBe(9n);
  });
  test('<<= 32, s>>= 32 sign-extends', () => {
    const low = calculate('and', 64, UNKNOWN, known(0xffff_ffffn));
    const extended = calculate('arsh', 64, calculate('lsh', 64, low, known(32n)), known(32n));
    expect([extended.wide.smin, extended.wide.smax]).toEqual([-0x8000_0000n, 0x7fff_ffffn]);
  });
  test('a sum of bounded numbers is bounded', () => {
    const byte = calculate('and', 64, UNKNOWN, known(255n));
    const sum = calculate('add', 64, calculate('lsh', 64, byte, known(3n)), known(8n));
    expect([sum.wide.umin, sum.wide.umax, sum.bits.mask]).toEqual([8n, 2048n, 0xff8n]);
  });
  test('32-bit arithmetic clears the high half', () => {
    expect(calculate('add', 32, UNKNOWN, known(1n)).wide.umax).toBe(0xffff_ffffn);
  });
});
