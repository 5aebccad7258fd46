import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createWriter, WASM } from '../../../../engine/vm/jit/wasm.ts';
import { count, seed } from '../../../support/counts.ts';

const written = (write: (writer: ReturnType<typeof createWriter>) => void): number[] => {
  const writer = createWriter(1);
  write(writer);
  return [...writer.bytes()];
};

/** The examples of the DWARF standard, version 5, section 7.6, tables 7.7 and 7.8. */
describe('LEB128', () => {
  test.each([
    [2, [2]],
    [127, [127]],
    [128, [0x80, 1]],
    [129, [0x81, 1]],
    [12857, [0xb9, 0x64]],
    [0xffff_ffff, [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])('unsigned %d', (value, bytes) => {
    expect(written((writer) => writer.unsigned(value))).toEqual(bytes);
  });

  test.each([
    [2, [2]],
    [-2, [0x7e]],
    [127, [0xff, 0]],
    [-127, [0x81, 0x7f]],
    [128, [0x80, 1]],
    [-128, [0x80, 0x7f]],
    [129, [0x81, 1]],
    [-129, [0xff, 0x7e]],
    [-0x8000_0000, [0x80, 0x80, 0x80, 0x80, 0x78]],
  ])('signed %d', (value, bytes) => {
    expect(written((writer) => writer.signed(value))).toEqual(bytes);
    expect(written((writer) => writer.wide(BigInt(value)))).toEqual(bytes);
  });

  test('64 bits are read back, without sign or with', () => {
    const read = (bytes: readonly number[]): bigint =>
      BigInt.asIntN(
        7 * bytes.length,
        bytes.reduce((sum, byte, index) => sum | (BigInt(byte & 0x7f) << BigInt(7 * index)), 0n),
      );
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (value) => {
        const bytes = written((writer) => writer.wide(value));
        expect(BigInt.asUintN(64, read(bytes))).toBe(value);
        expect(bytes.length).toBeLessThanOrEqual(10);
        expect(bytes.map((byte) => byte >> 7)).toEqual([...bytes.slice(1).map(() => 1), 0]);
      }),
      { numRuns: count(20_000), seed: seed('LEB128 of 64 bits') },
    );
  });
});

test('a size is written where room was left for it, in five bytes', () => {
  const bytes = written((writer) => {
    writer.byte(7);
    const place = writer.open();
    for (let n = 0; n < 200; n++) writer.byte(n);
    writer.close(place);
  });
  expect(bytes.slice(0, 8)).toEqual([7, 0xc8, 0x81, 0x80, 0x80, 0x00, 0, 1]);
  expect(bytes).toHaveLength(206);
});

test('instructions carry their operands', () => {
  expect(written((writer) => writer.get(300))).toEqual([WASM.local_get, 0xac, 0x02]);
  expect(written((writer) => writer.i64(-1))).toEqual([WASM.i64_const, 0x7f]);
  expect(written((writer) => writer.access(WASM.i64_load, 8))).toEqual([WASM.i64_load, 0, 8]);
  expect(written((writer) => writer.memoryCopy())).toEqual([0xfc, 10, 0, 0]);
  expect(written((writer) => writer.name('ä'))).toEqual([2, 0xc3, 0xa4]);
});
