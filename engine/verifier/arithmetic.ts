import {
  type Range,
  rangeAdd,
  rangeAnd,
  rangeArsh,
  rangeDiv,
  rangeLsh,
  rangeMod,
  rangeMul,
  rangeOr,
  rangeRsh,
  rangeSub,
  W32,
  W64,
  type Width,
} from './range.ts';
import {
  constant,
  fromParts,
  isConstant,
  isUnknown,
  LOADED,
  type Scalar,
  smallScalar,
  UNKNOWN,
  zeroExtend,
} from './scalar.ts';
import { calculateSmall, deduceSmall } from './small.ts';
import {
  TNUM_UNKNOWN,
  type Tnum,
  tnumAdd,
  tnumAnd,
  tnumArsh,
  tnumLow,
  tnumLsh,
  tnumMul,
  tnumOr,
  tnumRsh,
  tnumSub,
  tnumXor,
} from './tnum.ts';

type Operator = 'add' | 'sub' | 'mul' | 'div' | 'mod' | 'sdiv' | 'smod' | 'or' | 'and' | 'xor' | 'lsh' | 'rsh' | 'arsh';

const CONCRETE: Readonly<Record<Operator, (a: bigint, b: bigint, width: 32 | 64) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b === 0n ? 0n : a / b),
  mod: (a, b) => (b === 0n ? a : a % b),
  sdiv: (a, b, width) => (b === 0n ? 0n : BigInt.asIntN(width, a) / BigInt.asIntN(width, b)),
  smod: (a, b, width) => (b === 0n ? a : BigInt.asIntN(width, a) % BigInt.asIntN(width, b)),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  xor: (a, b) => a ^ b,
  lsh: (a, b, width) => a << (b & BigInt(width - 1)),
  rsh: (a, b, width) => a >> (b & BigInt(width - 1)),
  arsh: (a, b, width) => BigInt.asIntN(width, a) >> (b & BigInt(width - 1)),
};

export const isOperator = (operation: string): operation is Operator => operation in CONCRETE;

/** The exact result on two 64-bit numbers (RFC 9669, section 4.1); 32-bit operations clear the high half. */
export const evaluate = (operation: Operator, width: 32 | 64, a: bigint, b: bigint): bigint =>
  BigInt.asUintN(width, CONCRETE[operation](BigInt.asUintN(width, a), BigInt.asUintN(width, b), width));

interface Parts {
  readonly bits: Tnum;
  readonly range: Range;
}

/** An operation on the bits and bounds of one width. */
type Transfer = (a: Parts, b: Parts, w: Width) => Parts;

const TRANSFERS: Readonly<Record<Operator, Transfer>> = {
  add: (a, b, w) => ({ bits: tnumAdd(a.bits, b.bits), range: rangeAdd(w, a.range, b.range) }),
  sub: (a, b, w) => ({ bits: tnumSub(a.bits, b.bits), range: rangeSub(w, a.range, b.range) }),
  mul: (a, b, w) => ({ bits: tnumMul(a.bits, b.bits), range: rangeMul(w, a.range, b.range) }),
  div: (a, b, w) => ({ bits: TNUM_UNKNOWN, range: rangeDiv(w, a.range, b.range) }),
  mod: (a, b, w) => ({ bits: moduloBits(a.bits, b.bits), range: rangeMod(w, a.range, b.range) }),
  sdiv: (_a, _b, w) => ({ bits: TNUM_UNKNOWN, range: w.full }),
  smod: (_a, _b, w) => ({ bits: TNUM_UNKNOWN, range: w.full }),
  or: (a, b, w) => ({ bits: tnumOr(a.bits, b.bits), range: rangeOr(w, a.range, b.range) }),
  and: (a, b, w) => ({ bits: tnumAnd(a.bits, b.bits), range: rangeAnd(w, a.range, b.range) }),
  xor: (a, b, w) => ({ bits: tnumXor(a.bits, b.bits), range: w.full }),
  lsh: (a, b, w) => shift(a, b, w, tnumLsh, rangeLsh),
  rsh: (a, b, w) => shift(a, b, w, tnumRsh, rangeRsh),
  arsh: (a, b, w) => shift(a, b, w, (bits, by) => tnumArsh(bits, by, w.bits), rangeArsh),
};

/** Modulo a power of two keeps the low bits. */
function moduloBits(a: Tnum, b: Tnum): Tnum {
  const power = b.mask === 0n && b.value !== 0n && (b.value & (b.value - 1n)) === 0n;
  return power ? tnumAnd(a, { value: b.value - 1n, mask: 0n }) : TNUM_UNKNOWN;
}

