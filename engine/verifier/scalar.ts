import { deduceRange, max, min, type Range, rangeContains, W32, W64 } from './range.ts';
import { deduceSmall, type Small, smallBits, smallContains, smallRange } from './small.ts';
import {
  TNUM_UNKNOWN,
  type Tnum,
  tnum,
  tnumContains,
  tnumIntersect,
  tnumLow,
  tnumRange,
  tnumSignExtend,
  U32_MAX,
  U64_MAX,
} from './tnum.ts';

/** What is known of a number in a register: its bits, its bounds, and the bounds of its low 32 bits. */
export interface Scalar {
  readonly kind: 'scalar';
  readonly bits: Tnum;
  readonly wide: Range;
  readonly low: Range;
  /** Copies of one value share an id, so that a test of one teaches about all; 0 is none. */
  readonly id: number;
  /** The same as integers, where it is a number of 31 bits for certain. */
  readonly small: Small | undefined;
}

/** A number of 31 bits: 64-bit numbers are made of it only where they are asked for. */
class SmallScalar implements Scalar {
  readonly kind = 'scalar';
  readonly small: Small;
  readonly id: number;
  #bits: Tnum | undefined;
  #range: Range | undefined;

  constructor(small: Small, id: number) {
    this.small = small;
    this.id = id;
  }

  get bits(): Tnum {
    this.#bits ??= smallBits(this.small);
    return this.#bits;
  }

  get wide(): Range {
    this.#range ??= smallRange(this.small);
    return this.#range;
  }

  get low(): Range {
    return this.wide;
  }
}

/** A scalar of 31 bits. */
export const smallScalar = (small: Small, id = 0): Scalar =>
  small.mask === 0 ? (SMALL[small.value] ?? new SmallScalar(small, 0)) : new SmallScalar(small, id);

const HIGH = U64_MAX ^ U32_MAX;
const S32_MAX = 0x7fff_ffffn;

const scalar = (bits: Tnum, wide: Range, low: Range, id: number): Scalar => ({
  kind: 'scalar',
  bits,
  wide,
  low,
  id,
  small: undefined,
});

/** Anything. */
export const UNKNOWN: Scalar = scalar(TNUM_UNKNOWN, W64.full, W32.full, 0);

const exactly = (value: number): Small => ({ value, mask: 0, min: value, max: value });

function newConstant(value: bigint): Scalar {
  const u = BigInt.asUintN(64, value);
  const s = BigInt.asIntN(64, value);
  if (u <= S32_MAX) return new SmallScalar(exactly(Number(u)), 0);
  const wide = { umin: u, umax: u, smin: s, smax: s };
  const u32 = u & U32_MAX;
  const s32 = BigInt.asIntN(32, u);
  return scalar(tnum(u, 0n), wide, { umin: u32, umax: u32, smin: s32, smax: s32 }, 0);
}

const SMALL: readonly Scalar[] = Array.from({ length: 256 }, (_, n) => newConstant(BigInt(n)));

/** Exactly this value; negative numbers are taken as two's complement. */
export const constant = (value: bigint): Scalar =>
  value >= 0n && value < 256n ? SMALL[Number(value)]! : newConstant(value);

/** Whether a number is one of which nothing is known, as far as that shows at a glance. */
export const isUnknown = (s: Scalar): boolean => s.bits === TNUM_UNKNOWN && s.wide === W64.full && s.low === W32.full;

export const isConstant = (s: Scalar): boolean => (s.small ? s.small.mask === 0 : s.bits.mask === 0n);

