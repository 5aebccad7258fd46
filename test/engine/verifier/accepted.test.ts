import { describe, expect, test } from 'vitest';
import {
  add,
  add32,
  and,
  arsh,
  atomicAdd,
  atomicFetchAdd,
  be,
  call,
  callLocal,
  div,
  exit,
  type Item,
  ja,
  jeq,
  jge,
  jgt,
  jle,
  jlt,
  jlt32,
  jne,
  jset,
  jsgt,
  jslt,
  label,
  lddw,
  ldx,
  ldxField,
  ldxsx,
  loadMap,
  loadMapValue,
  lsh,
  mod,
  mov,
  mov32,
  or,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R8,
  R9,
  R10,
  rsh,
  st,
  stx,
  sub,
  xor,
} from '../../../engine/isa/index.ts';
import type { HookName } from '../../../engine/object/index.ts';
import {
  DISCARD,
  end,
  GET_CURRENT_COMM,
  LOOKUP,
  lookUp,
  PROBE_READ_KERNEL,
  PROBE_READ_KERNEL_STR,
  RANDOM,
  RESERVE,
  RINGBUF_OUTPUT,
  reserve,
  SUBMIT,
  TASK_BTF,
  UPDATE,
  verifyItems,
} from './programs.ts';

interface Row {
  readonly name: string;
  readonly items: readonly Item[];
  readonly hook?: HookName;
}

