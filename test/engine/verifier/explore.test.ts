import { describe, expect, test } from 'vitest';
import {
  add,
  type Item,
  jeq,
  jgt,
  jlt,
  jne,
  label,
  ldx,
  loadMapValue,
  mov,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  stx,
} from '../../../engine/isa/index.ts';
import { end, verifyItems } from './programs.ts';

describe('what has been explored is not explored again', () => {
  test('ways that meet with the same state', () => {
    const diamond = (n: number): Item[] => [
      ldx('b', R1, R6, n % 32),
      mov(R2, 1),
      jeq(R1, n, `set${n}`),
      ldx('b', R1, R6, (n + 1) % 32),
      jgt(R1, n, `set${n}`),
      mov(R2, 0),
      label(`set${n}`),
      stx('b', R6, 8, R2),
    ];
    const { explored } = verifyItems([
      loadMapValue(R6, 'config', 0),
      ...Array.from({ length: 500 }, (_, n) => diamond(n)).flat(),
      ...end,
    ]);
    expect(explored).toBeLessThan(500 * 8 * 2.5);
  });

  test('a counter that nothing depends on', () => {
    const { explored } = verifyItems([
      loadMapValue(R6, 'config', 0),
      mov(R7, 0),
      ...Array.from({ length: 40 }, (_, n) => [
        ldx('b', R1, R6, n % 32),
        ldx('b', R2, R6, 0),
        ldx('b', R3, R6, 1),
        ldx('b', R4, R6, 2),
        jeq(R1, 9, `skip${n}`),
        add(R7, 1),
        label(`skip${n}`),
        mov(R5, R1),
        jne(R5, R2, `next${n}`),
        add(R7, 3),
        label(`next${n}`),
      ]).flat(),
      stx('dw', R6, 0, R7),
      ...end,
    ]);
    expect(explored).toBeLessThan(40 * 10 * 4);
  });

  test('a loop of 100,000 rounds is followed to its end', () => {
    const { explored } = verifyItems([mov(R1, 0), label('head'), add(R1, 1), jlt(R1, 100_000, 'head'), ...end]);
    expect(explored).toBe(1 + 2 * 100_000 + 2);
  });
});