/** Shift counts are taken modulo the width; one that isn't constant leaves only the bounds. */
function shift(
  a: Parts,
  b: Parts,
  w: Width,
  bits: (bits: Tnum, by: bigint) => Tnum,
  range: (w: Width, a: Range, by: Range) => Range,
): Parts {
  const last = BigInt(w.bits - 1);
  if (b.bits.mask === 0n) {
    const by = b.bits.value & last;
    return { bits: bits(a.bits, by), range: range(w, a.range, { umin: by, umax: by, smin: by, smax: by }) };
  }
  const fits = b.range.umax <= last;
  const by = fits ? { umin: b.range.umin, umax: b.range.umax } : { umin: 0n, umax: last };
  return { bits: TNUM_UNKNOWN, range: range(w, a.range, { ...by, smin: by.umin, smax: by.umax }) };
}

/** Operations whose low 32 bits follow from the low 32 bits of their operands. */
const LOW_FROM_LOW: ReadonlySet<Operator> = new Set(['add', 'sub', 'mul', 'or', 'and', 'xor']);

const lowParts = (s: Scalar): Parts => ({ bits: tnumLow(s.bits, 32), range: s.low });

/** Common operations on numbers of which nothing is known, and masks of any; undefined for others. */
function calculateUnknown(operation: Operator, width: 32 | 64, a: Scalar, b: Scalar): Scalar | undefined {
  switch (operation) {
    case 'add':
    case 'sub':
    case 'xor':
      if (!isUnknown(a) && !isUnknown(b)) return undefined;
      return width === 64 ? UNKNOWN : LOADED[4];
    case 'and': {
      const mask = b.small;
      if (mask?.mask !== 0 || a.small || isConstant(a)) return undefined;
      const known = isUnknown(a) ? 0 : Number(a.bits.value & BigInt(mask.value));
      const unknown = isUnknown(a) ? mask.value : Number(a.bits.mask & BigInt(mask.value));
      const most = a.low.umax < BigInt(mask.value) ? Number(a.low.umax) : mask.value;
      const masked = deduceSmall(known, unknown, 0, most);
      return masked && smallScalar(masked);
    }
    default:
      return undefined;
  }
}

/** What is known of `a operation b` (RFC 9669, section 4.1). */
export function calculate(operation: Operator, width: 32 | 64, a: Scalar, b: Scalar): Scalar {
  if (a.small && b.small) {
    const found = calculateSmall(operation, width, a.small, b.small);
    if (found) return smallScalar(found);
  }
  const quick = calculateUnknown(operation, width, a, b);
  if (quick) return quick;
  if (isConstant(a) && isConstant(b)) return constant(evaluate(operation, width, a.bits.value, b.bits.value));
  const transfer = TRANSFERS[operation];
  if (width === 32) {
    const { bits, range } = transfer(lowParts(a), lowParts(b), W32);
    return fromParts(tnumLow(bits, 32), { ...W64.full, umin: range.umin, umax: range.umax }, range);
  }
  const { bits, range } = transfer({ bits: a.bits, range: a.wide }, { bits: b.bits, range: b.wide }, W64);
  if (operation === 'lsh' && isConstant(b) && (b.bits.value & 63n) === 32n) {
    return fromParts(bits, { ...range, smin: a.low.smin << 32n, smax: a.low.smax << 32n }, W32.full);
  }
  const low = LOW_FROM_LOW.has(operation) ? transfer(lowParts(a), lowParts(b), W32).range : W32.full;
  return fromParts(bits, range, low);
}

/** -a */
export const negate = (width: 32 | 64, a: Scalar): Scalar => calculate('sub', width, constant(0n), a);

/** `le`, `be` and `bswap` (RFC 9669, section 4.2) on a little-endian machine. */
export function swapBytes(operation: string, width: 16 | 32 | 64, a: Scalar): Scalar {
  if (operation === 'le') return zeroExtend(a, width);
  if (!isConstant(a)) return LOADED[width / 8] ?? UNKNOWN;
  let swapped = 0n;
  for (let bit = 0n; bit < BigInt(width); bit += 8n) swapped = (swapped << 8n) | ((a.bits.value >> bit) & 0xffn);
  return constant(swapped);
}

/** Bytes `from` to `from + size` of a number of 64 bits, as a load of them gives. */
export const bytesOf = (a: Scalar, from: number, size: number): Scalar =>
  zeroExtend(from === 0 ? a : calculate('rsh', 64, a, constant(BigInt(from * 8))), size * 8);

/** Bounds in which a number lies that is added to an address, or undefined where a bound exceeds `limit`. */
export function offsetBounds(s: Scalar, limit: bigint): { min: number; max: number } | undefined {
  if (s.small) return s.small.max > Number(limit) ? undefined : s.small;
  if (s.wide.smin < -limit || s.wide.smax > limit) return undefined;
  return { min: Number(s.wide.smin), max: Number(s.wide.smax) };
}
