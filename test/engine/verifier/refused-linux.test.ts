import { describe, expect, onTestFinished, test } from 'vitest';
import {
  add,
  and,
  assemble,
  atomicAdd,
  atomicFetchAdd,
  div,
  jgt,
  jlt,
  jset,
  label,
  ldx,
  ldxsx,
  le,
  loadMapValue,
  mov,
  movsx,
  R0,
  R1,
  R2,
  R6,
  R10,
  rsh,
  st,
  stx,
  sub,
} from '../../../engine/isa/index.ts';
import { hookOfSection, relocate } from '../../../engine/object/index.ts';
import { verify } from '../../../engine/verifier/index.ts';
import { createLinuxMap, tryLoad } from '../../../sensors/linux/index.ts';
import { kernelSkip } from '../../support/kernel.ts';
import { BTF, contextFor, end, found, MAPS, noLowerBound, type Refusal, refusalOf } from './programs.ts';

/** What is safe, and what Linux refuses all the same: kernel 6.18 refuses each of these programs too. */
const ROWS: readonly Refusal[] = [
  {
    name: 'a subtraction from the stack pointer',
    items: [mov(R1, R10), sub(R1, 8), st('dw', R1, 0, 1), ...end],
    message:
      'test: slot 1: r1 -= 8: r1 points into the stack, from which Linux subtracts nothing; add a negative number',
  },
  {
    name: 'the difference of a map value and a smaller number',
    items: [...found('cells'), ldx('b', R1, R0, 0), and(R1, 7), add(R0, 16), sub(R0, R1), ldx('b', R2, R0, -9), ...end],
    message:
      'test: slot 13: r2 = *(u8 *)(r0 -9): the offset that was added to r0 may be negative (from -7); add the least first, then a number from 0 on',
  },
  {
    name: 'a quotient as an offset',
    items: [...found('cells'), ldx('b', R1, R0, 0), div(R1, 16), add(R0, R1), ldx('b', R2, R0, 0), ...end],
    message: `test: slot 11: r0 += r1: ${noLowerBound('r0')}`,
  },
  {
    name: 'a shift by a number that varies',
    items: [
      ...found('cells'),
      ldx('b', R1, R0, 0),
      ldx('b', R2, R0, 1),
      and(R2, 3),
      rsh(R1, R2),
      add(R0, R1),
      ldx('b', R2, R0, 0),
      ...end,
    ],
    message: `test: slot 13: r0 += r1: ${noLowerBound('r0')}`,
  },
  {
    name: 'a byte swap as an offset',
    items: [...found('cells'), ldx('b', R1, R0, 0), le(R1, 16), add(R0, R1), ldx('b', R2, R0, 0), ...end],
    message: `test: slot 11: r0 += r1: ${noLowerBound('r0')}`,
  },
  {
    name: 'a sign extension of which the low bits are needed',
    items: [
      ...found('cells'),
      ldx('b', R1, R0, 0),
      and(R1, 0x40),
      add(R1, R1),
      movsx('b', R1, R1),
      jgt(R1, 40, 'out'),
      add(R0, R1),
      ldx('dw', R2, R0, 32),
      label('out'),
      ...end,
    ],
    message:
      'test: slot 15: r2 = *(u64 *)(r0 +32): reads 8 bytes at offsets 32 to 72 of a value of map cells, which has 64 bytes',
  },
  {
    name: 'a lower bound after a jset that is not taken',
    items: [
      ...found('cells'),
      ldx('b', R1, R0, 0),
      and(R1, 31),
      jlt(R1, 9, 'out'),
      jset(R1, 4, 'out'),
      add(R0, R1),
      ldx('b', R2, R0, -9),
      label('out'),
      ...end,
    ],
    message:
      'test: slot 14: r2 = *(u8 *)(r0 -9): reads 1 byte at offsets -9 to 18 of a value of map cells, which has 64 bytes',
  },
  {
    name: 'the high half of a constant on the stack',
    items: [
      ...found('cells'),
      mov(R1, -1),
      stx('dw', R10, -8, R1),
      ldx('w', R1, R10, -4),
      add(R0, R1),
      ldx('b', R2, R0, 1),
      ...end,
    ],
    message:
      'test: slot 13: r2 = *(u8 *)(r0 +1): the offset that was added to r0 has no bound; mask it or compare it with a constant first',
  },
  {
    name: 'half of a pointer on the stack',
    items: [loadMapValue(R6, 'config', 0), stx('w', R10, -8, R6), ...end],
    message:
      "test: slot 2: *(u32 *)(r10 -8) = r6: r6 is a pointer, of which 4 bytes can't be stored on the stack; store all 8",
  },
  {
    name: 'a load of half a pointer from the stack',
    items: [loadMapValue(R6, 'config', 0), stx('dw', R10, -8, R6), ldx('w', R1, R10, -4), ...end],
    message: 'test: slot 3: r1 = *(u32 *)(r10 -4): reads 4 bytes of a pointer on the stack at r10-4; read all 8',
  },
  {
    name: 'an atomic operation on half a pointer',
    items: [loadMapValue(R6, 'config', 0), stx('dw', R10, -8, R6), mov(R1, 1), atomicAdd('w', R10, -8, R1), ...end],
    message: 'test: slot 4: lock *(u32 *)(r10 -8) += r1: reads 4 bytes of a pointer on the stack at r10-8; read all 8',
  },
  {
    name: 'an atomic operation that fetches a pointer as a number',
    items: [
      loadMapValue(R6, 'config', 0),
      stx('dw', R10, -8, R6),
      mov(R1, 1),
      atomicFetchAdd('dw', R10, -8, R1),
      and(R1, 7),
      ...end,
    ],
    message:
      'test: slot 4: r1 = atomic64_fetch_add((u64 *)(r10 -8), r1): fetches the pointer that lies on the stack at r10-8; load it instead',
  },
  {
    name: 'an atomic operation on the stack at an offset that varies',
    items: [
      ...found('cells'),
      ldx('b', R1, R0, 0),
      and(R1, 8),
      st('dw', R10, -8, 0),
      st('dw', R10, -16, 0),
      mov(R2, R10),
      add(R2, -16),
      add(R2, R1),
      atomicAdd('dw', R2, 0, R1),
      ...end,
    ],
    message:
      'test: slot 16: lock *(u64 *)(r2 +0) += r1: an atomic operation on the stack needs a constant offset, not r10-16 to r10-8',
  },
];

