import { expect, test } from 'vitest';
import { createBtfBuilder, parseBtf } from '../../../engine/object/index.ts';
import { memberProblem } from '../../../engine/verifier/members.ts';

/**
 *     struct inner { int a; char name[8]; };                        12 bytes
 *     union either { int number; struct inner *pointer; };           8 bytes
 *     struct outer {                                                80 bytes
 *       struct inner *first;      0
 *       int flags : 3;            8, and 4 bits of no use
 *       int more : 20;            8, bits 3 to 22
 *       struct inner pair[2];    16, 28
 *       union either u;          40
 *       int rows[2][3];          48
 *       struct inner *list[1];   72
 *       struct inner tail[0];    80
 *     };
 */
function structs() {
  const builder = createBtfBuilder();
  const int = builder.int('int', 4, true);
  const char = builder.int('char', 1, true);
  const inner = builder.struct('inner', 12, [
    { name: 'a', type: int, offset: 0 },
    { name: 'name', type: builder.array(char, 8), offset: 4 },
  ]);
  const pointer = builder.pointer(inner);
  const either = builder.union('either', 8, [
    { name: 'number', type: int, offset: 0 },
    { name: 'pointer', type: pointer, offset: 0 },
  ]);
  builder.struct('outer', 80, [
    { name: 'first', type: pointer, offset: 0 },
    { name: 'flags', type: int, offset: 64, bits: 3 },
    { name: 'more', type: int, offset: 67, bits: 20 },
    { name: 'pair', type: builder.array(inner, 2), offset: 16 },
    { name: 'u', type: either, offset: 40 },
    { name: 'rows', type: builder.array(builder.array(int, 3), 2), offset: 48 },
    { name: 'list', type: builder.array(pointer, 1), offset: 72 },
    { name: 'tail', type: builder.array(inner, 0), offset: 80 },
  ]);
  return parseBtf(builder.bytes());
}

/** Verdicts as btf_struct_walk of kernel/bpf/btf.c gives them. */
const ROWS: readonly (readonly [at: number, size: number, problem: string | undefined])[] = [
  [0, 8, undefined],
  [0, 4, 'which is a part of the pointer first; read its 8 bytes'],
  [4, 4, 'which is a part of the pointer first; read its 8 bytes'],
  [8, 4, undefined],
  [8, 1, undefined],
  [9, 1, 'where it has no member'],
  [12, 4, 'where it has no member'],
  [16, 4, undefined],
  [20, 8, undefined],
  [20, 1, undefined],
  [24, 8, 'across the end of an embedded struct of 12 bytes'],
  [20, 4, undefined],
  [26, 4, 'across the end of an embedded struct of 12 bytes'],
  [28, 4, undefined],
  [30, 2, undefined],
  [40, 4, undefined],
  [44, 4, 'which is a part of the pointer pointer; read its 8 bytes'],
  [48, 8, undefined],
  [68, 4, undefined],
  [68, 8, 'across the end of its member rows of 24 bytes'],
  [72, 8, undefined],
  [76, 4, 'which is a part of the pointer list; read its 8 bytes'],
  [80, 4, undefined],
  [96, 8, undefined],
  [104, 4, undefined],
  [-8, 8, 'before its beginning'],
];

test.each(ROWS)('%i bytes in, %i bytes', (at, size, problem) => {
  const btf = structs();
  expect(memberProblem(btf, btf.struct('outer')!, at, size)).toBe(problem);
});

test('behind a struct without an array at its end', () => {
  const btf = structs();
  expect(memberProblem(btf, btf.struct('inner')!, 8, 8)).toBe('which has 12 bytes');
});
