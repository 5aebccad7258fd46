import { bytesOf } from './arithmetic.ts';
import { LOADED, type Scalar, zeroExtend } from './scalar.ts';
import { type Iterator, type Value, ZERO } from './value.ts';

/** Bytes of stack that all frames together may use (MAX_BPF_STACK). */
export const STACK_BYTES = 512;

/**
 * Eight bytes of a stack frame. Bytes are counted from the lowest address; bit n of a mask is byte n.
 * Bytes 0 to `size` of a slot with a `spill` hold that register; the others are described by the masks.
 */
export interface Slot {
  readonly spill: Value | undefined;
  readonly size: number;
  readonly initialised: number;
  readonly zero: number;
}

/** A stack frame: slot 0 is the 8 bytes below r10. A slot that was never written is undefined, or lies beyond the end of the array. */
export type Stack = (Slot | undefined)[];

const bytes = (initialised: number, zero: number): Slot => ({ spill: undefined, size: 0, initialised, zero });

const MISC = bytes(0xff, 0);

export const slotIndex = (offset: number): number => (-offset - 1) >> 3;
/** Which byte of its slot an offset from r10 is. */
const byteIndex = (offset: number): number => offset & 7;
const mask = (from: number, size: number): number => ((1 << size) - 1) << from;

/** Which bytes of the slot are known to be 0, whether spilled or not. */
function zeroBytes(slot: Slot): number {
  const spilled = slot.spill;
  if (spilled?.kind !== 'scalar') return slot.zero;
  let zeros = slot.zero;
  for (let n = 0; n < slot.size; n++) {
    const byte = 0xffn << BigInt(8 * n);
    if (((spilled.bits.value | spilled.bits.mask) & byte) === 0n) zeros |= 1 << n;
  }
  return zeros;
}

/** Whether a slot holds nothing but numbers. */
export const isNumbers = ({ spill }: Slot): boolean => spill === undefined || spill.kind === 'scalar';

/** The slot with nothing known of its numbers. */
export const bytesOnly = ({ initialised }: Slot): Slot => bytes(initialised, 0);

/** The slot without its spilled register, whose bytes stay initialised. */
const unspilled = (slot: Slot | undefined): Slot =>
  slot === undefined ? bytes(0, 0) : slot.spill === undefined ? slot : bytes(slot.initialised, zeroBytes(slot));

/** The iterator that one of the bytes belongs to. */
export function iteratorAt(stack: Stack, offset: number, size: number): Iterator | undefined {
  for (let index = slotIndex(offset); index >= slotIndex(offset + size - 1) && index >= 0; index--) {
    const spill = stack[index]?.spill;
    if (spill?.kind === 'iterator') return spill;
  }
  return undefined;
}

/** The slot of an iterator; its bytes can't be read. */
export const iteratorSlot = (spill: Iterator): Slot => ({ spill, size: 0, initialised: 0, zero: 0 });

/** Writes a register of `size` bytes at a constant offset; the bounds are checked already. */
export function writeStack(stack: Stack, offset: number, size: number, value: Value): void {
  const index = slotIndex(offset);
  const from = byteIndex(offset);
  const written = mask(from, size);
  if (size === 8 && from === 0) {
    stack[index] = { spill: value, size: 8, initialised: 0xff, zero: 0 };
    return;
  }
  const rest = unspilled(stack[index]);
  const initialised = rest.initialised | written;
  if (value.kind === 'scalar' && from === 0) {
    stack[index] = { spill: zeroExtend(value, size * 8), size, initialised, zero: rest.zero & ~written };
    return;
  }
  const zero = value.kind === 'scalar' && (value.bits.value | value.bits.mask) === 0n;
  stack[index] = bytes(initialised, zero ? rest.zero | written : rest.zero & ~written);
}

/** Writes unknown bytes, as a helper does; `certainly` where all of them are written. */
export function scribbleStack(stack: Stack, offset: number, size: number, certainly: boolean): void {
  for (let at = offset; at < offset + size; ) {
    const index = slotIndex(at);
    const from = byteIndex(at);
    const count = Math.min(8 - from, offset + size - at);
    const written = mask(from, count);
    const rest = unspilled(stack[index]);
    const initialised = certainly ? rest.initialised | written : rest.initialised;
    if (initialised !== 0) {
      stack[index] = initialised === 0xff && written === 0xff ? MISC : bytes(initialised, rest.zero & ~written);
    }
    at += count;
  }
}

/** The first offset in the range that was never written, or undefined where all are initialised. */
export function uninitialisedAt(stack: Stack, offset: number, size: number): number | undefined {
  for (let at = offset; at < offset + size; at++) {
    const slot = stack[slotIndex(at)];
    if (!slot || ((slot.initialised >> byteIndex(at)) & 1) === 0) return at;
  }
  return undefined;
}

/** Reads `size` initialised bytes at a constant offset that lie in one slot. */
export function readStack(stack: Stack, offset: number, size: number): Value {
  const slot = stack[slotIndex(offset)]!;
  const from = byteIndex(offset);
  const { spill } = slot;
  if (spill && from + size <= slot.size) {
    if (from === 0 && size === slot.size) return spill;
    if (spill.kind === 'scalar') return bytesOf(spill, from, size);
    return LOADED[size]!;
  }
  return (zeroBytes(slot) & mask(from, size)) === mask(from, size) ? ZERO : (LOADED[size] as Scalar);
}