/** Joins what bits and bounds say of each other; undefined where no number fits all of them. */
export function deduce(bits: Tnum, wide: Range, low: Range, id = 0): Scalar | undefined {
  if (wide.umax <= S32_MAX || (bits.value | bits.mask) <= S32_MAX) return deduceLow(bits, wide, low, id);
  let known = bits;
  let w = wide;
  let l = low;
  for (let round = 0; round < 2; round++) {
    const lowBits = tnumLow(known, 32);
    const l1 = deduceRange(W32, boundsOf(lowBits, l, 32));
    const w1 = l1 && deduceRange(W64, fromLow(boundsOf(known, w, 64), l1));
    const l2 = w1 && deduceRange(W32, toLow(w1, l1));
    if (!l2) return undefined;
    const narrowed = tnumIntersect(known, tnumRange(w1.umin, w1.umax));
    const lowRange = tnumRange(l2.umin, l2.umax);
    const next = narrowed && tnumIntersect(narrowed, tnum(lowRange.value, lowRange.mask | HIGH));
    if (!next) return undefined;
    if (next.mask === 0n) {
      const exact = constant(next.value);
      return rangeContains(w1, exact.wide) && rangeContains(l2, exact.low) ? exact : undefined;
    }
    const settled = next.mask === known.mask && w1 === w && l2 === l;
    known = next;
    w = w1;
    l = l2;
    if (settled) break;
  }
  return scalar(known, w, l, id);
}

/** `deduce` for numbers that fit 31 bits. */
function deduceLow(bits: Tnum, wide: Range, low: Range, id: number): Scalar | undefined {
  if (wide.smax < 0n || low.smax < 0n || wide.umin > S32_MAX || low.umin > S32_MAX) return undefined;
  if ((bits.value | low.umin) > S32_MAX) return undefined;
  const found = deduceSmall(
    Number(bits.value),
    Number(bits.mask & S32_MAX),
    Math.max(small(wide.umin), small(wide.smin), small(low.umin), small(low.smin)),
    Math.min(small(wide.umax), small(wide.smax), small(low.umax), small(low.smax)),
  );
  return found && smallScalar(found, id);
}

/** A bound cut to what 31 bits hold. */
const small = (bound: bigint): number => (bound <= 0n ? 0 : bound >= S32_MAX ? 0x7fff_ffff : Number(bound));

/** `deduce` for the result of an operation, which can't be empty. */
export const fromParts = (bits: Tnum, wide: Range, low: Range): Scalar => deduce(bits, wide, low) ?? UNKNOWN;

/** Bounds that the known bits allow. */
function boundsOf(bits: Tnum, r: Range, width: 32 | 64): Range {
  const sign = 1n << BigInt(width - 1);
  const umin = max(r.umin, bits.value);
  const umax = min(r.umax, bits.value | bits.mask);
  const smin = max(r.smin, BigInt.asIntN(width, bits.value | (bits.mask & sign)));
  const smax = min(r.smax, BigInt.asIntN(width, bits.value | (bits.mask & ~sign)));
  return umin === r.umin && umax === r.umax && smin === r.smin && smax === r.smax ? r : { umin, umax, smin, smax };
}

/** Bounds of 64 bits with what the low 32 add: a number at a bound's high half is at least (at most) that half with the low bound. */
function fromLow(w: Range, l: Range): Range {
  let smin = max(w.smin, BigInt.asIntN(64, (w.smin & HIGH) | l.umin));
  let smax = min(w.smax, BigInt.asIntN(64, (w.smax & HIGH) | l.umax));
  if (w.smin >= W32.smin && w.smax <= W32.smax) {
    smin = max(smin, l.smin);
    smax = min(smax, l.smax);
  }
  const umin = max(w.umin, (w.umin & HIGH) | l.umin);
  const umax = min(w.umax, (w.umax & HIGH) | l.umax);
  return umin === w.umin && umax === w.umax && smin === w.smin && smax === w.smax ? w : { umin, umax, smin, smax };
}

/** Bounds of the low 32 bits where the high half is the same throughout, or is only the sign. */
function toLow(w: Range, l: Range): Range {
  let { umin, umax, smin, smax } = l;
  if (w.umin >> 32n === w.umax >> 32n) {
    umin = max(umin, w.umin & U32_MAX);
    umax = min(umax, w.umax & U32_MAX);
  }
  if (w.smin >= W32.smin && w.smax <= W32.smax) {
    smin = max(smin, w.smin);
    smax = min(smax, w.smax);
  }
  return umin === l.umin && umax === l.umax && smin === l.smin && smax === l.smax ? l : { umin, umax, smin, smax };
}

/** Numbers from `umin` to `umax`. */
export const unsignedRange = (umin: bigint, umax: bigint): Scalar =>
  fromParts(TNUM_UNKNOWN, { ...W64.full, umin, umax }, W32.full);

