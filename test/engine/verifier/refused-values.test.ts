import { describe, expect, test } from 'vitest';
import {
  add,
  add32,
  and,
  call,
  exit,
  ja,
  jeq,
  jlt,
  jne,
  label,
  ldx,
  ldxField,
  mov,
  mul,
  R0,
  R1,
  R2,
  R3,
  R10,
} from '../../../engine/isa/index.ts';
import { end, lookUp, RANDOM, type Refusal, refusalOf } from './programs.ts';

const ROWS: readonly Refusal[] = [
  {
    name: 'a register that was never written',
    items: [mov(R0, R3), exit()],
    message: 'test: slot 0: r0 = r3: r3 is not initialised',
  },
  {
    name: 'a result that was never set',
    items: [exit()],
    message: 'test: slot 0: exit: r0 is not initialised',
  },
  {
    name: 'an argument register after a call',
    items: [mov(R1, 1), call(RANDOM), mov(R0, R1), exit()],
    message: 'test: slot 2: r0 = r1: r1 is not initialised',
  },
  {
    name: 'a register that only one way sets',
    items: [ldx('dw', R2, R1, 8), jeq(R2, 0, 'skip'), mov(R3, 0), label('skip'), mov(R0, R3), exit()],
    message: 'test: slot 3: r0 = r3: r3 is not initialised',
  },
  {
    name: 'a number as an address',
    items: [mov(R1, 4096), ldx('dw', R0, R1, 0), exit()],
    message: "test: slot 1: r0 = *(u64 *)(r1 +0): r1 is a number, not a pointer; it can't be dereferenced",
  },
  {
    name: 'a number that was read from a kernel struct',
    hook: 'tp_btf/sched_process_exit',
    items: [ldx('dw', R1, R1, 0), ldxField('dw', R1, R1, 'task_struct.stack'), ldx('b', R2, R1, 0), ...end],
    message: "test: slot 2: r2 = *(u8 *)(r1 +0): r1 is a number, not a pointer; it can't be dereferenced",
  },
  {
    name: 'a map value without a null check',
    items: [...lookUp('counts'), ldx('dw', R1, R0, 0), ...end],
    message: 'test: slot 6: r1 = *(u64 *)(r0 +0): r0 may be null; compare it with 0 first',
  },
  {
    name: 'a map value on the side where it is null',
    items: [...lookUp('counts'), jeq(R0, 0, 'null'), ...end, label('null'), ldx('dw', R1, R0, 0), ...end],
    message: "test: slot 9: r1 = *(u64 *)(r0 +0): r0 is a number, not a pointer; it can't be dereferenced",
  },
  {
    name: 'arithmetic before the null check',
    items: [...lookUp('counts'), add(R0, 8), jeq(R0, 0, 'out'), ldx('dw', R1, R0, 0), label('out'), ...end],
    message: 'test: slot 6: r0 += 8: r0 may be null; compare it with 0 before arithmetic',
  },
  {
    name: 'multiplication of a pointer',
    items: [mov(R2, R10), mul(R2, 2), ...end],
    message: "test: slot 1: r2 *= 2: 'mul' on a pointer; only numbers can be added to it or subtracted",
  },
  {
    name: '32-bit arithmetic on a pointer',
    items: [mov(R2, R10), add32(R2, -8), ...end],
    message: 'test: slot 1: w2 += -8: 32-bit arithmetic on a pointer; use the 64-bit form',
  },
  {
    name: 'the sum of two pointers',
    items: [mov(R2, R10), add(R2, R10), ...end],
    message: "test: slot 1: r2 += r10: 'add' of two pointers; only their difference is a number",
  },
  {
    name: 'a pointer that is moved too far',
    items: [mov(R2, R10), add(R2, 1 << 29), ...end],
    message: 'test: slot 1: r2 += 536870912: moves r2 by 536870912 bytes, out of any object; the limit is 536870912',
  },
  {
    name: 'a result out of range',
    items: [mov(R0, 1), exit()],
    message: 'test: slot 1: exit: r0 is 1 at exit; the program must return 0',
  },
  {
    name: 'a result that may be out of range',
    hook: 'lsm/file_open',
    items: [call(RANDOM), and(R0, 3), exit()],
    message: 'test: slot 2: exit: r0 is 0 to 3 at exit; the program must return -4095 to 0',
  },
  {
    name: 'a pointer as the result',
    items: [mov(R0, R10), exit()],
    message: 'test: slot 1: exit: r0 is a pointer; the program must return 0',
  },
  {
    name: 'a loop without an end',
    items: [label('head'), mov(R2, 1), ja('head')],
    message: 'test: slot 0: r2 = 1: an endless loop: the way leads back here and nothing has changed',
  },
  {
    name: 'a loop that waits for a random number',
    items: [label('head'), call(RANDOM), jne(R0, 7, 'head'), ...end],
    message:
      'test: slot 0: call bpf_get_prandom_u32#7: an endless loop: the way leads back here and nothing has changed',
  },
  {
    name: 'a loop that is too long',
    items: [mov(R1, 0), label('head'), add(R1, 1), jlt(R1, 500_000, 'head'), ...end],
    message:
      'test: slot 2: if r1 < 0x7a120 goto pc-2: explored 1000000 instructions and there are more: a loop has no bound that shows in a comparison, or too many paths differ when they meet',
  },
];

describe('refused with the whole text: registers, arithmetic, results and loops', () => {
  test.each(ROWS)('$name', ({ items, hook, message }) => {
    expect(refusalOf(items, hook).message).toBe(message);
  });
});
