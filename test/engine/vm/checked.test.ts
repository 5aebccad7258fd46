import { describe, expect, test } from 'vitest';
import {
  add,
  assemble,
  atomicAdd,
  call,
  callLocal,
  exit,
  type Item,
  jeq,
  label,
  ldx,
  loadMap,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R10,
  st,
  stx,
} from '../../../engine/isa/index.ts';
import { createMap } from '../../../engine/maps/index.ts';
import { defineStructs, type MapSpec, parseBtf, relocate } from '../../../engine/object/index.ts';
import { type CheckOptions, createInterpreter, Fault, Memory } from '../../../engine/vm/index.ts';
import { testEnvironment } from '../../support/environment.ts';

const SPECS: readonly MapSpec[] = [
  { name: 'counts', type: 'hash', keySize: 4, valueSize: 16, maxEntries: 8 },
  { name: 'config', type: 'array', keySize: 4, valueSize: 12, maxEntries: 1 },
  { name: 'strings', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1, flags: 1 << 7 },
  { name: 'events', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 },
];
const BTF = parseBtf(defineStructs({ empty: { member: 'int' } }));
const CONTEXT = 16;

/** A checked machine with every map there is; `unrelated` memory surrounds the context. */
function checked(items: readonly Item[], options: CheckOptions = {}) {
  const memory = new Memory(1 << 20);
  const maps = SPECS.map((spec, index) => createMap(memory, spec, index + 1));
  memory.allocate(64);
  const context = memory.allocate(CONTEXT);
  memory.allocate(64);
  const handle = (name: string) => maps.find(({ spec }) => spec.name === name)?.handle;
  const instructions = relocate({ name: 'test', hook: 'raw_tp/sys_enter', ...assemble(items) }, handle, BTF);
  const interpreter = createInterpreter({ instructions }, testEnvironment({ memory }, maps), { checked: options });
  memory.allocate(64);
  return {
    memory,
    run: () => interpreter.run(memory.address(context), BigInt(CONTEXT)),
    fault: (): string => {
      try {
        interpreter.run(memory.address(context), BigInt(CONTEXT));
      } catch (error) {
        if (error instanceof Fault) return error.message.replaceAll(/ffff8880[0-9a-f]{8}/g, '...');
        throw error;
      }
      return 'no fault';
    },
  };
}

const key = [st('w', R10, -4, 1), mov(R2, R10), add(R2, -4)];
const lookup = [loadMap(R1, 'counts'), ...key, call(1)];
const insert = [loadMap(R1, 'counts'), ...key, st('dw', R10, -24, 7), st('dw', R10, -16, 7)].concat([
  mov(R3, R10),
  add(R3, -24),
  mov(R4, 0),
  call(2),
]);
const reserve = (bytes: number): Item[] => [loadMap(R1, 'events'), mov(R2, bytes), mov(R3, 0), call(131)];

const dynptr = [mov(R1, R10), add(R1, -16)];
const reserveDynptr = (bytes: number): Item[] => [
  ...[loadMap(R1, 'events'), mov(R2, bytes), mov(R3, 0), mov(R4, R10), add(R4, -16)],
  call(198),
];
const slice = (bytes: number): Item[] => [...dynptr, mov(R2, 0), mov(R3, bytes), call(203)];
const submitDynptr: Item[] = [...dynptr, mov(R2, 0), call(199)];

describe('a checked run allows', () => {
  test.each<[string, Item[], bigint]>([
    ['the context', [st('dw', R1, 8, 5), ldx('dw', R0, R1, 8), exit()], 5n],
    ['the whole stack', [st('dw', R10, -8, 2), st('dw', R10, -512, 1), ldx('dw', R0, R10, -512), exit()], 1n],
    [
      "a caller's stack",
      [mov(R1, R10), callLocal('f'), ldx('dw', R0, R10, -8), exit(), label('f'), st('dw', R1, -8, 3), exit()],
      3n,
    ],
    ['values of maps', [...insert, ...lookup, jeq(R0, 0, 'end'), ldx('dw', R0, R0, 8), label('end'), exit()], 7n],
    ['the value of an array', [loadMapValue(R1, 'config', 8), st('w', R1, 0, 9), ldx('w', R0, R1, 0), exit()], 9n],
    ['read-only values to be read', [loadMapValue(R1, 'strings', 0), ldx('dw', R0, R1, 0), exit()], 0n],
    [
      'a record until it is submitted',
      [
        ...reserve(8),
        st('dw', R0, 0, 6),
        ldx('dw', R6, R0, 0),
        mov(R1, R0),
        mov(R2, 0),
        call(132),
        mov(R0, R6),
        exit(),
      ],
      6n,
    ],
    [
      'a slice of a record behind a dynptr',
      [
        ...reserveDynptr(8),
        ...slice(8),
        st('dw', R0, 0, 6),
        ldx('dw', R6, R0, 0),
        ...submitDynptr,
        mov(R0, R6),
        exit(),
      ],
      6n,
    ],
  ])('%s', (_, items, result) => {
    expect(checked(items).run()).toBe(result);
  });
});

