import { W32, W64 } from './range.ts';
import type { Refined } from './refine.ts';
import { constant, deduce, isConstant, type Scalar, signExtend, signedRange, zeroExtend32 } from './scalar.ts';
import type { Slot } from './stack.ts';

/**
 * Where Linux knows less of a number than could be known (kernel/bpf/verifier.c). A program that needs more would not load there,
 * so the profile `linux` knows no more either.
 */

/** Quotients, remainders, and shifts by what isn't one number within the width have no range (is_safe_to_compute_dst_reg_range). */
export function isOpaque(operation: string, width: 32 | 64, by: Scalar): boolean {
  if (/div|mod/.test(operation)) return true;
  if (!/sh$/.test(operation)) return false;
  const { umin, umax } = width === 64 ? by.wide : by.low;
  return umin !== umax || umax >= BigInt(width);
}

/** A sign extension keeps bounds that lie within one turn of the narrow number, and no bits (coerce_reg_to_size_sx). */
export function extendSign(value: Scalar, bits: number, width: 32 | 64): Scalar {
  const wide = extendWide(value, bits, width === 64 ? value.wide : value.low);
  return width === 64 ? wide : zeroExtend32(wide);
}

function extendWide(
  value: Scalar,
  bits: number,
  { smin, smax }: { readonly smin: bigint; readonly smax: bigint },
): Scalar {
  if (isConstant(value) || smin === smax) return signExtend(isConstant(value) ? value : constant(smin), bits);
  const turn = BigInt(bits);
  const [least, most] = [BigInt.asIntN(bits, smin), BigInt.asIntN(bits, smax)];
  if (smin >> turn === smax >> turn && least < 0n === most < 0n) return signedRange(least, most);
  const half = 1n << (turn - 1n);
  return signedRange(-half, half - 1n);
}

/**
 * What is left of both operands where `jset` is not taken: of the one that is compared with a constant the bits, no range; nothing new
 * where neither is constant (regs_refine_cond_op).
 */
export function afterClear(refined: Refined, before: Refined): Refined {
  const [dst, src] = refined;
  if (isConstant(src)) return [bitsOnly(dst), src];
  return isConstant(dst) ? [dst, bitsOnly(src)] : before;
}

const bitsOnly = (s: Scalar): Scalar => (isConstant(s) ? s : (deduce(s.bits, W64.full, W32.full, s.id) ?? s));

/** Whether a load of `size` bytes from byte `from` of a slot finds nothing of the number that lies there (check_stack_read_fixed_off). */
export function isUnread({ spill, size: spilled }: Slot, from: number, size: number): boolean {
  if (spill?.kind !== 'scalar' || from >= spilled || (from === 0 && size <= spilled)) return false;
  return !(isConstant(spill) && spill.bits.value === 0n && from + size <= spilled);
}