/** Numbers from `smin` to `smax`. */
export const signedRange = (smin: bigint, smax: bigint): Scalar =>
  fromParts(TNUM_UNKNOWN, { ...W64.full, smin, smax }, W32.full);

/** What a zero-extending load of 1, 2, 4 or 8 bytes gives. */
export const LOADED: Readonly<Record<number, Scalar>> = {
  1: unsignedRange(0n, 0xffn),
  2: unsignedRange(0n, 0xffffn),
  4: unsignedRange(0n, U32_MAX),
  8: UNKNOWN,
};

const WORD = LOADED[4]!;

/**
 * A number of which nothing is known but its size of 32 or 64 bits, when a comparison of `width` bits has shown that it is `umin` or
 * greater; undefined for others, and for bounds of more than 31 bits.
 */
export function atLeast(s: Scalar, width: 32 | 64, umin: bigint): Scalar | undefined {
  if (umin > S32_MAX) return undefined;
  if (s.bits === WORD.bits && s.wide === WORD.wide && s.low === WORD.low) {
    const wide = { umin, umax: U32_MAX, smin: umin, smax: U32_MAX };
    return scalar(s.bits, wide, { ...W32.full, umin }, s.id);
  }
  if (!isUnknown(s)) return undefined;
  if (width === 64) return scalar(TNUM_UNKNOWN, { ...W64.full, umin }, W32.full, s.id);
  return scalar(TNUM_UNKNOWN, { ...W64.full, umin, smin: W64.smin + umin }, { ...W32.full, umin }, s.id);
}

/** What a sign-extending load of 1, 2 or 4 bytes gives. */
export const LOADED_SIGNED: Readonly<Record<number, Scalar>> = {
  1: signedRange(-0x80n, 0x7fn),
  2: signedRange(-0x8000n, 0x7fffn),
  4: signedRange(W32.smin, W32.smax),
};

/** The low 32 bits, the high half becomes 0: what every 32-bit operation does to its result. */
export function zeroExtend32(s: Scalar): Scalar {
  if (s.small) return s;
  if (s.wide.umax <= U32_MAX) return s;
  if (isUnknown(s)) return WORD;
  return fromParts(tnumLow(s.bits, 32), { ...W64.full, umin: s.low.umin, umax: s.low.umax }, s.low);
}

/** The low 8 or 16 bits (or 32 or 64). */
export function zeroExtend(s: Scalar, width: number): Scalar {
  if (width === 64) return s;
  if (s.small && s.small.max < 2 ** width) return s;
  if (width === 32) return zeroExtend32(s);
  const umax = (1n << BigInt(width)) - 1n;
  return s.wide.umax <= umax ? s : fromParts(tnumLow(s.bits, width), { ...W64.full, umax }, W32.full);
}

/** Sign-extends the low 8, 16 or 32 bits to 64. */
export function signExtend(s: Scalar, width: number): Scalar {
  if (s.small && s.small.max < 2 ** (width - 1)) return s;
  const bits = tnumSignExtend(s.bits, width);
  if (bits.mask === 0n) return constant(bits.value);
  const smax = (1n << BigInt(width - 1)) - 1n;
  const smin = -smax - 1n;
  if (s.wide.smin >= smin && s.wide.smax <= smax) return s;
  const bounds = width === 32 ? { smin: s.low.smin, smax: s.low.smax } : { smin, smax };
  return fromParts(bits, { ...W64.full, ...bounds }, W32.full);
}

export const withId = (s: Scalar, id: number): Scalar =>
  s.id === id ? s : s.small ? smallScalar(s.small, id) : scalar(s.bits, s.wide, s.low, id);

/** Whether each number that `b` allows is allowed by `a`. */
export function scalarContains(a: Scalar, b: Scalar): boolean {
  if (a === b) return true;
  if (a.small) return b.small !== undefined && smallContains(a.small, b.small);
  if (a === UNKNOWN) return true;
  if (a.bits.mask === 0n) return b.bits.mask === 0n && a.bits.value === b.bits.value;
  return rangeContains(a.wide, b.wide) && tnumContains(a.bits, b.bits) && rangeContains(a.low, b.low);
}