const ROWS: readonly Row[] = [
  { name: 'the shortest program', items: end },
  { name: 'a wide constant', items: [lddw(R1, 0x1234_5678_9abc_def0n), ...end] },
  {
    name: 'a typed pointer from the context, followed without null checks',
    hook: 'tp_btf/sched_process_exit',
    items: [
      ldx('dw', R1, R1, 0),
      ldxField('dw', R1, R1, 'task_struct.real_parent'),
      ldxField('dw', R1, R1, 'task_struct.cred'),
      ldxField('w', R0, R1, 'cred.euid'),
      ...end,
    ],
  },
  {
    name: 'a constant added to a typed pointer',
    hook: 'tp_btf/sched_process_exit',
    items: [ldx('dw', R1, R1, 0), add(R1, 24), ldx('b', R2, R1, 5), ...end],
  },
  {
    name: 'the current task',
    items: [call(TASK_BTF), ldxField('w', R1, R0, 'task_struct.tgid'), ...end],
  },
  {
    name: 'a scalar slot of a raw tracepoint in halves',
    hook: 'raw_tp/sys_enter',
    items: [ldx('w', R2, R1, 8), ldx('w', R3, R1, 12), ...end],
  },
  {
    name: 'a map value after a null check',
    items: [...lookUp('counts'), jeq(R0, 0, 'out'), ldx('dw', R1, R0, 8), label('out'), ...end],
  },
  {
    name: 'a null check of a copy that was saved on the stack',
    items: [
      ...lookUp('counts'),
      stx('dw', R10, -16, R0),
      mov(R6, R0),
      jeq(R6, 0, 'out'),
      ldx('dw', R1, R10, -16),
      ldx('dw', R2, R1, 0),
      label('out'),
      ...end,
    ],
  },
  {
    name: 'a map value at a masked offset',
    items: [
      ...lookUp('cells'),
      jne(R0, 0, 'ok'),
      ...end,
      label('ok'),
      ldx('dw', R1, R0, 0),
      and(R1, 0x38),
      add(R0, R1),
      ldx('dw', R2, R0, 0),
      ...end,
    ],
  },
  {
    name: 'a map value at an offset that a comparison bounds',
    items: [
      ...lookUp('cells'),
      jne(R0, 0, 'ok'),
      ...end,
      label('ok'),
      ldx('w', R1, R0, 0),
      jgt(R1, 63, 'out'),
      add(R0, R1),
      stx('b', R0, 0, R1),
      label('out'),
      ...end,
    ],
  },
  {
    name: 'a bound from both signed comparisons',
    items: [
      ...lookUp('cells'),
      jne(R0, 0, 'ok'),
      ...end,
      label('ok'),
      ldx('dw', R1, R0, 0),
      jsgt(R1, 60, 'out'),
      jslt(R1, 0, 'out'),
      add(R0, R1),
      ldx('w', R2, R0, 0),
      label('out'),
      ...end,
    ],
  },
  {
    name: 'a bound that a copy was compared with',
    items: [
      ...lookUp('cells'),
      jne(R0, 0, 'ok'),
      ...end,
      label('ok'),
      ldx('dw', R1, R0, 0),
      mov(R2, R1),
      jge(R2, 64, 'out'),
      add(R0, R1),
      ldx('b', R2, R0, 0),
      label('out'),
      ...end,
    ],
  },
  {
    name: 'a bound in a register that is itself bounded',
    items: [
      ...lookUp('cells'),
      jne(R0, 0, 'ok'),
      ...end,
      label('ok'),
      ldx('b', R1, R0, 0),
      ldx('b', R2, R0, 1),
      and(R2, 31),
      jgt(R1, R2, 'out'),
      add(R0, R1),
      ldx('dw', R3, R0, 8),
      label('out'),
      ...end,
    ],
  },
  {
    name: 'a 32-bit comparison bounds what 32-bit arithmetic made',
    items: [
      ...lookUp('cells'),
      jne(R0, 0, 'ok'),
      ...end,
      label('ok'),
      ldx('dw', R1, R0, 0),
      mov32(R1, R1),
      add32(R1, 4),
      jlt32(R1, 57, 'in'),
      ...end,
      label('in'),
      add(R0, R1),
      ldx('dw', R2, R0, 0),
      ...end,
    ],
  },
  {
    name: 'jset that is not taken bounds',
    items: [
      ...lookUp('cells'),
      jne(R0, 0, 'ok'),
      ...end,
      label('ok'),
      ldx('w', R1, R0, 0),
      jset(R1, 0xffffffc0 | 0, 'out'),
      add(R0, R1),
      ldx('b', R2, R0, 0),
      label('out'),
      ...end,
    ],
  },
  {
    name: 'the difference of a map value and a smaller number',
    items: [
      ...lookUp('cells'),
      jne(R0, 0, 'ok'),
      ...end,
      label('ok'),
      ldx('b', R1, R0, 0),
      and(R1, 7),
      add(R0, 16),
      sub(R0, R1),
      ldx('b', R2, R0, -9),
      ...end,
    ],
  },
  {
    name: 'the only value of an array by its address',
    items: [loadMapValue(R1, 'config', 8), ldx('dw', R2, R1, 16), st('w', R1, -8, 1), ...end],
  },
  {
    name: 'a spilled number keeps its bounds',
    items: [
      loadMapValue(R6, 'config', 0),
      ldx('b', R1, R6, 0),
      and(R1, 7),
      stx('dw', R10, -8, R1),
      mov(R1, 0),
      ldx('dw', R2, R10, -8),
      add(R6, R2),
      ldx('dw', R3, R6, 16),
      ...end,
    ],
  },
  {
    name: 'a part of a constant on the stack',
    items: [
      loadMapValue(R6, 'config', 0),
      lddw(R1, 0x0a00_0000_0009n),
      stx('dw', R10, -8, R1),
      ldx('w', R2, R10, -8),
      ldx('h', R3, R10, -4),
      sub(R3, 0x0a00 - 10),
      add(R2, R3),
      mod(R2, 24),
      add(R6, R2),
      ldx('dw', R3, R6, 0),
      ...end,
    ],
  },
  {
    name: 'the stack at a masked offset',
    items: [
      st('dw', R10, -16, 0),
      st('dw', R10, -8, 0),
      loadMapValue(R1, 'config', 0),
      ldx('b', R1, R1, 0),
      and(R1, 8),
      mov(R2, R10),
      add(R2, R1),
      stx('dw', R2, -16, R1),
      ldx('dw', R3, R2, -16),
      ...end,
    ],
  },
  {
    name: 'atomic addition to a map value and to the stack',
    items: [
      loadMapValue(R6, 'config', 0),
      mov(R1, 1),
      atomicAdd('dw', R6, 8, R1),
      st('w', R10, -4, 7),
      atomicFetchAdd('w', R10, -4, R1),
      ldx('w', R2, R10, -4),
      ...end,
    ],
  },
  {
    name: 'a comparison with a bound in a loop over a constant number of rounds',
    items: [
      loadMapValue(R6, 'config', 0),
      mov(R1, 0),
      mov(R2, 0),
      label('head'),
      ldx('b', R3, R6, 0),
      add(R2, R3),
      add(R6, 1),
      add(R1, 1),
      jlt(R1, 32, 'head'),
      ...end,
    ],
  },
  {
    name: 'a loop whose bound comes from a map but is limited',
    items: [
      loadMapValue(R6, 'config', 0),
      ldx('dw', R2, R6, 0),
      and(R2, 15),
      mov(R1, 0),
      label('head'),
      jge(R1, R2, 'out'),
      mov(R3, R6),
      add(R3, R1),
      ldx('b', R4, R3, 0),
      add(R1, 1),
      ja('head'),
      label('out'),
      ...end,
    ],
  },
  {
    name: 'probe_read_kernel with a bounded size into initialised stack',
    items: [
      st('dw', R10, -16, 0),
      st('dw', R10, -8, 0),
      call(RANDOM),
      mov(R2, R0),
      and(R2, 15),
      mov(R1, R10),
      add(R1, -16),
      mov(R3, 0),
      call(PROBE_READ_KERNEL),
      ...end,
    ],
  },
  {
    name: 'probe_read_kernel of a constant size into stack that was never written',
    items: [
      mov(R1, R10),
      add(R1, -8),
      mov(R2, 8),
      mov(R3, R10),
      call(PROBE_READ_KERNEL),
      ldx('dw', R1, R10, -8),
      ...end,
    ],
  },
  {
    name: 'the length that probe_read_kernel_str returned as an offset',
    items: [
      loadMapValue(R6, 'config', 0),
      mov(R1, R6),
      mov(R2, 16),
      mov(R3, 0),
      call(PROBE_READ_KERNEL_STR),
      jsgt(R0, 0, 'read'),
      ...end,
      label('read'),
      add(R6, R0),
      ldx('b', R1, R6, 15),
      ...end,
    ],
  },
  {
    name: 'get_current_comm into a map value, map_update from the stack',
    items: [
      loadMapValue(R1, 'config', 16),
      mov(R2, 16),
      call(GET_CURRENT_COMM),
      st('w', R10, -4, 1),
      st('dw', R10, -16, 1),
      st('dw', R10, -24, 1),
      loadMap(R1, 'counts'),
      mov(R2, R10),
      add(R2, -4),
      mov(R3, R10),
      add(R3, -24),
      mov(R4, 0),
      call(UPDATE),
      ...end,
    ],
  },
  {
    name: 'a ring buffer record, filled in and submitted',
    items: [
      ...reserve(24),
      jeq(R0, 0, 'full'),
      st('dw', R0, 16, 1),
      mov(R1, R0),
      mov(R2, 0),
      call(SUBMIT),
      label('full'),
      ...end,
    ],
  },
  {
    name: 'a ring buffer record, discarded on one path and submitted on the other',
    items: [
      ...reserve(8),
      jne(R0, 0, 'got'),
      ...end,
      label('got'),
      mov(R6, R0),
      call(RANDOM),
      mov(R1, R6),
      mov(R2, 0),
      jeq(R0, 7, 'bad'),
      call(SUBMIT),
      ...end,
      label('bad'),
      call(DISCARD),
      ...end,
    ],
  },
  {
    name: 'ringbuf_output from the stack',
    items: [
      st('dw', R10, -8, 1),
      loadMap(R1, 'events'),
      mov(R2, R10),
      add(R2, -8),
      mov(R3, 8),
      mov(R4, 0),
      call(RINGBUF_OUTPUT),
      ...end,
    ],
  },
  {
    name: 'a function that gets a pointer into the stack and writes through it',
    items: [
      mov(R1, R10),
      add(R1, -8),
      mov(R2, 5),
      mov(R6, 3),
      st('dw', R10, -8, 0),
      callLocal('fill'),
      ldx('dw', R1, R10, -8),
      add(R6, R0),
      ...end,
      label('fill'),
      stx('dw', R1, 0, R2),
      mov(R0, 1),
      exit(),
    ],
  },
  {
    name: 'eight functions deep',
    items: [
      callLocal('f1'),
      ...end,
      ...[1, 2, 3, 4, 5, 6].flatMap((n) => [label(`f${n}`), callLocal(`f${n + 1}`), mov(R0, 0), exit()]),
      label('f7'),
      ...end,
    ],
  },
  {
    name: 'r6 to r9 survive a call',
    items: [mov(R6, 1), mov(R7, 2), mov(R8, 3), mov(R9, 4), call(RANDOM), add(R6, R7), add(R8, R9), ...end],
  },
  {
    name: 'pointers compared with each other and leaked into a map',
    items: [
      loadMapValue(R6, 'config', 0),
      mov(R2, R10),
      jgt(R2, R6, 'out'),
      stx('dw', R6, 0, R10),
      label('out'),
      ...end,
    ],
  },
  {
    name: 'the difference of two pointers is a number',
    items: [mov(R2, R10), sub(R2, R10), stx('dw', R10, -8, R2), ...end],
  },
  {
    name: 'a denial of an LSM hook',
    hook: 'lsm/file_open',
    items: [mov(R0, -1), exit()],
  },
  {
    name: 'one of two allowed results',
    hook: 'lsm/file_open',
    items: [call(RANDOM), and(R0, 1), mov(R1, 0), sub(R1, R0), mov(R0, R1), exit()],
  },
  {
    name: 'a division by a register that may be 0',
    items: [call(RANDOM), mov(R1, 8), div(R1, R0), mod(R1, R0), ...end],
  },
  {
    name: 'byte order, sign extension, shifts by a register',
    items: [
      st('dw', R10, -8, -5),
      ldxsx('w', R1, R10, -8),
      be(R1, 16),
      call(RANDOM),
      mov(R2, 1),
      lsh(R2, R0),
      arsh(R2, R0),
      rsh(R2, R0),
      or(R2, 1),
      xor(R2, R2),
      ...end,
    ],
  },
  {
    name: 'code that a constant condition never reaches',
    items: [mov(R1, 1), jeq(R1, 1, 'out'), ldx('dw', R2, R5, 0), label('out'), ...end],
  },
  {
    name: 'a bound by r <= constant, twice',
    items: [
      loadMapValue(R6, 'config', 0),
      ldx('dw', R1, R6, 0),
      jle(R1, 100, 'small'),
      ...end,
      label('small'),
      jle(R1, 31, 'smaller'),
      ...end,
      label('smaller'),
      add(R6, R1),
      ldx('b', R2, R6, 0),
      ...end,
    ],
  },
];

