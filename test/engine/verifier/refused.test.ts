import { describe, expect, test } from 'vitest';
import {
  add,
  add32,
  and,
  atomicAdd,
  call,
  callLocal,
  callx,
  exit,
  type Instruction,
  type Item,
  ja,
  jeq,
  jge,
  jgt,
  jlt,
  jne,
  label,
  ldx,
  ldxField,
  loadMap,
  loadMapValue,
  lsh,
  mov,
  mov32,
  mul,
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
  sub,
} from '../../../engine/isa/index.ts';
import type { HookName } from '../../../engine/object/index.ts';
import { VerifierError, verify } from '../../../engine/verifier/index.ts';
import {
  contextFor,
  DISCARD,
  end,
  handleOf,
  LOOKUP,
  LSM_ONLY,
  lookUp,
  PROBE_READ_KERNEL,
  RANDOM,
  RESERVE,
  RINGBUF_OUTPUT,
  refusalOf,
  reserve,
  STRNCMP,
  SUBMIT,
  UPDATE,
  verifyItems,
} from './programs.ts';

interface Row {
  readonly name: string;
  readonly items: readonly Item[];
  readonly hook?: HookName;
  readonly message: string;
}

/** A map value in r0, or the end of the program. */
const value = (map: string): Item[] => [...lookUp(map), jne(R0, 0, 'found'), ...end, label('found')];

const noBound = (register: string): string =>
  `the offset that was added to ${register} has no bound; mask it or compare it with a constant first`;

/** Instructions enough that the verifier remembers a state where ways meet after them. */
const PADDING: readonly Item[] = [mov(R4, 0), ...Array.from({ length: 7 }, () => add(R4, 1))];

