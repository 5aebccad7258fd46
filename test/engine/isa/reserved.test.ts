import { describe, expect, test } from 'vitest';
import { checkReserved, DecodeError, decode, decodeStrict, encode, parseAssembly } from '../../../engine/isa/index.ts';

const bytes = (hex: string) => Uint8Array.from(hex.split(' '), (byte) => Number.parseInt(byte, 16));

// RFC 9669, section 3.1: "Unused fields SHALL be set to zero."
describe('reserved fields', () => {
  test.each([
    ['mov with a register and imm', 'bf 21 00 00 05 00 00 00', 'imm', 5],
    ['mov with imm and src', 'b7 21 00 00 05 00 00 00', 'src', 2],
    ['neg with imm', '87 01 00 00 ff ff ff ff', 'imm', -1],
    ['a byte swap with src', 'd7 31 00 00 10 00 00 00', 'src', 3],
    ['a byte swap with offset', 'dc 01 08 00 10 00 00 00', 'offset', 8],
    ['a load with imm', '61 21 04 00 01 00 00 00', 'imm', 1],
    ['a store with imm and src', '62 2a fc ff 01 00 00 00', 'src', 2],
    ['a jump with dst', '05 01 00 00 00 00 00 00', 'dst', 1],
    ['a jump with imm', '05 00 00 00 02 00 00 00', 'imm', 2],
    ['the long jump with offset', '06 00 02 00 00 00 00 00', 'offset', 2],
    ['a call with offset', '85 00 01 00 01 00 00 00', 'offset', 1],
    ['a call with dst', '85 01 00 00 01 00 00 00', 'dst', 1],
    ['callx with imm', '8d 01 00 00 01 00 00 00', 'imm', 1],
    ['exit with imm', '95 00 00 00 01 00 00 00', 'imm', 1],
    ['lddw with offset', '18 01 02 00 01 00 00 00 00 00 00 00 00 00 00 00', 'offset', 2],
  ])('%s', (_, hex, field, value) => {
    expect(checkReserved(decode(bytes(hex)))).toEqual([{ at: 0, field, value }]);
    expect(() => decodeStrict(bytes(hex))).toThrow(
      new DecodeError(0, `the field ${field} is reserved here and must be 0, it is ${value}`),
    );
  });

  test('the second slot of a map reference holds nothing', () => {
    const hex = '95 00 00 00 00 00 00 00 18 11 00 00 05 00 00 00 00 00 00 00 07 00 00 00';
    expect(checkReserved(decode(bytes(hex)))).toEqual([{ at: 2, field: 'imm', value: 7 }]);
    expect(() => decodeStrict(bytes(hex))).toThrow('byte 16: the field imm is reserved here and must be 0, it is 7');
  });

  test('all of a program are found', () => {
    const hex = 'bf 21 00 00 05 00 00 00 b7 00 00 00 00 00 00 00 95 01 00 00 00 00 00 00';
    expect(checkReserved(decode(bytes(hex)))).toEqual([
      { at: 0, field: 'imm', value: 5 },
      { at: 2, field: 'dst', value: 1 },
    ]);
  });

  test('what instructions use is not reserved', () => {
    const text = `r1 s/= 5\nr1 = (s8)r2\nr2 = bswap32 r2\nr3 = map[id:4][0]+8\nlock *(u32 *)(r1 +4) += r2
      r0 = atomic64_cmpxchg((u64 *)(r1 +8), r0, r3)\nif w1 == 0x5 goto pc+1\ngotol pc-1\ncall pc+0\nexit`;
    const { instructions } = parseAssembly(text);
    expect(decodeStrict(encode(instructions))).toEqual(instructions);
  });
});
