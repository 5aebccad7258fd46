import { max, min, type Range, W32, W64, type Width } from './range.ts';
import { atLeast, constant, deduce, isConstant, type Scalar, scalarContains, smallScalar } from './scalar.ts';
import { refineSmall, type Small } from './small.ts';
import { type Tnum, tnum, tnumIntersect, U32_MAX, U64_MAX } from './tnum.ts';

/** Conditions of RFC 9669, section 4.3, and `jclear`, which is not `jset`. */
type Condition = 'jeq' | 'jne' | 'jgt' | 'jge' | 'jlt' | 'jle' | 'jsgt' | 'jsge' | 'jslt' | 'jsle' | 'jset' | 'jclear';

const OPPOSITE: Readonly<Record<Condition, Condition>> = {
  jeq: 'jne',
  jne: 'jeq',
  jgt: 'jle',
  jle: 'jgt',
  jge: 'jlt',
  jlt: 'jge',
  jsgt: 'jsle',
  jsle: 'jsgt',
  jsge: 'jslt',
  jslt: 'jsge',
  jset: 'jclear',
  jclear: 'jset',
};

const HOLDS: Readonly<Record<Condition, (a: bigint, b: bigint, width: 32 | 64) => boolean>> = {
  jeq: (a, b) => a === b,
  jne: (a, b) => a !== b,
  jgt: (a, b) => a > b,
  jge: (a, b) => a >= b,
  jlt: (a, b) => a < b,
  jle: (a, b) => a <= b,
  jsgt: (a, b, w) => BigInt.asIntN(w, a) > BigInt.asIntN(w, b),
  jsge: (a, b, w) => BigInt.asIntN(w, a) >= BigInt.asIntN(w, b),
  jslt: (a, b, w) => BigInt.asIntN(w, a) < BigInt.asIntN(w, b),
  jsle: (a, b, w) => BigInt.asIntN(w, a) <= BigInt.asIntN(w, b),
  jset: (a, b) => (a & b) !== 0n,
  jclear: (a, b) => (a & b) === 0n,
};

export const isCondition = (operation: string): operation is Condition => operation in HOLDS;

/** What both operands are on one side of a jump. */
export type Refined = readonly [dst: Scalar, src: Scalar];

/** Whether a condition holds of two numbers, of which the low `width` bits count. */
export const holds = (condition: Condition, width: 32 | 64, a: bigint, b: bigint): boolean =>
  HOLDS[condition](BigInt.asUintN(width, a), BigInt.asUintN(width, b), width);

/** What is known of both operands where the jump is taken (or not), or undefined where it can't be. */
export function refine(
  condition: Condition,
  width: 32 | 64,
  dst: Scalar,
  src: Scalar,
  taken: boolean,
): Refined | undefined {
  const holding = taken ? condition : OPPOSITE[condition];
  if (dst.small && src.small) {
    const found = refineSmall(holding, dst.small, src.small);
    return found && [refined(dst, found[0]), refined(src, found[1])];
  }
  if (isConstant(dst) && isConstant(src)) {
    return holds(holding, width, dst.bits.value, src.bits.value) ? [dst, src] : undefined;
  }
  switch (holding) {
    case 'jeq':
      return equal(width, dst, src);
    case 'jne':
      return unequal(width, dst, src);
    case 'jset':
      return anyBit(width, dst, src);
    case 'jclear':
      return noBit(width, dst, src);
    case 'jgt':
    case 'jge':
    case 'jsgt':
    case 'jsge':
      return greater(holding, width, dst, src);
    case 'jlt':
      return swap(greater('jgt', width, src, dst));
    case 'jle':
      return swap(greater('jge', width, src, dst));
    case 'jslt':
      return swap(greater('jsgt', width, src, dst));
    case 'jsle':
      return swap(greater('jsge', width, src, dst));
  }
}

/** The scalar with what was learnt, itself where that is nothing. */
const refined = (s: Scalar, small: Small): Scalar => (small === s.small ? s : smallScalar(small, s.id));

const swap = (refined: Refined | undefined): Refined | undefined => refined && [refined[1], refined[0]];

const rangeOf = (width: 32 | 64, s: Scalar): Range => (width === 64 ? s.wide : s.low);

const withRange = (width: 32 | 64, s: Scalar, range: Range, bits: Tnum = s.bits): Scalar | undefined =>
  width === 64 ? deduce(bits, range, s.low, s.id) : deduce(bits, s.wide, range, s.id);

const both = (a: Scalar | undefined, b: Scalar | undefined): Refined | undefined => (a && b ? [a, b] : undefined);

