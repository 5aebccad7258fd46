import { type DecodedProgram, REGISTERS } from '../decoded.ts';
import { KERNEL_BASE_HIGH } from '../memory.ts';
import type { Code, Imports } from './code.ts';
import { FUEL, REGISTER_FILE } from './control-block.ts';
import type { Graph } from './graph.ts';
import { pushRegister, setRegister } from './operands.ts';
import type { Plan } from './plan.ts';
import { trackSums } from './sums.ts';
import { I32, I64, WASM, type Writer } from './wasm.ts';

const [CALL, CALLX, LDDW] = [0x85, 0x8d, 0x18] as const;
const LOAD_ACQUIRE = 0x100;

/**
 * How a function is entered: `main` takes the halves of r1 and gives the low half of r0, `batch` takes the offset of the first
 * context, a stride, a count and where results go, a `function` of the program r1 to r5 and its frame pointer.
 */
export type FunctionKind = 'main' | 'batch' | 'function';
export const PARAMETERS = { main: 2, batch: 4, function: 6 } as const satisfies Record<FunctionKind, number>;

/** Registers that a function names, and whether it writes the frame pointer, which only programs do that no verifier has seen. */
interface Used {
  readonly mask: number;
  readonly writesFrame: boolean;
}

/** What the functions of one module have in common. */
export interface Unit {
  readonly writer: Writer;
  readonly program: DecodedProgram;
  readonly probeReads: ReadonlySet<number> | undefined;
  readonly imports: Imports;
  readonly plan: Plan;
  readonly checked: boolean;
  readonly maxInstructions: number | undefined;
  /** Offset in memory of the lowest byte of the stack and of the byte above it. */
  readonly stackBottom: number;
  readonly stackTop: number;
  functionAt(slot: number): number;
  /** Told where the code of an instruction begins. */
  place(slot: number, position: number): void;
}

/** Looks at what a function's blocks use. */
export function registersOf(program: DecodedProgram, graph: Graph): Used {
  const { opcode, dst, src, imm } = program;
  let mask = 1;
  let writesFrame = false;
  for (const [block, start] of graph.start.entries()) {
    for (let at = start; at < graph.end[block]!; at++) {
      const op = opcode[at]!;
      if (op === CALL || op === CALLX) mask |= 0b11_1111;
      const to = dst[at]! >> 1;
      const from = src[at]! >> 1;
      mask |= 1 << to;
      if (from < REGISTERS) mask |= 1 << from;
      const group = op & 7;
      if (to === 10 && (group === 1 || group === 4 || group === 7 || op === LDDW)) writesFrame = true;
      const fetches = group === 3 && (op === 0xc3 || op === 0xdb) && (imm[at]! & 1) !== 0 && imm[at]! < LOAD_ACQUIRE;
      if ((fetches && from === 10) || (to === 10 && group === 3 && imm[at] === LOAD_ACQUIRE)) writesFrame = true;
      if (op === LDDW) at++;
    }
  }
  return { mask, writesFrame };
}

/** Numbers a function's locals. */
export function codeOf(unit: Unit, graph: Graph, { mask, writesFrame }: Used, kind: FunctionKind): Code {
  const registers: number[] = [];
  let local: number = PARAMETERS[kind];
  const isMain = kind !== 'function';
  for (let register = 0; register < REGISTERS; register++) {
    if (!isMain && register >= 1 && register <= 5) registers.push(register - 1);
    else if (((mask >> register) & 1) === 0 || (register === 10 && !writesFrame)) registers.push(-1);
    else registers.push(local++);
  }
  return {
    writer: unit.writer,
    program: unit.program,
    probeReads: unit.probeReads,
    imports: unit.imports,
    plan: unit.plan,
    checked: unit.checked,
    sums: unit.checked ? undefined : trackSums(unit.program, graph, isMain && !writesFrame ? unit.stackTop : undefined),
    registers,
    stackTop: isMain ? unit.stackTop : undefined,
    framePointer: PARAMETERS.function - 1,
    stackBottom: unit.stackBottom,
    wide: local,
    word: local + 1,
    word2: local + 2,
    label: local + 3,
    rounds: local + 4,
    functionAt: unit.functionAt,
  };
}

/** Declares the locals that `codeOf` numbered, and one more of 32 bits for a batch. */
export function declareLocals({ writer, wide }: Code, kind: FunctionKind): void {
  writer.unsigned(2);
  writer.unsigned(wide + 1 - PARAMETERS[kind]);
  writer.byte(I64);
  writer.unsigned(kind === 'batch' ? 5 : 4);
  writer.byte(I32);
}

/** Emits what comes before the first instruction. */
export function emitEntry(unit: Unit, code: Code, { mask }: Used, kind: FunctionKind): void {
  const { writer } = code;
  if (kind !== 'function' && unit.maxInstructions !== undefined) {
    writer.i32(0);
    writer.byte(WASM.i64_const);
    writer.wide(BigInt(unit.maxInstructions));
    writer.access(WASM.i64_store, FUEL);
  }
  if (kind === 'batch') again(code, mask);
  if (kind !== 'function' && (mask & 0b10) !== 0) {
    if (kind === 'batch') writer.i32(KERNEL_BASE_HIGH);
    else writer.get(1);
    writer.byte(WASM.i64_extend_i32_u);
    writer.i64(32);
    writer.byte(WASM.i64_shl);
    writer.get(0);
    writer.byte(WASM.i64_extend_i32_u);
    writer.byte(WASM.i64_or);
    setRegister(code, 1);
  }
  if (kind === 'main' && (mask & 0b100) !== 0) {
    writer.i32(0);
    writer.access(WASM.i64_load, REGISTER_FILE + 8 * 2);
    setRegister(code, 2);
  }
  if (code.registers[10]! < 0) return;
  pushRegister({ ...code, registers: code.registers.with(10, -1) }, 10);
  setRegister(code, 10);
}

/** Makes registers as they are at entry: locals keep what the run before left. */
function again(code: Code, mask: number): void {
  const { writer } = code;
  for (let register = 0; register < 10; register++) {
    if (((mask >> register) & 1) === 0) continue;
    writer.i64(0);
    setRegister(code, register);
  }
  writer.i32(0);
  writer.set(code.label);
}
