import { calculate, offsetBounds } from './arithmetic.ts';
import { Rejection } from './error.ts';
import { constant, isConstant } from './scalar.ts';
import type { Pointer } from './value.ts';

/** No pointer is moved further than this from where it began (BPF_MAX_VAR_OFF). */
export const MAX_OFFSET = 1 << 29;

export type Access = 'read' | 'write';

/** Offsets from the start of a target at which an access may begin. */
export interface Span {
  readonly min: number;
  readonly max: number;
}

/** Where an access through a register begins. @throws Rejection where that has no bound */
export function spanOf(register: number, p: Pointer, offset: number): Span {
  const bounds = offsetBounds(p.variable, BigInt(MAX_OFFSET));
  if (!bounds) {
    throw new Rejection(
      `the offset that was added to r${register} has no bound; mask it or compare it with a constant first`,
    );
  }
  return { min: p.offset + offset + bounds.min, max: p.offset + offset + bounds.max };
}

/** `1 byte`, `8 bytes` */
export const bytes = (n: number): string => `${n} byte${n === 1 ? '' : 's'}`;
export const verb: Readonly<Record<Access, string>> = { read: 'reads', write: 'writes' };
const place = ({ min, max }: Span): string => (min === max ? `offset ${min}` : `offsets ${min} to ${max}`);
/** Checks an access to memory of which only the size matters. @throws Rejection */
export function checkBounds(span: Span, size: number, limit: number, access: Access, what: string): void {
  if (span.min >= 0 && span.max + size <= limit) return;
  throw new Rejection(`${verb[access]} ${bytes(size)} at ${place(span)} of ${what}, which has ${bytes(limit)}`);
}

/** @throws Rejection */
export function checkAligned(p: Pointer, offset: number, size: number, what: string): void {
  const total = isConstant(p.variable)
    ? p.variable.bits
    : calculate('add', 64, p.variable, constant(BigInt(p.offset + offset))).bits;
  const low = BigInt(size - 1);
  const bits = isConstant(p.variable) ? BigInt(p.offset + offset) + total.value : total.value | total.mask;
  if ((bits & low) !== 0n) throw new Rejection(`${what} must be aligned to its size of ${size} bytes`);
}
