import type { Code } from './code.ts';
import { constantOf, destination, pushRegister, pushSource, pushSourceWord, pushWord } from './operands.ts';
import { WASM } from './wasm.ts';

/** Comparisons by the high half of the opcode (RFC 9669, section 4.3), and what holds where they don't. */
const COMPARE: ReadonlyMap<number, readonly [wide: number, opposite: number]> = new Map([
  [0x10, [WASM.i64_eq, WASM.i64_ne]],
  [0x20, [WASM.i64_gt_u, WASM.i64_le_u]],
  [0x30, [WASM.i64_ge_u, WASM.i64_lt_u]],
  [0x50, [WASM.i64_ne, WASM.i64_eq]],
  [0x60, [WASM.i64_gt_s, WASM.i64_le_s]],
  [0x70, [WASM.i64_ge_s, WASM.i64_lt_s]],
  [0xa0, [WASM.i64_lt_u, WASM.i64_ge_u]],
  [0xb0, [WASM.i64_le_u, WASM.i64_gt_u]],
  [0xc0, [WASM.i64_lt_s, WASM.i64_ge_s]],
  [0xd0, [WASM.i64_le_s, WASM.i64_gt_s]],
]);
const [JSET, MAY_GOTO] = [0x40, 0xe5] as const;

/** Puts on the stack whether a jump is taken, or with `negated` whether it is not. */
export function emitCondition(code: Code, at: number, negated: boolean): void {
  const opcode = code.program.opcode[at]!;
  if (opcode === MAY_GOTO) mayGoto(code, negated);
  else compare(code, at, opcode, negated);
}

function compare(code: Code, at: number, opcode: number, negated: boolean): void {
  const { writer } = code;
  const is64 = (opcode & 7) === 5;
  const dst = destination(code, at);
  if (is64) pushRegister(code, dst);
  else pushWord(code, dst);
  const [same, opposite] = COMPARE.get(opcode & 0xf0) ?? [];
  if ((same === WASM.i64_eq || same === WASM.i64_ne) && constantOf(code, at) === 0) {
    writer.byte(is64 ? WASM.i64_eqz : WASM.i32_eqz);
    if ((same === WASM.i64_ne) !== negated) writer.byte(WASM.i32_eqz);
    return;
  }
  if (is64) pushSource(code, at);
  else pushSourceWord(code, at);
  if ((opcode & 0xf0) === JSET) {
    writer.byte(is64 ? WASM.i64_and : WASM.i32_and);
    writer.byte(is64 ? WASM.i64_eqz : WASM.i32_eqz);
    if (!negated) writer.byte(WASM.i32_eqz);
    return;
  }
  writer.byte((negated ? opposite! : same!) - (is64 ? 0 : WASM.i64_eq - WASM.i32_eq));
}

/** Jumps when the rounds are used up; each round that is left is taken off. */
function mayGoto({ writer, rounds }: Code, negated: boolean): void {
  writer.get(rounds);
  writer.i32(1);
  writer.byte(WASM.i32_sub);
  writer.tee(rounds);
  writer.i32(0);
  writer.byte(negated ? WASM.i32_ge_s : WASM.i32_lt_s);
}