const ROWS: readonly Row[] = [
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
    name: 'behind a map value',
    items: [...value('counts'), ldx('dw', R1, R0, 9), ...end],
    message:
      'test: slot 9: r1 = *(u64 *)(r0 +9): reads 8 bytes at offset 9 of a value of map counts, which has 16 bytes',
  },
  {
    name: 'before a map value',
    items: [...value('counts'), st('w', R0, -4, 1), ...end],
    message:
      'test: slot 9: *(u32 *)(r0 -4) = 1: writes 4 bytes at offset -4 of a value of map counts, which has 16 bytes',
  },
  {
    name: 'an offset with a bound that is one too large',
    items: [
      ...value('cells'),
      ldx('b', R1, R0, 0),
      jgt(R1, 57, 'out'),
      add(R0, R1),
      ldx('dw', R1, R0, 0),
      label('out'),
      ...end,
    ],
    message:
      'test: slot 12: r1 = *(u64 *)(r0 +0): reads 8 bytes at offsets 0 to 57 of a value of map cells, which has 64 bytes',
  },
  {
    name: 'an offset without a bound',
    items: [...value('cells'), ldx('dw', R1, R0, 0), add(R0, R1), ldx('b', R1, R0, 0), ...end],
    message:
      'test: slot 11: r1 = *(u8 *)(r0 +0): the offset that was added to r0 has no bound; mask it or compare it with a constant first',
  },
  {
    name: 'an offset when another number was compared, with copies of both',
    items: [
      ...value('cells'),
      ldx('dw', R1, R0, 0),
      ldx('dw', R3, R0, 8),
      mov(R2, R1),
      mov(R4, R3),
      jgt(R2, 31, 'out'),
      add(R0, R4),
      ldx('b', R1, R0, 0),
      label('out'),
      ...end,
    ],
    message: `test: slot 15: r1 = *(u8 *)(r0 +0): ${noBound('r0')}`,
  },
  {
    name: 'an offset of which only the low half was compared',
    items: [
      ...value('cells'),
      ldx('dw', R1, R0, 0),
      mov(R2, R1),
      mov32(R3, R1),
      jgt(R3, 31, 'out'),
      add(R0, R1),
      ldx('b', R1, R0, 0),
      label('out'),
      ...end,
    ],
    message: `test: slot 14: r1 = *(u8 *)(r0 +0): ${noBound('r0')}`,
  },
  {
    name: 'an offset whose copy was compared, where on the second of two ways it is no copy',
    items: [
      ...value('cells'),
      mov(R6, R0),
      call(RANDOM),
      ldx('dw', R1, R6, 0),
      ldx('dw', R2, R6, 8),
      ...PADDING,
      jeq(R0, 7, 'other'),
      mov(R2, R1),
      label('other'),
      jgt(R2, 31, 'out'),
      add(R6, R1),
      ldx('b', R1, R6, 0),
      label('out'),
      ...end,
    ],
    message: `test: slot 25: r1 = *(u8 *)(r6 +0): ${noBound('r6')}`,
  },
  {
    name: 'an offset that waited on the stack, on the second of two ways',
    items: [
      ...value('cells'),
      mov(R6, R0),
      call(RANDOM),
      st('dw', R10, -16, 64),
      ...PADDING,
      jeq(R0, 7, 'other'),
      st('dw', R10, -16, 3),
      label('other'),
      ldx('dw', R1, R10, -16),
      add(R6, R1),
      ldx('b', R1, R6, 0),
      ...end,
    ],
    message:
      'test: slot 24: r1 = *(u8 *)(r6 +0): reads 1 bytes at offset 64 of a value of map cells, which has 64 bytes',
  },
  {
    name: 'an offset that was stored through a copy of the frame pointer, on the second of two ways',
    items: [
      ...value('cells'),
      mov(R6, R0),
      call(RANDOM),
      mov(R7, R10),
      mov(R2, 64),
      ...PADDING,
      jeq(R0, 7, 'other'),
      mov(R2, 3),
      label('other'),
      mov(R4, 0),
      stx('dw', R7, -16, R2),
      ldx('dw', R1, R10, -16),
      add(R6, R1),
      ldx('b', R1, R6, 0),
      ...end,
    ],
    message:
      'test: slot 27: r1 = *(u8 *)(r6 +0): reads 1 bytes at offset 64 of a value of map cells, which has 64 bytes',
  },
  {
    name: 'a number on the stack that a store at a varying offset may have replaced',
    items: [
      loadMapValue(R6, 'config', 0),
      st('dw', R10, -16, 3),
      st('dw', R10, -8, 3),
      ldx('dw', R3, R6, 0),
      mov(R1, R3),
      and(R1, 8),
      mov(R2, R10),
      add(R2, R1),
      stx('dw', R2, -16, R3),
      ldx('dw', R1, R10, -8),
      add(R6, R1),
      ldx('b', R1, R6, 0),
      ...end,
    ],
    message: `test: slot 12: r1 = *(u8 *)(r6 +0): ${noBound('r6')}`,
  },
  {
    name: 'a number on the stack after an atomic operation on it',
    items: [
      loadMapValue(R6, 'config', 0),
      st('dw', R10, -8, 3),
      ldx('dw', R3, R6, 0),
      atomicAdd('dw', R10, -8, R3),
      ldx('dw', R1, R10, -8),
      add(R6, R1),
      ldx('b', R1, R6, 0),
      ...end,
    ],
    message: `test: slot 7: r1 = *(u8 *)(r6 +0): ${noBound('r6')}`,
  },
  {
    name: 'an atomic operation on stack that was never written',
    items: [mov(R3, 1), atomicAdd('dw', R10, -8, R3), ...end],
    message: 'test: slot 1: lock *(u64 *)(r10 -8) += r3: reads the stack at r10-8, which was never written',
  },
  {
    name: 'a number on the stack of which a helper may have written a part',
    items: [
      ...value('cells'),
      mov(R6, R0),
      st('dw', R10, -16, 3),
      mov(R1, R10),
      add(R1, -12),
      mov(R2, 2),
      mov(R3, 0),
      call(PROBE_READ_KERNEL),
      ldx('w', R1, R10, -16),
      add(R6, R1),
      ldx('w', R1, R10, -12),
      add(R6, R1),
      ldx('b', R1, R6, 0),
      ...end,
    ],
    message: `test: slot 20: r1 = *(u8 *)(r6 +0): ${noBound('r6')}`,
  },
  {
    name: 'a signed comparison leaves negative offsets',
    items: [
      ...value('cells'),
      ldx('w', R1, R0, 0),
      sub(R1, 8),
      jge(R1, 32, 'more'),
      ja('use'),
      label('more'),
      and(R1, 15),
      sub(R1, 1),
      label('use'),
      add(R0, R1),
      ldx('b', R1, R0, 0),
      ...end,
    ],
    message:
      'test: slot 16: r1 = *(u8 *)(r0 +0): reads 1 bytes at offsets -1 to 14 of a value of map cells, which has 64 bytes',
  },
  {
    name: 'writing to a map that is read only',
    items: [loadMapValue(R1, 'strings', 0), st('b', R1, 0, 1), ...end],
    message: 'test: slot 2: *(u8 *)(r1 +0) = 1: the map strings is read only for programs',
  },
  {
    name: 'the address inside a map with several entries',
    items: [loadMapValue(R1, 'cells', 0), ...end],
    message:
      'test: slot 0: r1 = map[cells][0]+0: the address of a value needs an array with one entry; cells is array with 4',
  },
  {
    name: 'the address behind a map value',
    items: [loadMapValue(R1, 'config', 32), ...end],
    message:
      'test: slot 0: r1 = map[config][0]+32: offset 32 lies outside of a value of map config, which has 32 bytes',
  },
  {
    name: 'reading a map as memory',
    items: [loadMap(R1, 'cells'), ldx('dw', R0, R1, 0), exit()],
    message: 'test: slot 2: r0 = *(u64 *)(r1 +0): r1 is the map cells; look up a value to read from it',
  },
  {
    name: 'arithmetic on a map',
    items: [loadMap(R1, 'cells'), add(R1, 8), ...end],
    message: 'test: slot 2: r1 += 8: arithmetic on the map cells; look up a value first',
  },
  {
    name: 'stack that was never written',
    items: [st('w', R10, -8, 1), ldx('dw', R0, R10, -8), exit()],
    message: 'test: slot 1: r0 = *(u64 *)(r10 -8): reads the stack at r10-4, which was never written',
  },
  {
    name: 'below the stack',
    items: [st('dw', R10, -520, 0), ...end],
    message: 'test: slot 0: *(u64 *)(r10 -520) = 0: writes 8 bytes at r10-520; the stack is r10-512 to r10-1',
  },
  {
    name: 'above the stack',
    items: [ldx('b', R0, R10, 0), exit()],
    message: 'test: slot 0: r0 = *(u8 *)(r10 +0): reads 1 bytes at r10+0; the stack is r10-512 to r10-1',
  },
  {
    name: 'stack that is not aligned',
    items: [st('dw', R10, -12, 0), ...end],
    message: 'test: slot 0: *(u64 *)(r10 -12) = 0: a stack access must be aligned to its size of 8 bytes',
  },
  {
    name: 'behind the context',
    items: [ldx('dw', R0, R1, 16), exit()],
    message: 'test: slot 0: r0 = *(u64 *)(r1 +16): reads 8 bytes at offset 16 of the context, which has 16 bytes',
  },
  {
    name: 'half of a pointer in the context',
    items: [ldx('w', R0, R1, 0), ...end],
    message: 'test: slot 0: r0 = *(u32 *)(r1 +0): the argument regs is a pointer; read its 8 bytes at offset 0',
  },
  {
    name: 'a context that was moved',
    items: [add(R1, 8), ldx('dw', R0, R1, 0), ...end],
    message:
      'test: slot 1: r0 = *(u64 *)(r1 +0): r1 is the context moved by arithmetic; read it from the unchanged pointer',
  },
  {
    name: 'writing to the context',
    items: [st('dw', R1, 0, 0), ...end],
    message: 'test: slot 0: *(u64 *)(r1 +0) = 0: r1 is the context, which is read only',
  },
  {
    name: 'behind a kernel struct',
    hook: 'tp_btf/sched_process_exit',
    items: [ldx('dw', R1, R1, 0), ldxField('dw', R1, R1, 'task_struct.cred'), ldx('dw', R1, R1, 20), ...end],
    message: 'test: slot 2: r1 = *(u64 *)(r1 +20): reads 8 bytes at offset 20 of struct cred, which has 24 bytes',
  },
  {
    name: 'across the end of a member of a kernel struct',
    hook: 'tp_btf/sched_process_exit',
    items: [ldx('dw', R1, R1, 0), ldx('dw', R1, R1, 0), ...end],
    message:
      'test: slot 1: r1 = *(u64 *)(r1 +0): reads 8 bytes at offset 0 of struct task_struct, across the end of its member pid of 4 bytes',
  },
  {
    name: 'before a kernel struct',
    hook: 'tp_btf/sched_process_exit',
    items: [ldx('dw', R1, R1, 0), ldx('w', R1, R1, -4), ...end],
    message:
      'test: slot 1: r1 = *(u32 *)(r1 -4): reads 4 bytes at offset -4 of struct task_struct, before its beginning',
  },
  {
    name: 'writing to a kernel struct',
    hook: 'tp_btf/sched_process_exit',
    items: [ldx('dw', R1, R1, 0), st('w', R1, 0, 1), ...end],
    message: 'test: slot 1: *(u32 *)(r1 +0) = 1: r1 points to struct task_struct; kernel structs are read only',
  },
  {
    name: 'a kernel struct at an offset that is not constant',
    hook: 'tp_btf/sched_process_exit',
    items: [ldx('dw', R6, R1, 0), ldx('b', R2, R6, 0), and(R2, 7), add(R6, R2), ldx('b', R0, R6, 0), ...end],
    message:
      'test: slot 4: r0 = *(u8 *)(r6 +0): r6 points to struct task_struct with an offset that is not constant; read it with bpf_probe_read_kernel',
  },
  {
    name: 'one load for two kinds of memory',
    hook: 'tp_btf/sched_process_exit',
    items: [
      mov(R6, R10),
      add(R6, -8),
      st('dw', R10, -8, 0),
      ldx('dw', R7, R1, 0),
      call(RANDOM),
      jeq(R0, 0, 'read'),
      mov(R6, R7),
      label('read'),
      ldx('w', R0, R6, 0),
      ...end,
    ],
    message:
      'test: slot 7: r0 = *(u32 *)(r6 +0): this load reads other memory here and a kernel struct on another path; use an instruction for each',
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
    name: 'an unaligned atomic operation',
    items: [loadMapValue(R1, 'config', 0), mov(R2, 1), atomicAdd('dw', R1, 4, R2), ...end],
    message: 'test: slot 3: lock *(u64 *)(r1 +4) += r2: an atomic operation must be aligned to its size of 8 bytes',
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
      'test: slot 9: r0 = *(u8 *)(r6 +0): reads 1 bytes at offset 32 of a value of map config, which has 32 bytes',
  },
  {
    name: 'too much stack in a chain of calls',
    items: [st('dw', R10, -256, 0), callLocal('f'), ...end, label('f'), st('dw', R10, -264, 0), ...end],
    message: 'test: slot 1: call pc+2: the stacks of this chain of calls take 544 bytes, at most 512 are allowed',
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
  {
    name: 'a call through a register',
    items: [mov(R2, 1), callx(R2), ...end],
    message:
      'test: slot 1: callx r2: a call through a register is refused by Linux; call a helper by its id or a function by its distance',
  },
  {
    name: 'code that no way reaches',
    items: [ja('out'), mov(R1, 1), label('out'), ...end],
    message: 'test: slot 1: r1 = 1: no way leads to this instruction; remove it',
  },
  {
    name: 'an end without exit',
    items: [mov(R0, 0)],
    message:
      'test: slot 0: r0 = 0: the last instruction of a function must be exit or a jump; control would fall off its end',
  },
  {
    name: 'a shift by the width',
    items: [mov(R0, 1), lsh(R0, 64), ...end],
    message: 'test: slot 1: r0 <<= 64: a shift by 64 is not below the width of 64 bits',
  },
  {
    name: 'writing to the frame pointer',
    items: [add(R10, 8), ...end],
    message: 'test: slot 0: r10 += 8: r10 is the frame pointer and read only; copy it to another register',
  },
];

