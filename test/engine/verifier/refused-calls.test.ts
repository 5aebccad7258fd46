import { describe, expect, test } from 'vitest';
import {
  add,
  and,
  call,
  callLocal,
  exit,
  ja,
  jeq,
  jlt,
  label,
  ldx,
  ldxField,
  loadMap,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R10,
  st,
  stx,
} from '../../../engine/isa/index.ts';
import {
  DISCARD,
  end,
  LOOKUP,
  LSM_ONLY,
  lookUp,
  PROBE_READ_KERNEL,
  RESERVE,
  type Refusal,
  RINGBUF_OUTPUT,
  refusalOf,
  reserve,
  STRNCMP,
  SUBMIT,
  UPDATE,
} from './programs.ts';

const ROWS: readonly Refusal[] = [
  {
    name: 'a helper that does not exist',
    items: [call(9999), ...end],
    message: 'test: slot 0: call unknown#9999: there is no helper number 9999',
  },
  {
    name: 'a helper of another program type',
    items: [call(LSM_ONLY), ...end],
    message:
      'test: slot 0: call bpf_bprm_opts_set#900: bpf_bprm_opts_set may not be called by a program of type tracing',
  },
  {
    name: 'a key in stack that was never written',
    items: [loadMap(R1, 'counts'), mov(R2, R10), add(R2, -4), call(LOOKUP), ...end],
    message:
      'test: slot 4: call bpf_map_lookup_elem#1: bpf_map_lookup_elem: reads the stack at r10-4, which was never written',
  },
  {
    name: 'a value that is smaller than the map wants',
    items: [
      st('w', R10, -4, 0),
      loadMap(R1, 'counts'),
      mov(R2, R10),
      add(R2, -4),
      mov(R3, R2),
      mov(R4, 0),
      call(UPDATE),
      ...end,
    ],
    message:
      'test: slot 7: call bpf_map_update_elem#2: bpf_map_update_elem: reads 16 bytes at r10-4; the stack is r10-512 to r10-1',
  },
  {
    name: 'a lookup in a ring buffer',
    items: [...lookUp('events'), ...end],
    message:
      'test: slot 5: call bpf_map_lookup_elem#1: bpf_map_lookup_elem: r1 must be a map with keys; events is of type ringbuf',
  },
  {
    name: 'a record from a hash map',
    items: [loadMap(R1, 'counts'), mov(R2, 8), mov(R3, 0), call(RESERVE), ...end],
    message:
      'test: slot 4: call bpf_ringbuf_reserve#131: bpf_ringbuf_reserve: r1 must be a ring buffer map; counts is of type hash',
  },
  {
    name: 'a number where a map is wanted',
    items: [mov(R1, 3), mov(R2, R10), call(LOOKUP), ...end],
    message: 'test: slot 2: call bpf_map_lookup_elem#1: bpf_map_lookup_elem: r1 must be a map with keys',
  },
  {
    name: 'a size without a bound',
    items: [
      ldx('dw', R2, R1, 8),
      jlt(R2, 1, 'out'),
      loadMapValue(R1, 'config', 0),
      mov(R3, 0),
      call(PROBE_READ_KERNEL),
      label('out'),
      ...end,
    ],
    message:
      'test: slot 5: call bpf_probe_read_kernel#113: bpf_probe_read_kernel: r2 may be negative (from -9223372036854775808) but is a size; mask it or compare it first',
  },
  {
    name: 'a size that is too large for the memory',
    items: [
      ldx('dw', R2, R1, 8),
      and(R2, 63),
      loadMapValue(R1, 'config', 0),
      mov(R3, 0),
      call(PROBE_READ_KERNEL),
      ...end,
    ],
    message:
      'test: slot 5: call bpf_probe_read_kernel#113: bpf_probe_read_kernel: writes 63 bytes at offset 0 of a value of map config, which has 32 bytes',
  },
  {
    name: 'a size that varies, into stack that was never written',
    items: [ldx('dw', R2, R1, 8), and(R2, 7), mov(R1, R10), add(R1, -8), mov(R3, 0), call(PROBE_READ_KERNEL), ...end],
    message:
      'test: slot 5: call bpf_probe_read_kernel#113: bpf_probe_read_kernel: reads the stack at r10-8, which was never written',
  },
  {
    name: 'memory through a kernel pointer that may be stale',
    hook: 'tp_btf/sched_process_exit',
    items: [
      ldx('dw', R6, R1, 0),
      ldxField('dw', R2, R6, 'task_struct.cred'),
      loadMap(R1, 'events'),
      mov(R3, 4),
      mov(R4, 0),
      call(RINGBUF_OUTPUT),
      ...end,
    ],
    message:
      'test: slot 6: call bpf_ringbuf_output#130: bpf_ringbuf_output: r2 is a kernel pointer that may be stale; copy from it with bpf_probe_read_kernel',
  },
  {
    name: 'a record that is never submitted',
    items: [...reserve(16), jeq(R0, 0, 'full'), st('dw', R0, 0, 1), label('full'), ...end],
    message:
      'test: slot 8: exit: the ring buffer record reserved at slot 4 is neither submitted nor discarded on this path',
  },
  {
    name: 'a record that is submitted without a null check',
    items: [...reserve(16), mov(R1, R0), mov(R2, 0), call(SUBMIT), ...end],
    message: 'test: slot 7: call bpf_ringbuf_submit#132: bpf_ringbuf_submit: r1 may be null; compare it with 0 first',
  },
  {
    name: 'a record after it was submitted',
    items: [
      ...reserve(16),
      jeq(R0, 0, 'full'),
      mov(R6, R0),
      mov(R1, R0),
      mov(R2, 0),
      call(SUBMIT),
      st('dw', R6, 0, 1),
      label('full'),
      ...end,
    ],
    message: "test: slot 10: *(u64 *)(r6 +0) = 1: r6 is a number, not a pointer; it can't be dereferenced",
  },
  {
    name: 'a record that is discarded twice',
    items: [
      ...reserve(16),
      jeq(R0, 0, 'full'),
      mov(R6, R0),
      mov(R1, R0),
      mov(R2, 0),
      call(DISCARD),
      mov(R1, R6),
      mov(R2, 0),
      call(DISCARD),
      label('full'),
      ...end,
    ],
    message:
      "test: slot 12: call bpf_ringbuf_discard#133: bpf_ringbuf_discard: r1 is a number, not a pointer; it can't be dereferenced",
  },
  {
    name: 'a record that is submitted from its middle',
    items: [
      ...reserve(16),
      jeq(R0, 0, 'full'),
      mov(R1, R0),
      add(R1, 8),
      mov(R2, 0),
      call(SUBMIT),
      label('full'),
      ...end,
    ],
    message:
      'test: slot 9: call bpf_ringbuf_submit#132: bpf_ringbuf_submit: r1 must point to the start of the record; it was moved',
  },
  {
    name: 'a map value as a record',
    items: [loadMapValue(R1, 'config', 0), mov(R2, 0), call(SUBMIT), ...end],
    message:
      'test: slot 3: call bpf_ringbuf_submit#132: bpf_ringbuf_submit: r1 is a value of map config, it must be what bpf_ringbuf_reserve returned',
  },
  {
    name: 'a size of a record that is not constant',
    items: [ldx('dw', R2, R1, 8), and(R2, 15), loadMap(R1, 'events'), mov(R3, 0), call(RESERVE), ...end],
    message: 'test: slot 5: call bpf_ringbuf_reserve#131: bpf_ringbuf_reserve: r2 must be a constant size',
  },
  {
    name: 'behind a record',
    items: [...reserve(16), jeq(R0, 0, 'full'), st('dw', R0, 16, 1), label('full'), ...end],
    message:
      'test: slot 6: *(u64 *)(r0 +16) = 1: writes 8 bytes at offset 16 of a ring buffer record, which has 16 bytes',
  },
  {
    name: 'a string without its end',
    items: [loadMapValue(R1, 'config', 0), mov(R2, 8), loadMapValue(R3, 'strings', 3), call(STRNCMP), ...end],
    message:
      'test: slot 5: call bpf_strncmp#182: bpf_strncmp: r3 must be a string that ends with a NUL byte inside the value of strings',
  },
  {
    name: 'a string that programs may write to',
    items: [loadMapValue(R1, 'config', 0), mov(R2, 8), mov(R3, R1), call(STRNCMP), ...end],
    message:
      'test: slot 4: call bpf_strncmp#182: bpf_strncmp: r3 must be a string in a read-only map; programs may write to config',
  },
  {
    name: 'a pointer into the own stack that a function returns',
    items: [callLocal('f'), ...end, label('f'), mov(R0, R10), exit()],
    message: 'test: slot 4: exit: r0 points into the stack; a function may not return it',
  },
  {
    name: 'a pointer into the own stack that a function leaves behind',
    items: [
      mov(R1, R10),
      add(R1, -8),
      st('dw', R10, -8, 0),
      callLocal('f'),
      ...end,
      label('f'),
      stx('dw', R1, 0, R10),
      ...end,
    ],
    message:
      "test: slot 6: *(u64 *)(r1 +0) = r10: r10 points into the stack and can't be stored in the frame of a calling function",
  },
  {
    name: 'a number that a function left in the stack of its caller, on the second of two ways',
    items: [
      ldx('dw', R2, R1, 8),
      st('dw', R10, -8, 0),
      mov(R1, R10),
      add(R1, -8),
      callLocal('f'),
      loadMapValue(R6, 'config', 0),
      ldx('dw', R1, R10, -8),
      add(R6, R1),
      ldx('b', R0, R6, 0),
      ...end,
      label('f'),
      mov(R3, 1),
      mov(R4, 2),
      mov(R6, 3),
      mov(R7, 4),
      jeq(R2, 7, 'far'),
      mov(R4, 31),
      ja('write'),
      label('far'),
      mov(R4, 32),
      label('write'),
      add(R6, R7),
      stx('dw', R1, 0, R4),
      ...end,
    ],
    message:
      'test: slot 9: r0 = *(u8 *)(r6 +0): reads 1 byte at offset 32 of a value of map config, which has 32 bytes',
  },
  {
    name: 'too much stack in a chain of calls',
    items: [st('dw', R10, -256, 0), callLocal('f'), ...end, label('f'), st('dw', R10, -264, 0), ...end],
    message: 'test: slot 1: call pc+2: the stacks of this chain of calls take 528 bytes, at most 512 are allowed',
  },
  {
    name: 'a function that calls itself',
    items: [callLocal('f'), ...end, label('f'), callLocal('f'), ...end],
    message: 'test: slot 3: call pc-1: the function at slot 3 calls itself',
  },
  {
    name: 'nine functions deep',
    items: [
      callLocal('f1'),
      ...end,
      ...[1, 2, 3, 4, 5, 6, 7].flatMap((n) => [label(`f${n}`), callLocal(`f${n + 1}`), ...end]),
      label('f8'),
      ...end,
    ],
    message: 'test: slot 0: call pc+2: calls nest deeper than 8 functions',
  },
];

describe('refused with the whole text: helpers and functions', () => {
  test.each(ROWS)('$name', ({ items, hook, message }) => {
    expect(refusalOf(items, hook).message).toBe(message);
  });
});
