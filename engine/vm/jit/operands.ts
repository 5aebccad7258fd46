import { REGISTERS } from '../decoded.ts';
import { KERNEL_BASE } from '../memory.ts';
import type { Code } from './code.ts';
import { WASM } from './wasm.ts';

/** Puts a register on the stack. */
export function pushRegister({ writer, registers, stackTop, framePointer }: Code, register: number): void {
  const local = registers[register]!;
  if (local >= 0) {
    writer.get(local);
  } else if (stackTop !== undefined) {
    writer.byte(WASM.i64_const);
    writer.wide(KERNEL_BASE | BigInt(stackTop));
  } else {
    writer.get(framePointer);
    writer.byte(WASM.i64_extend_i32_u);
    pushBase(writer);
    writer.byte(WASM.i64_or);
  }
}

/** Puts the address of offset 0 on the stack. */
export function pushBase(writer: Code['writer']): void {
  writer.byte(WASM.i64_const);
  writer.wide(KERNEL_BASE);
}

/** Puts the low half of a register on the stack. */
export function pushWord(code: Code, register: number): void {
  pushRegister(code, register);
  code.writer.byte(WASM.i32_wrap_i64);
}

export const destination = ({ program }: Code, at: number): number => program.dst[at]! >> 1;
export const source = ({ program }: Code, at: number): number => program.src[at]! >> 1;

/** The constant that an instruction's second operand is, undefined where it is a register. */
export function constantOf({ program }: Code, at: number): number | undefined {
  return program.src[at]! >> 1 >= REGISTERS ? program.imm[at]! : undefined;
}

/** Puts the second operand on the stack. */
export function pushSource(code: Code, at: number): void {
  const constant = constantOf(code, at);
  if (constant === undefined) pushRegister(code, source(code, at));
  else code.writer.i64(constant);
}

/** Puts the low half of the second operand on the stack. */
export function pushSourceWord(code: Code, at: number): void {
  const constant = constantOf(code, at);
  if (constant === undefined) pushWord(code, source(code, at));
  else code.writer.i32(constant);
}

/** Takes a register's value from the stack. */
export const setRegister = ({ writer, registers }: Code, register: number): void => writer.set(registers[register]!);

/** Takes the low half of a register from the stack; the high half becomes 0. */
export function setWord(code: Code, register: number): void {
  code.writer.byte(WASM.i64_extend_i32_u);
  setRegister(code, register);
}
