import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError, decode, encode, type Instruction, OPCODES, opcodeOf } from '../../../engine/isa/index.ts';
import { count, seed } from '../../support/counts.ts';
import { instances } from './instances.ts';

const bytes = (hex: string) => Uint8Array.from(hex.split(' '), (byte) => Number.parseInt(byte, 16));

describe('encode', () => {
  // Bytes: LLVM 14's assembler for what it knows (llvm-mc -triple=bpfel -mcpu=v3), RFC 9669's tables for the rest.
  test.each<[string, Instruction[]]>([
    ['bf 21 00 00 00 00 00 00', [{ opcode: 0xbf, dst: 1, src: 2, offset: 0, imm: 0 }]],
    ['07 01 00 00 fb ff ff ff', [{ opcode: 0x07, dst: 1, src: 0, offset: 0, imm: -5 }]],
    ['79 43 08 00 00 00 00 00', [{ opcode: 0x79, dst: 3, src: 4, offset: 8, imm: 0 }]],
    ['7b 1a f8 ff 00 00 00 00', [{ opcode: 0x7b, dst: 10, src: 1, offset: -8, imm: 0 }]],
    ['55 03 fe ff 34 12 00 00', [{ opcode: 0x55, dst: 3, src: 0, offset: -2, imm: 0x1234 }]],
    [
      '18 01 00 00 f0 de bc 9a 00 00 00 00 78 56 34 12',
      [
        { opcode: 0x18, dst: 1, src: 0, offset: 0, imm: 0x9abcdef0 | 0 },
        { opcode: 0, dst: 0, src: 0, offset: 0, imm: 0x12345678 },
      ],
    ],
    ['95 00 00 00 00 00 00 00', [{ opcode: 0x95, dst: 0, src: 0, offset: 0, imm: 0 }]],
  ])('%s', (hex, instructions) => {
    expect(encode(instructions)).toEqual(bytes(hex));
    expect(decode(bytes(hex))).toEqual(instructions);
  });

  test.each([
    [{ opcode: 256 }, 'slot 0: opcode 256 does not fit a byte'],
    [{ dst: 16 }, 'slot 0: dst 16 does not fit 4 bits'],
    [{ src: -1 }, 'slot 0: src -1 does not fit 4 bits'],
    [{ offset: 32_768 }, 'slot 0: offset 32768 does not fit signed 16 bits'],
    [{ imm: 0xffff_ffff }, 'slot 0: imm 4294967295 does not fit signed 32 bits'],
  ])('refuses %o', (fields, message) => {
    const instruction = { opcode: 0x95, dst: 0, src: 0, offset: 0, imm: 0, ...fields };
    expect(() => encode([instruction])).toThrow(new RangeError(message));
  });
});

describe('decode', () => {
  test.each(OPCODES.map((row) => [`${row.name} with ${row.source}`, row] as const))(
    'undoes encode: %s',
    (name, row) => {
      fc.assert(
        fc.property(instances(row), (instructions) => {
          expect(decode(encode(instructions))).toEqual(instructions);
          expect(opcodeOf(instructions[0]!)).toBe(row);
        }),
        { numRuns: count(2000), seed: seed(`decode undoes encode: ${name}`) },
      );
    },
  );

  test.each([
    [
      '95 00 00 00 00 00 00 00 b7 00 00',
      8,
      'byte 8: the program ends inside an instruction; its length, 11, is no multiple of 8',
    ],
    [
      '95 00 00 00 00 00 00 00 ff 00 00 00 00 00 00 00',
      8,
      'byte 8: RFC 9669 has no instruction with opcode 0xff, src 0, offset 0, imm 0',
    ],
    ['3f 21 02 00 00 00 00 00', 0, 'byte 0: RFC 9669 has no instruction with opcode 0x3f, src 2, offset 2, imm 0'],
    ['d7 01 00 00 0c 00 00 00', 0, 'byte 0: RFC 9669 has no instruction with opcode 0xd7, src 0, offset 0, imm 12'],
    ['b7 0b 00 00 00 00 00 00', 0, 'byte 0: there is no register r11; they are r0 to r10'],
    ['bf c1 00 00 00 00 00 00', 0, 'byte 0: there is no register r12; they are r0 to r10'],
    ['18 01 00 00 00 00 00 00', 0, 'byte 0: lddw takes two slots, but the program ends after the first'],
    ['18 01 00 00 00 00 00 00 95 00 00 00 00 00 00 00', 8, 'byte 8: the second slot of lddw holds more than an imm'],
  ])('refuses %s', (hex, offset, message) => {
    let error: unknown;
    try {
      decode(bytes(hex));
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(DecodeError);
    expect(error).toMatchObject({ offset, message });
  });

  test('reads a view that does not begin at its buffer', () => {
    const buffer = bytes('00 00 00 00 00 95 00 00 00 00 00 00 00');
    expect(decode(buffer.subarray(5))).toEqual([{ opcode: 0x95, dst: 0, src: 0, offset: 0, imm: 0 }]);
  });
});

describe('the table', () => {
  test('has each form once', () => {
    const forms = OPCODES.map(({ opcode, fixed }) => JSON.stringify([opcode, fixed.src, fixed.offset, fixed.imm]));
    expect(new Set(forms).size).toBe(forms.length);
    expect(new Set(OPCODES.map(({ name, source }) => `${name}/${source}`)).size).toBe(OPCODES.length);
  });

  // RFC 9669, table 14 and section 2.4.
  test.each([
    ['add32', 'imm', 0x04, 'base32'],
    ['add', 'reg', 0x0f, 'base64'],
    ['mul32', 'reg', 0x2c, 'divmul32'],
    ['smod', 'reg', 0x9f, 'divmul64'],
    ['ldxdw', 'reg', 0x79, 'base64'],
    ['ldxh', 'reg', 0x69, 'base32'],
    ['lock_cmpxchg32', 'reg', 0xc3, 'atomic32'],
    ['lock_xchg', 'reg', 0xdb, 'atomic64'],
    ['ldabsw', 'imm', 0x20, 'packet'],
    ['ja32', 'none', 0x06, 'base32'],
    ['be16', 'none', 0xdc, 'base32'],
  ])('%s with %s', (name, source, opcode, group) => {
    expect(OPCODES.find((row) => row.name === name && row.source === source)).toMatchObject({ opcode, group });
  });
});
