/**
 * A tristate number: 64 bits of which each is 0, 1 or unknown. `mask` has the unknown bits, `value` the known ones that are 1;
 * a bit is never in both. The arithmetic follows "Sound, Precise, and Fast Abstract Interpretation with Tristate Numbers"
 * (CGO 2022), which the kernel's kernel/bpf/tnum.c implements too.
 */
export interface Tnum {
  readonly value: bigint;
  readonly mask: bigint;
}

export const U64_MAX = 0xffff_ffff_ffff_ffffn;
export const U32_MAX = 0xffff_ffffn;

const u64 = (n: bigint): bigint => BigInt.asUintN(64, n);

export const tnum = (value: bigint, mask: bigint): Tnum => ({ value, mask });

/** All 64 bits unknown. */
export const TNUM_UNKNOWN: Tnum = tnum(0n, U64_MAX);

/** Number of bits up to the highest one set, 0 for 0. */
export function bitLength(n: bigint): number {
  const high = Number(n >> 32n);
  return high !== 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(Number(n & U32_MAX));
}

/** The tightest tnum that has every value from `min` to `max` (unsigned). */
export function tnumRange(min: bigint, max: bigint): Tnum {
  const delta = (1n << BigInt(bitLength(min ^ max))) - 1n;
  return tnum(min & ~delta & U64_MAX, delta);
}

export function tnumAdd(a: Tnum, b: Tnum): Tnum {
  const values = u64(a.value + b.value);
  const unknown = (u64(values + a.mask + b.mask) ^ values) | a.mask | b.mask;
  return tnum(values & ~unknown, unknown);
}

export function tnumSub(a: Tnum, b: Tnum): Tnum {
  const values = u64(a.value - b.value);
  const unknown = (u64(values + a.mask) ^ u64(values - b.mask)) | a.mask | b.mask;
  return tnum(values & ~unknown, unknown);
}

export function tnumAnd(a: Tnum, b: Tnum): Tnum {
  const value = a.value & b.value;
  return tnum(value, (a.value | a.mask) & (b.value | b.mask) & ~value);
}

export function tnumOr(a: Tnum, b: Tnum): Tnum {
  const value = a.value | b.value;
  return tnum(value, (a.mask | b.mask) & ~value);
}

export function tnumXor(a: Tnum, b: Tnum): Tnum {
  const unknown = a.mask | b.mask;
  return tnum((a.value ^ b.value) & ~unknown, unknown);
}

export function tnumMul(a: Tnum, b: Tnum): Tnum {
  let unknown: Tnum = tnum(0n, 0n);
  let { value, mask } = a;
  let times = b;
  while (value !== 0n || mask !== 0n) {
    if (value & 1n) unknown = tnumAdd(unknown, tnum(0n, times.mask));
    else if (mask & 1n) unknown = tnumAdd(unknown, tnum(0n, times.value | times.mask));
    value >>= 1n;
    mask >>= 1n;
    times = tnumLsh(times, 1n);
  }
  return tnumAdd(tnum(u64(a.value * b.value), 0n), unknown);
}

/** @param by less than 64 */
export const tnumLsh = (a: Tnum, by: bigint): Tnum => tnum(u64(a.value << by), u64(a.mask << by));

/** @param by less than 64 */
export const tnumRsh = (a: Tnum, by: bigint): Tnum => tnum(a.value >> by, a.mask >> by);

/** Shifts the low `bits` bits right, repeating their sign bit; the bits above become 0. */
export function tnumArsh(a: Tnum, by: bigint, bits: number): Tnum {
  const shift = (n: bigint): bigint => BigInt.asUintN(bits, BigInt.asIntN(bits, n) >> by);
  return tnum(shift(a.value), shift(a.mask));
}

/** The low `bits` bits; those above become 0. */
export const tnumLow = (a: Tnum, bits: number): Tnum =>
  tnum(BigInt.asUintN(bits, a.value), BigInt.asUintN(bits, a.mask));

/** Sign-extends the low `bits` bits to 64. */
export const tnumSignExtend = (a: Tnum, bits: number): Tnum =>
  tnum(u64(BigInt.asIntN(bits, a.value)), u64(BigInt.asIntN(bits, a.mask)));

/** The values that are in both, or undefined where a known bit differs. */
export function tnumIntersect(a: Tnum, b: Tnum): Tnum | undefined {
  if (((a.value ^ b.value) & ~a.mask & ~b.mask) !== 0n) return undefined;
  const mask = a.mask & b.mask;
  return tnum((a.value | b.value) & ~mask, mask);
}

/** Whether each value of `b` is one of `a`. */
export const tnumContains = (a: Tnum, b: Tnum): boolean => (b.mask & ~a.mask) === 0n && (b.value & ~a.mask) === a.value;
