import {
  add,
  and,
  comment,
  type Item,
  ja,
  jeq,
  jge,
  jgt,
  jle,
  jlt,
  jne,
  label,
  lddw,
  ldx,
  mov,
  or,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R7,
  st,
  sub,
  xor,
} from '../../engine/isa/index.ts';
import { Truth } from '../language/index.ts';
import type { StringTest } from '../plan/index.ts';
import { type Emitter, loopHead, loopStart } from './emitter.ts';
import { FORM, PATH_BYTES, STRING } from './layout.ts';
import { type PlacedAutomaton, placeTests, ROW } from './rows.ts';
import { emitRow, emitStart, emitSteps } from './strings.ts';
import type { Tables } from './tables.ts';

/** The automaton that tells paths in their normal form from others, which only user space rewrites, and the row of the former. */
export interface NormalForm {
  readonly placed: PlacedAutomaton;
  readonly normalRow: number;
}

const ALWAYS: StringTest = { patterns: [], negated: true };

export const placeNormalForm = (tables: Tables): NormalForm => {
  const [only] = placeTests(tables, [ALWAYS], { normalPathsOnly: true }).placed;
  if (only === undefined) throw new Error('normal forms have an automaton');
  const { rows } = only.placed;
  const numbers = Array.from({ length: rows.count - ROW.first }, (_, row) => ROW.first + row);
  const [normalRow, ...others] = numbers.filter((row) => rows.bytes[row * rows.width] === Truth.TRUE);
  if (normalRow === undefined || others.length > 0) throw new Error('paths in their normal form have one row');
  return { placed: only.placed, normalRow };
};

const repeated = (byte: number): bigint => BigInt(byte) * 0x0101_0101_0101_0101n;
const SLASH = 0x2f;

/**
 * Jumps to `found` where one of the eight bytes at r0 + `at` is a slash before a slash or a dot, which differ in the lowest bit only, and to
 * `none` where not. r5 has slashes; what they leave of either is 0 where both are there, and (x - 1) & ~x has the highest bit of such a byte. r3 and r4
 * are used.
 */
const seekPair = (at: number, none: string, found: string): readonly Item[] => [
  ldx('dw', R3, R0, at),
  ldx('dw', R4, R0, at + 1),
  xor(R3, R5),
  xor(R4, R5),
  lddw(R0, repeated(0xfe)),
  and(R4, R0),
  or(R3, R4),
  mov(R4, R3),
  lddw(R0, repeated(0x01)),
  sub(R4, R0),
  xor(R3, -1),
  and(R4, R3),
  lddw(R0, repeated(0x80)),
  and(R4, R0),
  jeq(R4, 0, none),
  ja(found),
];

/**
 * Goes on where the path in a string slot, of r2 bytes, is in its normal form, and jumps to `other` where not; the slot keeps what was found. r1 =
 * 0 afterwards. Eight bytes at a time are looked at for what no path in its normal form has, a slash before a slash or at the end, and for
 * a slash before a dot, which some have: only then the automaton decides. `row` is a row's number that may be overwritten.
 */
export const emitNormalForm = (
  out: Emitter,
  { placed, normalRow }: NormalForm,
  loopCell: number,
  slot: number,
  row: number,
  other: string,
): void => {
  const name = (part: string): string => out.fresh(`normal.${part}`);
  const [loop, on, whole, ask, yes, known] = [
    name('loop'),
    name('on'),
    name('whole'),
    name('ask'),
    name('yes'),
    name('known'),
  ];
  const data = slot + STRING.data;
  out.emit(
    ldx('b', R3, R7, slot + STRING.form),
    jeq(R3, FORM.normal, known),
    jeq(R3, FORM.other, other),
    jgt(R2, PATH_BYTES, other),
    comment('is it in its normal form?'),
    lddw(R5, repeated(SLASH)),
    ...loopStart(out, R1, 0, loopCell, PATH_BYTES - 1),
    jge(R1, R2, whole),
    label(loop),
    ...(out.loops === 'may_goto' ? [...loopHead(out, ask), jge(R1, PATH_BYTES, whole)] : []),
    mov(R0, R7),
    add(R0, R1),
    ...seekPair(data, on, ask),
    label(on),
    add(R1, 8),
    jge(R1, PATH_BYTES, whole),
    jlt(R1, R2, loop),
    label(whole),
    jle(R2, 1, yes),
    mov(R0, R7),
    add(R0, R2),
    ldx('b', R3, R0, data - 1),
    jne(R3, SLASH, yes),
    label(ask),
    mov(R1, 0),
  );
  emitStart(out, loopCell);
  emitSteps(out, placed, loopCell, data, PATH_BYTES, other);
  emitRow(out, placed, row, other);
  out.emit(
    st('b', R7, slot + STRING.form, FORM.other),
    jne(R3, normalRow, other),
    label(yes),
    st('b', R7, slot + STRING.form, FORM.normal),
    label(known),
    mov(R1, 0),
  );
};
