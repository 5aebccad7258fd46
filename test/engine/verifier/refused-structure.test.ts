import { describe, expect, test } from 'vitest';
import {
  add,
  callx,
  type Instruction,
  type Item,
  ja,
  jeq,
  jlt,
  jne,
  label,
  ldx,
  lsh,
  mov,
  R0,
  R1,
  R2,
  R3,
  R10,
  stx,
} from '../../../engine/isa/index.ts';
import { VerifierError, verify } from '../../../engine/verifier/index.ts';
import { contextFor, end, lookUp, type Refusal, refusalOf, verifyItems } from './programs.ts';

const ROWS: readonly Refusal[] = [
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

describe('refused with the whole text: structure', () => {
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
      'test: slot 0: call kernel-function#5: there is no kernel function with the BTF id 5',
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
    'reads 1 byte at offsets 0 to 510 of a value of map cells, which has 64 bytes',
  ]);
});