function equal(width: 32 | 64, a: Scalar, b: Scalar): Refined | undefined {
  if (width === 64 && isConstant(b)) return scalarContains(a, b) ? [b, b] : undefined;
  if (isConstant(b) && a.wide.umax <= U32_MAX) {
    const exact = constant(b.bits.value & U32_MAX);
    return scalarContains(a, exact) ? [exact, b] : undefined;
  }
  const [ra, rb] = [rangeOf(width, a), rangeOf(width, b)];
  const range: Range = {
    umin: max(ra.umin, rb.umin),
    umax: min(ra.umax, rb.umax),
    smin: max(ra.smin, rb.smin),
    smax: min(ra.smax, rb.smax),
  };
  if (range.umin > range.umax || range.smin > range.smax) return undefined;
  const [bitsA, bitsB] = [tnumIntersect(a.bits, known(width, b)), tnumIntersect(b.bits, known(width, a))];
  return bitsA && bitsB && both(withRange(width, a, range, bitsA), withRange(width, b, range, bitsB));
}

/** The bits that a comparison of this width looks at; the others unknown. */
const known = (width: 32 | 64, s: Scalar): Tnum =>
  width === 64 ? s.bits : tnum(s.bits.value & U32_MAX, (s.bits.mask & U32_MAX) | (U64_MAX ^ U32_MAX));

function unequal(width: 32 | 64, a: Scalar, b: Scalar): Refined | undefined {
  const w = width === 64 ? W64 : W32;
  return both(without(w, a, rangeOf(width, b)), without(w, b, rangeOf(width, a)));
}

/** Takes a number off the ends of the bounds, where `other` is that one number. */
function without(w: Width, s: Scalar, other: Range): Scalar | undefined {
  if (other.umin !== other.umax) return s;
  const r = rangeOf(w.bits, s);
  const { umin: u, smin: v } = other;
  if (r.umin !== u && r.umax !== u && r.smin !== v && r.smax !== v) return s;
  const range: Range = {
    umin: r.umin === u ? u + 1n : r.umin,
    umax: r.umax === u ? u - 1n : r.umax,
    smin: r.smin === v ? v + 1n : r.smin,
    smax: r.smax === v ? v - 1n : r.smax,
  };
  if (range.umin === r.umin && range.umax === r.umax && range.smin === r.smin && range.smax === r.smax) return s;
  if (range.umin > range.umax || range.smin > range.smax) return undefined;
  return withRange(w.bits, s, range);
}

function greater(
  condition: 'jgt' | 'jge' | 'jsgt' | 'jsge',
  width: 32 | 64,
  a: Scalar,
  b: Scalar,
): Refined | undefined {
  const [ra, rb] = [rangeOf(width, a), rangeOf(width, b)];
  const strict = condition === 'jgt' || condition === 'jsgt' ? 1n : 0n;
  if (condition === 'jgt' || condition === 'jge') {
    const umin = max(ra.umin, rb.umin + strict);
    const umax = min(rb.umax, ra.umax - strict);
    if (umin > ra.umax || umax < rb.umin) return undefined;
    if (isConstant(b)) {
      const raised = atLeast(a, width, umin);
      if (raised) return [raised, b];
    }
    return both(withRange(width, a, { ...ra, umin }), withRange(width, b, { ...rb, umax }));
  }
  const smin = max(ra.smin, rb.smin + strict);
  const smax = min(rb.smax, ra.smax - strict);
  if (smin > ra.smax || smax < rb.smin) return undefined;
  return both(withRange(width, a, { ...ra, smin }), withRange(width, b, { ...rb, smax }));
}

/** (a & b) != 0 */
function anyBit(width: 32 | 64, a: Scalar, b: Scalar): Refined | undefined {
  const limit = width === 64 ? U64_MAX : U32_MAX;
  const possible = (a.bits.value | a.bits.mask) & (b.bits.value | b.bits.mask) & limit;
  if (possible === 0n) return undefined;
  if ((possible & (possible - 1n)) !== 0n) return [a, b];
  return both(withBit(a, possible), withBit(b, possible));
}

const withBit = (s: Scalar, bit: bigint): Scalar | undefined =>
  deduce(tnum(s.bits.value | bit, s.bits.mask & ~bit), s.wide, s.low, s.id);

/** (a & b) == 0 */
function noBit(width: 32 | 64, a: Scalar, b: Scalar): Refined | undefined {
  const limit = width === 64 ? U64_MAX : U32_MAX;
  if ((a.bits.value & b.bits.value & limit) !== 0n) return undefined;
  return both(withoutBits(a, b.bits.value & limit), withoutBits(b, a.bits.value & limit));
}

const withoutBits = (s: Scalar, bits: bigint): Scalar | undefined =>
  isConstant(s) ? constant(s.bits.value) : deduce(tnum(s.bits.value, s.bits.mask & ~bits), s.wide, s.low, s.id);