describe('refused because Linux does: with the whole text', () => {
  test.each(ROWS)('$name', ({ items, hook, message }) => {
    expect(refusalOf(items, hook).message).toBe(message);
  });
});

const SIGNED_POINTER = assemble([ldxsx('w', R1, R1, 76), ...end]).instructions;

test('a pointer of the context that is loaded with its sign', () => {
  const context = { ...contextFor('raw_tp/sys_enter'), hook: hookOfSection('tc', BTF) };
  expect(() => verify(SIGNED_POINTER, context)).toThrow(
    'test: slot 0: r1 = *(s32 *)(r1 +76): data is a pointer, which has no sign to extend; load it without',
  );
});

describe.skipIf(kernelSkip())('the running kernel', () => {
  test.each(ROWS)('refuses $name', ({ items }) => {
    const maps = new Map(MAPS.map((spec) => [spec.name, createLinuxMap(spec)]));
    onTestFinished(() => {
      for (const map of maps.values()) map.close();
    });
    const program = { name: 'test', hook: 'raw_tp/sys_enter' as const, ...assemble(items) };
    const instructions = relocate(program, (name) => maps.get(name)?.fd, BTF);
    expect(tryLoad({ name: 'test', programType: 'raw_tracepoint', instructions })).toBeLessThan(0);
  });

  test('refuses a pointer of the context that is loaded with its sign', () => {
    expect(tryLoad({ name: 'test', programType: 'sched_cls', instructions: SIGNED_POINTER })).toBeLessThan(0);
  });
});
