import { REGISTERS } from '../decoded.ts';
import type { Code } from './code.ts';
import {
  constantOf,
  destination,
  pushRegister,
  pushSource,
  pushSourceWord,
  pushWord,
  setRegister,
  setWord,
  source,
} from './operands.ts';
import { I32, I64, WASM } from './wasm.ts';

/** Operations whose result is one instruction's, by the high half of the opcode (RFC 9669, section 4.1). Shift counts wrap in both machines. */
const PLAIN: ReadonlyMap<number, readonly [wide: number, word: number]> = new Map([
  [0x00, [WASM.i64_add, WASM.i32_add]],
  [0x10, [WASM.i64_sub, WASM.i32_sub]],
  [0x20, [WASM.i64_mul, WASM.i32_mul]],
  [0x40, [WASM.i64_or, WASM.i32_or]],
  [0x50, [WASM.i64_and, WASM.i32_and]],
  [0x60, [WASM.i64_shl, WASM.i32_shl]],
  [0x70, [WASM.i64_shr_u, WASM.i32_shr_u]],
  [0xa0, [WASM.i64_xor, WASM.i32_xor]],
  [0xc0, [WASM.i64_shr_s, WASM.i32_shr_s]],
]);
const [MUL, DIV, NEG, MOD, MOV, SWAP] = [0x20, 0x30, 0x80, 0x90, 0xb0, 0xd0] as const;

/** Emits an instruction of class ALU or ALU64. */
export function emitArithmetic(code: Code, at: number): void {
  const opcode = code.program.opcode[at]!;
  const is64 = (opcode & 7) === 7;
  const operation = opcode & 0xf0;
  if (operation === MOV) {
    if (is64) move(code, at);
    else moveWord(code, at);
  } else if (operation === NEG) negate(code, at, is64);
  else if (operation === SWAP) byteOrder(code, at, opcode);
  else if (operation === DIV || operation === MOD) divide(code, at, is64, operation === MOD);
  else plain(code, at, is64, operation);
}

/**
 * Multiplies by a power of two, or by its neighbour, without a multiplication, which would take longer.
 * @returns false for other factors, for which nothing was emitted
 */
function shiftInstead(code: Code, at: number): boolean {
  const { writer } = code;
  const factor = constantOf(code, at) ?? 0;
  const isPower = isPowerOfTwo(factor);
  const isBelow = isPowerOfTwo(factor + 1);
  if (!isPower && !isBelow && !isPowerOfTwo(factor - 1)) return false;
  const dst = destination(code, at);
  pushRegister(code, dst);
  writer.i64(31 - Math.clz32(isBelow ? factor + 1 : factor));
  writer.byte(WASM.i64_shl);
  if (!isPower) {
    pushRegister(code, dst);
    writer.byte(isBelow ? WASM.i64_sub : WASM.i64_add);
  }
  setRegister(code, dst);
  return true;
}

const isPowerOfTwo = (n: number): boolean => n > 1 && (n & (n - 1)) === 0;

function plain(code: Code, at: number, is64: boolean, operation: number): void {
  if (operation === MUL && is64 && shiftInstead(code, at)) return;
  const [wide, word] = PLAIN.get(operation)!;
  const dst = destination(code, at);
  if (is64) {
    pushRegister(code, dst);
    pushSource(code, at);
    code.writer.byte(wide);
    setRegister(code, dst);
  } else {
    pushWord(code, dst);
    pushSourceWord(code, at);
    code.writer.byte(word);
    setWord(code, dst);
  }
}

function move(code: Code, at: number): void {
  pushSource(code, at);
  const bits = code.program.offset[at]!;
  if (bits !== 0)
    code.writer.byte(bits === 8 ? WASM.i64_extend8_s : bits === 16 ? WASM.i64_extend16_s : WASM.i64_extend32_s);
  setRegister(code, destination(code, at));
}

function moveWord(code: Code, at: number): void {
  pushSourceWord(code, at);
  const bits = code.program.offset[at]!;
  if (bits !== 0) code.writer.byte(bits === 8 ? WASM.i32_extend8_s : WASM.i32_extend16_s);
  setWord(code, destination(code, at));
}

function negate(code: Code, at: number, is64: boolean): void {
  const { writer } = code;
  const dst = destination(code, at);
  if (is64) {
    writer.i64(0);
    pushRegister(code, dst);
    writer.byte(WASM.i64_sub);
    setRegister(code, dst);
  } else {
    writer.i32(0);
    pushWord(code, dst);
    writer.byte(WASM.i32_sub);
    setWord(code, dst);
  }
}

/**
 * Division and modulo never trap here: by zero the quotient is 0 and the remainder the dividend, and the least number by -1 is
 * itself (section 4.1).
 */