describe('programs that are refused, with the whole text', () => {
  test.each(ROWS)('$name', ({ items, hook, message }) => {
    expect(refusalOf(items, hook).message).toBe(message);
  });
});

const slot = (opcode: number, fields: Partial<Instruction> = {}): Instruction => ({
  opcode,
  dst: 0,
  src: 0,
  offset: 0,
  imm: 0,
  ...fields,
});
const EXIT = slot(0x95);
const MOV0 = slot(0xb7);

function messageOf(instructions: readonly Instruction[]): string {
  try {
    verify(instructions, contextFor('tp_btf/sys_exit'));
  } catch (error) {
    if (error instanceof VerifierError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('slots that the builder does not make', () => {
  const rows: readonly (readonly [string, readonly Instruction[], string])[] = [
    ['nothing', [], 'test: slot 0: (no instruction): the program is empty; it needs at least an exit'],
    [
      'an opcode that RFC 9669 does not have',
      [slot(0xff), EXIT],
      'test: slot 0: unknown opcode 0xff: opcode 0xff is not an instruction of RFC 9669',
    ],
    [
      'a register that does not exist',
      [slot(0xb7, { dst: 11 }), EXIT],
      'test: slot 0: r11 = 0: there is no register r11; they are r0 to r10',
    ],
    [
      'a reserved field',
      [MOV0, slot(0x95, { imm: 1 })],
      'test: slot 1: exit: the field imm is reserved here and must be 0, it is 1',
    ],
    [
      'a jump out of the program',
      [MOV0, slot(0x05, { offset: 1 }), EXIT],
      'test: slot 1: goto pc+1: the jump goes to slot 3, the program has slots 0 to 2',
    ],
    [
      'a jump into a wide instruction',
      [slot(0x05, { offset: 1 }), slot(0x18), slot(0), EXIT],
      'test: slot 0: goto pc+1: the jump goes into the middle of the wide instruction at slot 1',
    ],
    [
      'a wide instruction without its second half',
      [MOV0, slot(0x18)],
      'test: slot 1: r0 = 0x0 ll: the wide instruction has no second slot',
    ],
    [
      'a wide instruction whose second half has an opcode',
      [slot(0x18), EXIT, EXIT],
      'test: slot 0: r0 = 0x0 ll: the second slot of the wide instruction may only carry imm',
    ],
    [
      'a map that does not exist',
      [slot(0x18, { src: 1, imm: 77 }), slot(0), MOV0, EXIT],
      'test: slot 0: r0 = map[id:77]: there is no map with the handle 77',
    ],
    [
      'a kernel function by its BTF id',
      [slot(0x85, { src: 2, imm: 5 }), EXIT],
      'test: slot 0: call kernel-function#5: calls of kernel functions by BTF id are not supported; call a helper',
    ],
    ['a division by the constant 0', [MOV0, slot(0x37), EXIT], 'test: slot 1: r0 /= 0: division by the constant 0'],
  ];
  test.each(rows)('%s', (_name, instructions, message) => {
    expect(messageOf(instructions)).toBe(message);
  });

  test('8,193 jumps in a row whose other sides wait', () => {
    const jumps = (n: number): Item[] => Array.from({ length: n }, (_, k) => jeq(R2, 1000 + k, 'out'));
    const items = (n: number) => [ldx('dw', R2, R1, 8), ...jumps(n), label('out'), ...end];
    expect(verifyItems(items(8192)).explored).toBeGreaterThan(8192);
    expect(refusalOf(items(8193)).message).toBe(
      'test: slot 8193: if r2 == 0x23e8 goto pc+0: 8193 conditional jumps in a row can go both ways, at most 8192 may; ' +
        'let ways meet sooner or move code into functions',
    );
  });

  test('65 maps', () => {
    const load = (handle: number): Instruction[] => [slot(0x18, { src: 1, imm: handle }), slot(0)];
    const instructions = [...Array.from({ length: 65 }, (_, n) => load(n)).flat(), MOV0, EXIT];
    expect(messageOf(instructions)).toBe('test: slot 128: r0 = map[id:64]: the program uses more than 64 maps');
  });

  test('257 functions', () => {
    const calls = Array.from({ length: 256 }, (_, n) => slot(0x85, { src: 1, imm: 257 - n + 2 * n }));
    const functions = Array.from({ length: 256 }, () => [MOV0, EXIT]).flat();
    expect(messageOf([...calls, MOV0, EXIT, ...functions])).toBe(
      'test: slot 0: call pc+257: the program has 257 functions, at most 256 are allowed',
    );
  });

  test('more than 1,000,000 slots', () => {
    const instructions = new Array<Instruction>(1_000_001).fill(MOV0);
    instructions[1_000_000] = EXIT;
    expect(messageOf(instructions)).toBe(
      'test: slot 0: r0 = 0: the program has 1000001 slots, at most 1000000 are allowed',
    );
  });
});

test('an error says where, with what registers, by which way, and what the slot came from', () => {
  const instructions = [...Array(2).fill(MOV0), slot(0x79, { dst: 1, src: 3 }), EXIT];
  const lines = [
    { at: 0, text: 'proc.name = sh' },
    { at: 1, text: 'fd.name contains shadow' },
    { at: 3, text: 'exit' },
  ];
  const error = (() => {
    try {
      verify(instructions, { ...contextFor('tp_btf/sys_exit', lines), name: 'sys_exit' });
    } catch (thrown) {
      return thrown as VerifierError;
    }
    throw new Error('accepted');
  })();
  expect(error).toMatchObject({
    message: 'sys_exit: slot 2: r1 = *(u64 *)(r3 +0): r3 is not initialised (from: fd.name contains shadow)',
    program: 'sys_exit',
    reason: 'r3 is not initialised',
    at: 2,
    instruction: 'r1 = *(u64 *)(r3 +0)',
    registers: 'r0=0 r1=ctx r10=fp',
    path: [0, 1, 2],
    line: { at: 1, text: 'fd.name contains shadow' },
  });
});

test('the log goes the way to the error, with what each instruction changed', () => {
  const error = refusalOf([
    ...lookUp('cells'),
    jne(R0, 0, 'found'),
    ...end,
    label('found'),
    ldx('b', R1, R0, 0),
    mov(R2, 0),
    label('head'),
    add(R0, R1),
    add(R2, 1),
    jlt(R2, 2, 'head'),
    stx('dw', R10, -16, R1),
    ldx('b', R3, R0, 0),
    ...end,
  ]);
  expect(error.path).toEqual([0, 1, 3, 4, 5, 6, 9, 10, 11, 12, 13, 11, 12, 13, 14, 15]);
  expect(error.log.split('\n').map((line) => line.replace(/ {2,}/, '  '))).toEqual([
    '0: *(u32 *)(r10 -4) = 0  fp-8=0000????',
    '1: r1 = map[cells]  r1=map(cells)',
    '3: r2 = r10  r2=fp',
    '4: r2 += -4  r2=fp-4',
    '5: call bpf_map_lookup_elem#1  r0=map_value_or_null(cells) r1=? r2=?',
    '6: if r0 != 0x0 goto pc+2  r0=map_value(cells)',
    '9: r1 = *(u8 *)(r0 +0)  r1=scalar(umax=255)',
    '10: r2 = 0  r2=0',
    '11: r0 += r1  r0=map_value(cells)+scalar(umax=255)',
    '12: r2 += 1  r2=1',
    '13: if r2 < 0x2 goto pc-3',
    '11: r0 += r1  r0=map_value(cells)+scalar(umax=510)',
    '12: r2 += 1  r2=2',
    '13: if r2 < 0x2 goto pc-3',
    '14: *(u64 *)(r10 -16) = r1  fp-16=scalar(umax=255)',
    '15: r3 = *(u8 *)(r0 +0)',
    'r0=map_value(cells)+scalar(umax=510) r1=scalar(umax=255) r2=2 r10=fp fp-16=scalar(umax=255)',
    'reads 1 bytes at offsets 0 to 510 of a value of map cells, which has 64 bytes',
  ]);
});

test('the maps of these tests have the handles that the programs carry', () => {
  expect(handleOf('config')).toBe(12);
});
