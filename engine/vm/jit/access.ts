import { GUARD_BYTES, KERNEL_BASE } from '../memory.ts';
import { emitSwap16, emitSwap32 } from './arithmetic.ts';
import type { Code, Leave } from './code.ts';
import { LIMIT } from './control-block.ts';
import { destination, pushRegister, pushSource, pushWord, setRegister, source } from './operands.ts';
import { I64, VOID, WASM } from './wasm.ts';

/** Address of the first byte that can be allocated. */
const FIRST = KERNEL_BASE + BigInt(GUARD_BYTES);
const FRAME_BYTES = 512;

const LOADS: ReadonlyMap<number, number> = new Map([
  [0x71, WASM.i64_load8_u],
  [0x69, WASM.i64_load16_u],
  [0x61, WASM.i64_load32_u],
  [0x79, WASM.i64_load],
  [0x91, WASM.i64_load8_s],
  [0x89, WASM.i64_load16_s],
  [0x81, WASM.i64_load32_s],
  [0xd3, WASM.i64_load8_u],
  [0xcb, WASM.i64_load16_u],
  [0xc3, WASM.i64_load32_u],
  [0xdb, WASM.i64_load],
]);
const STORES: Readonly<Record<number, number>> = {
  1: WASM.i64_store8,
  2: WASM.i64_store16,
  4: WASM.i64_store32,
  8: WASM.i64_store,
};

/** Bytes that a load, store or atomic operation touches. */
export const accessBytes = (opcode: number): number => [4, 2, 1, 8][(opcode >> 3) & 3]!;

/**
 * Puts the offset in memory of register + distance on the stack; the number returned is to be added by the access itself. Where
 * no verifier has seen the program, an address outside of what is allocated ends the run.
 */
export function pushAddress(code: Code, at: number, register: number): number {
  const { writer, program } = code;
  const distance = program.offset[at]!;
  if (code.registers[register] === -1) {
    const inFrame = distance < 0 && distance >= -FRAME_BYTES;
    if (inFrame || !code.checked) {
      if (code.stackTop !== undefined) {
        writer.i32(code.stackTop + distance);
      } else {
        writer.get(code.framePointer);
        writer.i32(distance);
        writer.byte(WASM.i32_add);
      }
      return 0;
    }
  }
  if (code.checked) {
    pushIsOutside(code, at, register);
    writer.byte(WASM.if);
    writer.byte(VOID);
    writer.i32(at);
    writer.get(code.wide);
    writer.byte(WASM.call);
    writer.unsigned(code.imports.fault);
    writer.byte(WASM.end);
    writer.get(code.wide);
    writer.byte(WASM.i32_wrap_i64);
    return 0;
  }
  const sum = code.sums?.of(register);
  if (sum?.register === -1) {
    writer.i32(sum.base + distance);
    return 0;
  }
  pushWord(code, sum?.register ?? register);
  const rest = distance + (sum?.base ?? 0);
  if (!sum && rest >= 0) return rest;
  writer.i32(rest);
  writer.byte(WASM.i32_add);
  return 0;
}

/** Leaves the address in `wide`, and on the stack whether its bytes are outside of what is allocated. */
function pushIsOutside(code: Code, at: number, register: number): void {
  const { writer, program } = code;
  pushRegister(code, register);
  if (program.offset[at] !== 0) {
    writer.i64(program.offset[at]!);
    writer.byte(WASM.i64_add);
  }
  writer.tee(code.wide);
  writer.byte(WASM.i64_const);
  writer.wide(FIRST);
  writer.byte(WASM.i64_sub);
  writer.i32(0);
  writer.access(WASM.i64_load, LIMIT);
  writer.i64(accessBytes(program.opcode[at]!));
  writer.byte(WASM.i64_sub);
  writer.byte(WASM.i64_gt_u);
}

/** Emits a load; one of `probeReads` reads 0 where nothing is allocated. Other CPUs would see load_acquire in order; this machine has one. */
export function emitLoad(code: Code, at: number): void {
  const { writer, program } = code;
  const load = LOADS.get(program.opcode[at]!)!;
  const register = source(code, at);
  if (code.probeReads?.has(at)) {
    pushIsOutside(code, at, register);
    writer.byte(WASM.if);
    writer.byte(I64);
    writer.i64(0);
    writer.byte(WASM.else);
    writer.get(code.wide);
    writer.byte(WASM.i32_wrap_i64);
    writer.access(load, 0);
    writer.byte(WASM.end);
  } else {
    const offset = pushAddress(code, at, register);
    writer.access(load, offset);
  }
  setRegister(code, destination(code, at));
}

/** Emits a 32-bit load that gives a whole pointer, or null. */
export function emitPointerLoad(code: Code, at: number): void {
  const { writer, wide } = code;
  const offset = pushAddress(code, at, source(code, at));
  writer.access(WASM.i64_load32_u, offset);
  writer.tee(wide);
  writer.byte(WASM.i64_const);
  writer.wide(KERNEL_BASE);
  writer.byte(WASM.i64_or);
  writer.i64(0);
  writer.get(wide);
  writer.byte(WASM.i64_eqz);
  writer.byte(WASM.i32_eqz);
  writer.byte(WASM.select);
  setRegister(code, destination(code, at));
}

export function emitStore(code: Code, at: number): void {
  const offset = pushAddress(code, at, destination(code, at));
  pushSource(code, at);
  code.writer.access(STORES[accessBytes(code.program.opcode[at]!)]!, offset);
}

/** Emits an access to the packet (RFC 9669, section 5.5): big endian, and beyond the packet's end the function ends with 0. */
export function emitPacketLoad(code: Code, at: number, leave: Leave): void {
  const { writer, program, word2 } = code;
  const opcode = program.opcode[at]!;
  const bytes = accessBytes(opcode);
  const isIndirect = opcode >= 0x40;
  writer.i32(program.imm[at]!);
  if (isIndirect) {
    pushWord(code, source(code, at));
    writer.byte(WASM.i32_add);
  }
  writer.i32(bytes);
  writer.byte(WASM.call);
  writer.unsigned(code.imports.packet);
  writer.tee(word2);
  writer.i32(-1);
  writer.byte(WASM.i32_eq);
  writer.byte(WASM.if);
  writer.byte(VOID);
  writer.i64(0);
  setRegister(code, 0);
  leave(1);
  writer.byte(WASM.end);
  writer.get(word2);
  writer.access(bytes === 1 ? WASM.i64_load8_u : bytes === 2 ? WASM.i64_load16_u : WASM.i64_load32_u, 0);
  if (bytes > 1) {
    writer.byte(WASM.i32_wrap_i64);
    if (bytes === 2) emitSwap16(code);
    else emitSwap32(code);
    writer.byte(WASM.i64_extend_i32_u);
  }
  setRegister(code, 0);
}