function divide(code: Code, at: number, is64: boolean, isModulo: boolean): void {
  const { writer, program } = code;
  const dst = destination(code, at);
  const signed = program.offset[at] === 1;
  const constant = constantOf(code, at);
  const push = (): void => (is64 ? pushRegister(code, dst) : pushWord(code, dst));
  const pushDivisor = (): void => (is64 ? pushSource(code, at) : pushSourceWord(code, at));
  const pushZero = (): void => (is64 ? writer.i64(0) : writer.i32(0));
  const set = (): void => (is64 ? setRegister(code, dst) : setWord(code, dst));
  const operate = (): void => {
    push();
    pushDivisor();
    const wide = signed ? (isModulo ? WASM.i64_rem_s : WASM.i64_div_s) : isModulo ? WASM.i64_rem_u : WASM.i64_div_u;
    writer.byte(is64 ? wide : wide - (WASM.i64_div_s - WASM.i32_div_s));
  };
  const negated = (): void => {
    pushZero();
    push();
    writer.byte(is64 ? WASM.i64_sub : WASM.i32_sub);
  };
  const byZero = (): void => (isModulo ? push() : pushZero());
  const mayOverflow = signed && !isModulo;

  if (constant !== undefined) {
    if (constant === 0) byZero();
    else if (constant === -1 && mayOverflow) negated();
    else operate();
    set();
    return;
  }
  const choose = (otherwise: () => void, chosen: () => void): void => {
    writer.byte(WASM.if);
    writer.byte(is64 ? I64 : I32);
    chosen();
    writer.byte(WASM.else);
    otherwise();
    writer.byte(WASM.end);
  };
  pushDivisor();
  writer.byte(is64 ? WASM.i64_eqz : WASM.i32_eqz);
  choose(() => {
    if (!mayOverflow) {
      operate();
      return;
    }
    pushDivisor();
    if (is64) writer.i64(-1);
    else writer.i32(-1);
    writer.byte(is64 ? WASM.i64_eq : WASM.i32_eq);
    choose(operate, negated);
  }, byZero);
  set();
}

function byteOrder(code: Code, at: number, opcode: number): void {
  const dst = destination(code, at);
  const width = code.program.imm[at]!;
  const swaps = opcode !== 0xd4;
  if (width === 64) {
    if (!swaps) return;
    pushRegister(code, dst);
    emitSwap64(code);
    setRegister(code, dst);
    return;
  }
  pushWord(code, dst);
  if (swaps && width === 32) emitSwap32(code);
  else if (swaps) emitSwap16(code);
  else if (width === 16) {
    code.writer.i32(0xffff);
    code.writer.byte(WASM.i32_and);
  }
  setWord(code, dst);
}

/** Reverses the bytes of the 64-bit number on the stack. */
export function emitSwap64({ writer, wide }: Code): void {
  const exchange = (mask: bigint, bits: number): void => {
    writer.tee(wide);
    writer.byte(WASM.i64_const);
    writer.wide(mask);
    writer.byte(WASM.i64_and);
    writer.i64(bits);
    writer.byte(WASM.i64_shl);
    writer.get(wide);
    writer.i64(bits);
    writer.byte(WASM.i64_shr_u);
    writer.byte(WASM.i64_const);
    writer.wide(mask);
    writer.byte(WASM.i64_and);
    writer.byte(WASM.i64_or);
  };
  exchange(0x00ff_00ff_00ff_00ffn, 8);
  exchange(0x0000_ffff_0000_ffffn, 16);
  writer.i64(32);
  writer.byte(WASM.i64_rotl);
}

/** Reverses the bytes of the 32-bit number on the stack. */
export function emitSwap32({ writer, word }: Code): void {
  writer.tee(word);
  writer.i32(8);
  writer.byte(WASM.i32_rotl);
  writer.i32(0x00ff00ff);
  writer.byte(WASM.i32_and);
  writer.get(word);
  writer.i32(24);
  writer.byte(WASM.i32_rotl);
  writer.i32(0xff00ff00);
  writer.byte(WASM.i32_and);
  writer.byte(WASM.i32_or);
}

/** Reverses the low 16 bits of the 32-bit number on the stack and clears the others. */
export function emitSwap16({ writer, word }: Code): void {
  writer.tee(word);
  writer.i32(8);
  writer.byte(WASM.i32_shl);
  writer.i32(0xff00);
  writer.byte(WASM.i32_and);
  writer.get(word);
  writer.i32(8);
  writer.byte(WASM.i32_shr_u);
  writer.i32(0xff);
  writer.byte(WASM.i32_and);
  writer.byte(WASM.i32_or);
}

/** Emits a wide instruction, whose constant may be an address. */
export function emitWideConstant(code: Code, at: number): void {
  const { writer, program } = code;
  writer.byte(WASM.i64_const);
  writer.wide(program.constants[source(code, at) - REGISTERS]!);
  setRegister(code, destination(code, at));
}
