/** Bounds of a number of `Width` bits, read as unsigned and as signed; each is inclusive. */
export interface Range {
  readonly umin: bigint;
  readonly umax: bigint;
  readonly smin: bigint;
  readonly smax: bigint;
}

/** The limits of a register (64 bits) or a subregister (32 bits). */
export interface Width {
  readonly bits: 32 | 64;
  readonly umax: bigint;
  readonly smin: bigint;
  readonly smax: bigint;
  /** No knowledge. */
  readonly full: Range;
}

function width(bits: 32 | 64): Width {
  const umax = BigInt.asUintN(bits, -1n);
  const smax = umax >> 1n;
  const smin = -smax - 1n;
  return { bits, umax, smin, smax, full: { umin: 0n, umax, smin, smax } };
}

export const W64 = width(64);
export const W32 = width(32);

export const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
export const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** Bounds from unsigned ones alone; `deduce` finds the signed ones. */
const unsigned = (w: Width, umin: bigint, umax: bigint): Range => ({ umin, umax, smin: w.smin, smax: w.smax });

/** Carries knowledge between the unsigned and the signed reading; undefined where no number fits. */
export function deduceRange(w: Width, r: Range): Range | undefined {
  let { umin, umax, smin, smax } = r;
  if (umin > w.smax || umax <= w.smax) {
    smin = max(smin, BigInt.asIntN(w.bits, umin));
    smax = min(smax, BigInt.asIntN(w.bits, umax));
  }
  if (smin >= 0n || smax < 0n) {
    umin = max(umin, BigInt.asUintN(w.bits, smin));
    umax = min(umax, BigInt.asUintN(w.bits, smax));
  }
  if (umin > umax || smin > smax) return undefined;
  return umin === r.umin && umax === r.umax && smin === r.smin && smax === r.smax ? r : { umin, umax, smin, smax };
}

/** Wraps exact bounds into the width, or widens to everything where only some of the values wrap. */
function wrap(w: Width, umin: bigint, umax: bigint, smin: bigint, smax: bigint): Range {
  const span = w.umax + 1n;
  const uTurns = (n: bigint): bigint => (n < 0n ? -1n : n > w.umax ? 1n : 0n);
  const sTurns = (n: bigint): bigint => (n < w.smin ? -1n : n > w.smax ? 1n : 0n);
  const u = uTurns(umin);
  const s = sTurns(smin);
  const uFits = u === uTurns(umax);
  const sFits = s === sTurns(smax);
  return {
    umin: uFits ? umin - u * span : 0n,
    umax: uFits ? umax - u * span : w.umax,
    smin: sFits ? smin - s * span : w.smin,
    smax: sFits ? smax - s * span : w.smax,
  };
}

export const rangeAdd = (w: Width, a: Range, b: Range): Range =>
  wrap(w, a.umin + b.umin, a.umax + b.umax, a.smin + b.smin, a.smax + b.smax);

export const rangeSub = (w: Width, a: Range, b: Range): Range =>
  wrap(w, a.umin - b.umax, a.umax - b.umin, a.smin - b.smax, a.smax - b.smin);

export function rangeMul(w: Width, a: Range, b: Range): Range {
  const umax = a.umax * b.umax;
  const products = [a.smin * b.smin, a.smin * b.smax, a.smax * b.smin, a.smax * b.smax];
  const smin = products.reduce(min);
  const smax = products.reduce(max);
  const uFits = umax <= w.umax;
  const sFits = smin >= w.smin && smax <= w.smax;
  return {
    umin: uFits ? a.umin * b.umin : 0n,
    umax: uFits ? umax : w.umax,
    smin: sFits ? smin : w.smin,
    smax: sFits ? smax : w.smax,
  };
}

/** Division by 0 gives 0 (RFC 9669, section 4.1). */
export const rangeDiv = (w: Width, a: Range, b: Range): Range =>
  b.umin > 0n ? unsigned(w, a.umin / b.umax, a.umax / b.umin) : unsigned(w, 0n, a.umax);

/** Modulo 0 leaves the dividend (RFC 9669, section 4.1). */
export function rangeMod(w: Width, a: Range, b: Range): Range {
  if (b.umin === 0n) return unsigned(w, 0n, a.umax);
  return a.umax < b.umin ? a : unsigned(w, 0n, min(a.umax, b.umax - 1n));
}

export const rangeAnd = (w: Width, a: Range, b: Range): Range => unsigned(w, 0n, min(a.umax, b.umax));

export const rangeOr = (w: Width, a: Range, b: Range): Range => unsigned(w, max(a.umin, b.umin), w.umax);

/** @param by shift counts, all below the width */
export function rangeLsh(w: Width, a: Range, by: Range): Range {
  const umax = a.umax << by.umax;
  const smin = a.smin < 0n ? a.smin << by.umax : a.smin << by.umin;
  const smax = a.smax < 0n ? a.smax << by.umin : a.smax << by.umax;
  const uFits = umax <= w.umax;
  const sFits = smin >= w.smin && smax <= w.smax;
  return {
    umin: uFits ? a.umin << by.umin : 0n,
    umax: uFits ? umax : w.umax,
    smin: sFits ? smin : w.smin,
    smax: sFits ? smax : w.smax,
  };
}

/** @param by shift counts, all below the width */
export const rangeRsh = (w: Width, a: Range, by: Range): Range => unsigned(w, a.umin >> by.umax, a.umax >> by.umin);

/** @param by shift counts, all below the width */
export function rangeArsh(w: Width, a: Range, by: Range): Range {
  return {
    umin: 0n,
    umax: w.umax,
    smin: min(a.smin >> by.umin, a.smin >> by.umax),
    smax: max(a.smax >> by.umin, a.smax >> by.umax),
  };
}

/** Whether each number within `b` is within `a`. */
export const rangeContains = (a: Range, b: Range): boolean =>
  a.umin <= b.umin && a.umax >= b.umax && a.smin <= b.smin && a.smax >= b.smax;