describe('a checked run faults on', () => {
  const none = 'which is not allocated to this program;';
  test.each<[string, Item[], string]>([
    [
      'memory before the context',
      [ldx('w', R0, R1, -4), exit()],
      `instruction 0: reads 4 bytes at r1 -4 = 0x..., ${none} nearest is the context (16 bytes): the access begins 4 before its first`,
    ],
    [
      "an access over the context's end",
      [st('dw', R1, 12, 0), exit()],
      `instruction 0: writes 8 bytes at r1 +12 = 0x..., ${none} nearest is the context (16 bytes): the access begins 12 behind its first`,
    ],
    [
      'a frame that is used up',
      [st('b', R10, -513, 0), exit()],
      `instruction 0: writes 1 byte at r10 -513 = 0x..., ${none} nearest is the stack of the main function (512 bytes): the access begins 1 before its first`,
    ],
    [
      "what lies above a function's stack",
      [callLocal('f'), exit(), label('f'), ldx('dw', R0, R10, 0), exit()],
      `instruction 2: reads 8 bytes at r10 +0 = 0x..., ${none} nearest is the stack of the function at depth 1 (512 bytes): the access begins 512 behind its first`,
    ],
    [
      'the stack of a function that returned',
      [callLocal('f'), ldx('dw', R0, R0, -8), exit(), label('f'), st('dw', R10, -8, 1), mov(R0, R10), exit()],
      `instruction 1: reads 8 bytes at r0 -8 = 0x..., ${none} nearest is the stack of the main function (512 bytes): the access begins 520 before its first`,
    ],
    [
      'padding of a value',
      [loadMapValue(R1, 'config', 8), atomicAdd('dw', R1, 0, R2), exit()],
      `instruction 2: reads 8 bytes at r1 +0 = 0x..., ${none} nearest is the value of map "config" (12 bytes): the access begins 8 behind its first`,
    ],
    [
      'memory behind a value',
      [...insert, ...lookup, ldx('w', R0, R0, 16), exit()],
      `instruction 17: reads 4 bytes at r0 +16 = 0x..., ${none} nearest is a value of map "counts" (16 bytes): the access begins 16 behind its first`,
    ],
    [
      'stores to read-only values',
      [loadMapValue(R1, 'strings', 0), st('b', R1, 0, 1), exit()],
      'instruction 2: writes 1 byte at r1 +0 = 0x..., in a value of map "strings", which is read only for programs',
    ],
    [
      'a record that was submitted',
      [...reserve(8), mov(R6, R0), mov(R1, R0), mov(R2, 0), call(132), ldx('b', R0, R6, 0), exit()],
      `instruction 9: reads 1 byte at r6 +0 = 0x..., ${none} nearest is the context (16 bytes): the access begins 8272 before its first`,
    ],
    [
      'memory behind a record',
      [...reserve(8), ldx('b', R0, R0, 8), exit()],
      `instruction 5: reads 1 byte at r0 +8 = 0x..., ${none} nearest is what bpf_ringbuf_reserve returned (8 bytes): the access begins 8 behind its first`,
    ],
    [
      'a record that is kept',
      [...reserve(8), mov(R0, 0), exit()],
      'instruction 6: the program leaks the ring buffer record reserved at instruction 4',
    ],
    [
      'a record that is given back twice',
      [...reserve(8), mov(R6, R0), mov(R1, R0), mov(R2, 0), call(133), mov(R1, R6), mov(R2, 0), call(133), exit()],
      'instruction 11: bpf_ringbuf_discard releases r1 = 0x..., which this program does not hold a reference to',
    ],
    [
      "a key outside of the program's memory",
      [loadMap(R1, 'counts'), mov(R2, R10), add(R2, -2), call(1), exit()],
      `instruction 4: bpf_map_lookup_elem reads 4 bytes at r2 = 0x..., ${none} nearest is the stack of the main function (512 bytes): the access begins 510 behind its first`,
    ],
    [
      'a buffer that is too small',
      [mov(R1, R10), add(R1, -8), mov(R2, 16), call(16), exit()],
      `instruction 3: bpf_get_current_comm writes 16 bytes at r1 = 0x..., ${none} nearest is the stack of the main function (512 bytes): the access begins 504 behind its first`,
    ],
    [
      'a record behind a dynptr that is kept',
      [...reserveDynptr(8), mov(R0, 0), exit()],
      'instruction 8: the program leaks the ring buffer record reserved at instruction 6',
    ],
    [
      'a slice of a record that was submitted',
      [...reserveDynptr(8), ...slice(8), mov(R6, R0), st('dw', R6, 0, 1), ...submitDynptr, st('dw', R6, 0, 1), exit()],
      `instruction 18: writes 8 bytes at r6 +0 = 0x..., ${none} nearest is the context (16 bytes): the access begins 8272 before its first`,
    ],
    [
      "another program's map",
      [mov(R1, 1), ...key, call(1), exit()],
      'instruction 4: bpf_map_lookup_elem gets r1 = 0x1, which is no map of this program',
    ],
  ])('%s', (_, items, message) => {
    expect(checked(items).fault()).toBe(message);
  });

  test('stores to a context that is read only', () => {
    const context = { bytes: 8, writable: false };
    expect(checked([stx('w', R1, 4, R1), exit()], { context }).fault()).toBe(
      'instruction 0: writes 4 bytes at r1 +4 = 0x..., in the context, which is read only',
    );
    expect(checked([ldx('dw', R0, R1, 8), exit()], { context }).fault()).toBe(
      'instruction 0: reads 8 bytes at r1 +8 = 0x..., which is not allocated to this program; nearest is the context (8 bytes): the access begins 8 behind its first',
    );
  });

  test('stack that was never written, where that is asked for', () => {
    const items = [st('w', R10, -8, 0), ldx('dw', R0, R10, -8), exit()];
    expect(checked(items).fault()).toBe('no fault');
    const uninitialised = { uninitialised: true };
    expect(checked(items, uninitialised).fault()).toBe(
      'instruction 1: reads 8 bytes of stack at r10 -8 = 0x..., of which byte 4 was never written',
    );
    const filled = [mov(R1, R10), add(R1, -16), mov(R2, 16), call(16), ldx('b', R0, R10, -16), exit()];
    expect(checked(filled, uninitialised).run()).toBe(BigInt('t'.charCodeAt(0)));
    const used = [callLocal('f'), callLocal('g'), exit(), label('f'), st('b', R10, -1, 1), exit()];
    expect(checked([...used, label('g'), ldx('b', R0, R10, -1), exit()], uninitialised).fault()).toBe(
      'instruction 5: reads 1 byte of stack at r10 -1 = 0x..., of which byte 0 was never written',
    );
  });

  test('stores to kernel variables, which may be read', () => {
    const memory = new Memory(1 << 20);
    const at = memory.allocate(8);
    const variable = () => ({ address: memory.address(at), bytes: 4 });
    const load = [
      { opcode: 0x18, dst: 1, src: 3, offset: 0, imm: 0 },
      { opcode: 0, dst: 0, src: 0, offset: 0, imm: 0 },
    ];
    const run = (item: Item) =>
      createInterpreter(
        { instructions: [...load, ...assemble([item, exit()]).instructions] },
        testEnvironment({ memory, variable }),
        { checked: true },
      ).run(0n);
    expect(run(ldx('w', R0, R1, 0))).toBe(0n);
    expect(() => run(ldx('dw', R0, R1, 0))).toThrow('which is not allocated to this program');
    expect(() => run(st('w', R1, 0, 1))).toThrow('which is not allocated to this program');
  });

  test('kernel memory, unless it may be read', () => {
    const memory = new Memory(1 << 20);
    const at = memory.allocate(8);
    const { instructions } = assemble([ldx('dw', R0, R1, 0), exit()]);
    const run = (checks: CheckOptions, probeReads = new Set<number>()) =>
      createInterpreter({ instructions, probeReads }, testEnvironment({ memory }), {
        checked: checks,
      }).run(memory.address(at));
    expect(() => run({})).toThrow('which is not allocated to this program');
    expect(run({ readable: (offset, length) => offset === at && length === 8 })).toBe(0n);
    expect(run({ writable: (offset) => offset === at })).toBe(0n);
    expect(run({}, new Set([0]))).toBe(0n);
  });
});
