import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isCondition, refine } from '../../../engine/verifier/refine.ts';
import { UNKNOWN } from '../../../engine/verifier/scalar.ts';
import { count, seed } from '../../support/counts.ts';
import { allows, scalarOf, sets } from './scalars.ts';

const u = BigInt.asUintN;
const s = BigInt.asIntN;

/** RFC 9669, section 4.3, on unsigned numbers of `w` bits. */
const RFC: Readonly<Record<string, (x: bigint, y: bigint, w: number) => boolean>> = {
  jeq: (x, y) => x === y,
  jne: (x, y) => x !== y,
  jgt: (x, y) => x > y,
  jge: (x, y) => x >= y,
  jlt: (x, y) => x < y,
  jle: (x, y) => x <= y,
  jset: (x, y) => (x & y) !== 0n,
  jsgt: (x, y, w) => s(w, x) > s(w, y),
  jsge: (x, y, w) => s(w, x) >= s(w, y),
  jslt: (x, y, w) => s(w, x) < s(w, y),
  jsle: (x, y, w) => s(w, x) <= s(w, y),
};

describe('what a jump teaches holds for every pair of numbers that goes that way', () => {
  for (const [condition, concrete] of Object.entries(RFC)) {
    for (const width of [64, 32] as const) {
      test(`${condition}${width}`, () => {
        if (!isCondition(condition)) throw new Error(`${condition} is missing`);
        fc.assert(
          fc.property(sets, sets, (left, right) => {
            const [dst, src] = [scalarOf(left), scalarOf(right)];
            for (const a of left) {
              for (const b of right) {
                const refined = refine(condition, width, dst, src, concrete(u(width, a), u(width, b), width));
                expect(refined && allows(refined[0], a) && allows(refined[1], b)).toBe(true);
              }
            }
          }),
          { numRuns: count(60_000), seed: seed(`${condition}${width}`) },
        );
      });
    }
  }
});

describe('bounds after a jump on a number of which nothing was known', () => {
  const bounds = (condition: 'jgt' | 'jlt' | 'jsgt' | 'jslt' | 'jset', width: 32 | 64, n: bigint, taken: boolean) => {
    const refined = refine(condition, width, UNKNOWN, scalarOf([n]), taken);
    const range = width === 64 ? refined![0].wide : refined![0].low;
    return [range.umin, range.umax];
  };
  test('r > 63 not taken', () => expect(bounds('jgt', 64, 63n, false)).toEqual([0n, 63n]));
  test('r < 64 taken', () => expect(bounds('jlt', 64, 64n, true)).toEqual([0n, 63n]));
  test('r s> -1 taken', () => expect(bounds('jsgt', 64, u(64, -1n), true)).toEqual([0n, 0x7fff_ffff_ffff_ffffn]));
  test('w < 16 taken', () => expect(bounds('jlt', 32, 16n, true)).toEqual([0n, 15n]));
  test('r & 0x8000000000000000 not taken', () =>
    expect(bounds('jset', 64, 0x8000_0000_0000_0000n, false)).toEqual([0n, 0x7fff_ffff_ffff_ffffn]));
  test('a jump that can only go one way', () => {
    expect(refine('jgt', 64, scalarOf([1n, 5n]), scalarOf([5n]), true)).toBeUndefined();
    expect(refine('jset', 64, scalarOf([8n, 16n]), scalarOf([7n]), true)).toBeUndefined();
    expect(refine('jeq', 32, scalarOf([0x1_0000_0003n]), scalarOf([3n]), false)).toBeUndefined();
  });
});
