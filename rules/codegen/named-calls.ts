import {
  add,
  and,
  comment,
  jeq,
  jge,
  ldx,
  ldxField,
  loadMapValue,
  mov,
  R1,
  R2,
  R3,
  R4,
  R5,
  R9,
  rsh,
} from '../../engine/isa/index.ts';
import { X32_BIT } from '../language/index.ts';
import type { Emitter } from './emitter.ts';

/** A map of one value: one bit a call number, set where some rule names a call of that number under any ABI. */
export const NAMED_MAP = 'named';

/** The value of `named` for `count` numbers, those of x32 calls without the table's mark. */
export const namedCalls = (numbers: Iterable<number>, count: number): Uint8Array => {
  const bits = new Uint8Array(Math.ceil(count / 64) * 8);
  for (const number of numbers) {
    bits[number >> 3] = (bits[number >> 3] ?? 0) | (1 << (number & 7));
  }
  return bits;
};

/**
 * r9 = the number of the call that r1, the context of sys_exit, is about; jumps to `leave` where no rule names it under any ABI. One
 * load of one cache line, in front of everything else: most calls end here.
 */
export const emitNamed = (out: Emitter, count: number, leave: string): void => {
  out.emit(
    comment('calls that no rule names'),
    ldx('dw', R2, R1, 0),
    ldxField('dw', R9, R2, 'pt_regs.orig_ax'),
    mov(R3, R9),
    and(R3, ~X32_BIT),
    jge(R3, count, leave),
    mov(R4, R3),
    rsh(R4, 3),
    loadMapValue(R5, NAMED_MAP, 0),
    add(R5, R4),
    ldx('b', R4, R5, 0),
    and(R3, 7),
    rsh(R4, R3),
    and(R4, 1),
    jeq(R4, 0, leave),
  );
};
