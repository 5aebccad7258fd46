import fc from 'fast-check';
import type { Range } from '../../../engine/verifier/range.ts';
import { fromParts, type Scalar } from '../../../engine/verifier/scalar.ts';

const u64 = (n: bigint): bigint => BigInt.asUintN(64, n);

/** Whether a scalar allows this unsigned 64-bit number. */
export function allows({ bits, wide, low }: Scalar, n: bigint): boolean {
  const within = (r: Range, width: number): boolean => {
    const [u, s] = [BigInt.asUintN(width, n), BigInt.asIntN(width, n)];
    return r.umin <= u && u <= r.umax && r.smin <= s && s <= r.smax;
  };
  return (n & ~bits.mask) === bits.value && within(wide, 64) && within(low, 32);
}

/** The tightest parts around some numbers, joined. */
export function scalarOf(numbers: readonly bigint[]): Scalar {
  const all = numbers.reduce((a, b) => a & b);
  const any = numbers.reduce((a, b) => a | b);
  const bounds = (width: number): Range => {
    const u = numbers.map((n) => BigInt.asUintN(width, n));
    const s = numbers.map((n) => BigInt.asIntN(width, n));
    const least = (list: bigint[]) => list.reduce((a, b) => (a < b ? a : b));
    const most = (list: bigint[]) => list.reduce((a, b) => (a > b ? a : b));
    return { umin: least(u), umax: most(u), smin: least(s), smax: most(s) };
  };
  return fromParts({ value: all, mask: any & ~all }, bounds(64), bounds(32));
}

const EDGES = [0n, 1n, 2n, 7n, 8n, 31n, 32n, 63n, 64n, 255n, 256n, 0x7fffn, 0xffffn].flatMap((n) => [
  n,
  -n,
  0x7fff_ffffn - n,
  0x8000_0000n + n,
  0xffff_ffffn - n,
  0x1_0000_0000n + n,
  0x7fff_ffff_ffff_ffffn - n,
  0x8000_0000_0000_0000n + n,
]);

/** Unsigned 64-bit numbers, mostly near the places where something overflows. */
export const numbers: fc.Arbitrary<bigint> = fc.oneof(
  fc.constantFrom(...EDGES.map(u64)),
  fc.bigInt({ min: 0n, max: 300n }),
  fc.bigInt({ min: 0n, max: 0xffff_ffffn }),
  fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
);

/** One to five numbers that lie together, or anywhere. */
export const sets: fc.Arbitrary<bigint[]> = fc.oneof(
  fc.array(numbers, { minLength: 1, maxLength: 5 }),
  fc
    .tuple(numbers, fc.array(fc.bigInt({ min: 0n, max: 70n }), { minLength: 1, maxLength: 5 }))
    .map(([base, steps]) => steps.map((step) => u64(base + step))),
);
