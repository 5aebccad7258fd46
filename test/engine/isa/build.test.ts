import { describe, expect, test } from 'vitest';
import {
  AssembleError,
  add,
  assemble,
  atomicFetchAdd,
  call,
  callLocal,
  comment,
  encode,
  exit,
  type Item,
  ja,
  jal,
  jeq,
  jlt32,
  label,
  lddw,
  ldx,
  ldxField,
  loadMap,
  loadMapValue,
  lsh32,
  mov,
  mov32,
  R0,
  R1,
  R2,
  R10,
  st,
  stx,
} from '../../../engine/isa/index.ts';

const hex = (items: readonly Item[]) =>
  (
    Buffer.from(encode(assemble(items).instructions))
      .toString('hex')
      .match(/.{16}/g) ?? []
  ).join(' ');

describe('assemble', () => {
  // Expected bytes: LLVM 14's assembler (llvm-mc -triple=bpfel -mcpu=v3) and RFC 9669's tables for st and fetching atomics.
  test.each<[string, Item[], string]>([
    ['mov with a register', [mov(R1, R2)], 'bf21000000000000'],
    ['mov with a number', [mov(R1, 2)], 'b701000002000000'],
    ['32-bit operations take unsigned constants', [mov32(R1, 0xffff_ffff)], 'b4010000ffffffff'],
    ['lsh32', [lsh32(R1, R2)], '6c21000000000000'],
    ['ldx', [ldx('w', R0, R1, -4)], '6110fcff00000000'],
    ['stx', [stx('dw', R10, -8, R1)], '7b1af8ff00000000'],
    ['st', [st('b', R10, -1, 255)], '720affffff000000'],
    ['atomics', [atomicFetchAdd('w', R1, 4, R2)], 'c321040001000000'],
    ['lddw', [lddw(R1, 0x1234_5678_9abc_def0n)], '18010000f0debc9a 0000000078563412'],
    ['lddw with a negative number', [lddw(R1, -1)], '18010000ffffffff 00000000ffffffff'],
    ['call', [call(14)], '850000000e000000'],
  ])('%s', (_, items, bytes) => {
    expect(hex(items)).toBe(bytes);
  });

  test('counts jumps from the next slot, over both slots of lddw', () => {
    const items = [
      label('start'),
      jeq(R1, 0, 'end'),
      lddw(R2, 1),
      jlt32(R1, R2, 'start'),
      callLocal('end'),
      jal('start'),
      ja('end'),
      label('end'),
      exit(),
    ];
    expect(hex(items)).toBe(
      '1501060000000000 1802000001000000 0000000000000000 ae21fcff00000000 8510000002000000 06000000faffffff 0500000000000000 9500000000000000',
    );
  });

  test('places relocations and comments at slots', () => {
    const { relocations, lines } = assemble([
      comment('open?'),
      loadMap(R1, 'events'),
      loadMapValue(R2, 'config', 8),
      comment('the parent'),
      comment('of the task'),
      ldxField('dw', R1, R1, 'task_struct.real_parent'),
      exit(),
      comment('nothing follows'),
    ]);
    expect(relocations).toEqual([
      { kind: 'map', at: 0, map: 'events' },
      { kind: 'map_value', at: 2, map: 'config', offset: 8 },
      { kind: 'field', at: 4, access: 'task_struct.real_parent', what: 'offset' },
    ]);
    expect(lines).toEqual([
      { at: 0, text: 'open?' },
      { at: 4, text: 'the parent' },
      { at: 4, text: 'of the task' },
    ]);
  });

  const far = (jump: Item) => [
    mov(R0, 0),
    jump,
    ...Array.from({ length: 32_768 }, () => add(R0, 1)),
    label('far'),
    exit(),
  ];

  test.each<[string, () => unknown, string]>([
    ['a missing label', () => assemble([mov(R0, 0), ja('out'), exit()]), "ja at slot 1: there is no label 'out'"],
    [
      'a label defined twice',
      () => assemble([label('a'), mov(R0, 0), label('a'), exit()]),
      "the label 'a' is defined twice, before slot 0 and before slot 1",
    ],
    [
      'a label at the end',
      () => assemble([jeq(R1, R2, 'end'), exit(), label('end')]),
      "jeq at slot 0: the label 'end' stands at the end, with no instruction after it",
    ],
    [
      'a label out of reach',
      () => assemble(far(jeq(R0, 1, 'far'))),
      "jeq at slot 1: the label 'far' at slot 32770 is 32768 slots away, more than a 16-bit offset reaches; use jal('far')",
    ],
    [
      'a constant of more than 32 bits',
      () => mov(R1, 0xffff_ffff),
      "mov: 4294967295 does not fit the instruction's signed 32 bits; load it with lddw",
    ],
    ['a fraction', () => mov32(R1, 0.5), "mov32: 0.5 does not fit the instruction's 32 bits"],
    [
      'an offset of more than 16 bits',
      () => ldx('w', R0, R1, 40_000),
      'ldxw: the offset 40000 does not fit signed 16 bits; add it to the register first',
    ],
    ['a constant of more than 64 bits', () => lddw(R1, 1n << 64n), 'lddw: 18446744073709551616 does not fit 64 bits'],
  ])('refuses %s', (_, build, message) => {
    expect(build).toThrow(new AssembleError(message));
  });

  test('jal reaches what ja does not', () => {
    const { instructions } = assemble(far(jal('far')));
    expect(instructions[1]).toEqual({ opcode: 0x06, dst: 0, src: 0, offset: 0, imm: 32_768 });
  });
});