describe('programs that are safe', () => {
  test.each(ROWS)('$name', ({ items, hook }) => {
    expect(verifyItems(items, hook).explored).toBeGreaterThan(0);
  });
});

test('each helper that the rows call is the one meant', () => {
  expect([LOOKUP, UPDATE, RESERVE]).toEqual([1, 2, 131]);
});

test('loads through kernel pointers are marked, others are not', () => {
  const { probeReads } = verifyItems(
    [
      ldx('dw', R1, R1, 0),
      ldxField('dw', R2, R1, 'task_struct.cred'),
      stx('dw', R10, -8, R2),
      ldx('dw', R3, R10, -8),
      ldxField('w', R4, R3, 'cred.uid'),
      ...end,
    ],
    'tp_btf/sched_process_exit',
  );
  expect([...probeReads]).toEqual([1, 4]);
});

test('stack depth is that of the deepest chain of calls, in units of 32 bytes', () => {
  const one = verifyItems([st('b', R10, -33, 0), ...end]);
  expect(one.stackDepth).toBe(33);
  const two = verifyItems([
    st('dw', R10, -8, 0),
    callLocal('f'),
    ...end,
    label('f'),
    st('dw', R10, -40, 0),
    mov(R0, 0),
    exit(),
  ]);
  expect(two.stackDepth).toBe(32 + 64);
});

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
