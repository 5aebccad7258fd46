import { STACK_BYTES } from '../thread.ts';
import type { Code, Leave } from './code.ts';
import { REGISTER_FILE } from './control-block.ts';
import {
  emitArrayLookup,
  emitChange,
  emitCommit,
  emitLookup,
  emitProbeRead,
  emitQuick,
  emitReserve,
} from './inline.ts';
import { destination, pushRegister, setRegister, source } from './operands.ts';
import type { CallPlan } from './plan.ts';
import { VOID, WASM } from './wasm.ts';

/** `src` of a call of the program's own function. */
const LOCAL = 1;
const ARGUMENTS = [1, 2, 3, 4, 5] as const;

/** Emits a call; where a tail call took the function's place, it ends. */
export function emitCall(code: Code, at: number, leave: Leave): void {
  if (source(code, at) === LOCAL) callLocal(code, at);
  else callPlanned(code, at, leave, code.plan.at(at));
}

function callPlanned(code: Code, at: number, leave: Leave, plan: CallPlan): void {
  const first = code.imports.host;
  switch (plan.kind) {
    case 'host':
      callHost(code, at, leave, first + plan.index);
      break;
    case 'quick':
      emitQuick(code, first + plan.index, plan.gives);
      break;
    case 'array':
      emitArrayLookup(code, plan);
      break;
    case 'lookup':
      emitLookup(code, first + plan.index);
      break;
    case 'update':
      emitChange(code, first + plan.index, plan.flags);
      break;
    case 'delete':
      emitChange(code, first + plan.index);
      break;
    case 'reserve':
      emitReserve(code, plan);
      break;
    case 'commit':
      emitCommit(code, plan);
      break;
    case 'probe':
      emitProbeRead(code, plan, first + plan.index);
      break;
  }
}

/** Emits a call of the helper whose number a register has. */
export function emitIndirectCall(code: Code, at: number, leave: Leave): void {
  callHost(code, at, leave, code.imports.indirect, destination(code, at));
}

/** The functions of a program are functions of WebAssembly, so that r6 to r9 are each one's own; r1 to r5 are handed over. */
function callLocal(code: Code, at: number): void {
  const { writer, program, stackTop, framePointer } = code;
  if (code.checked && stackTop === undefined) {
    writer.get(framePointer);
    writer.i32(code.stackBottom + STACK_BYTES);
    writer.byte(WASM.i32_le_u);
    writer.byte(WASM.if);
    writer.byte(VOID);
    emitFault(code, at);
    writer.byte(WASM.end);
  }
  for (const register of ARGUMENTS) pushRegister(code, register);
  if (stackTop !== undefined) {
    writer.i32(stackTop - STACK_BYTES);
  } else {
    writer.get(framePointer);
    writer.i32(STACK_BYTES);
    writer.byte(WASM.i32_sub);
  }
  writer.byte(WASM.call);
  writer.unsigned(code.functionAt(program.offset[at]!));
  setRegister(code, 0);
}

/** @param number register that the host function takes as third argument */
function callHost(code: Code, at: number, leave: Leave, index: number, number?: number): void {
  const { writer } = code;
  for (const register of ARGUMENTS) {
    writer.i32(0);
    pushRegister(code, register);
    writer.access(WASM.i64_store, REGISTER_FILE + 8 * register);
  }
  writer.i32(at);
  pushFrame(code);
  if (number !== undefined) pushRegister(code, number);
  writer.byte(WASM.call);
  writer.unsigned(index);
  writer.i32(0);
  writer.access(WASM.i64_load, REGISTER_FILE);
  setRegister(code, 0);
  writer.byte(WASM.if);
  writer.byte(VOID);
  leave(1);
  writer.byte(WASM.end);
}

function pushFrame({ writer, stackTop, framePointer }: Code): void {
  if (stackTop !== undefined) writer.i32(stackTop);
  else writer.get(framePointer);
}

/** Emits the end of the run, with the reason that the instruction at the slot implies. */
export function emitFault({ writer, imports }: Code, at: number): void {
  writer.i32(at);
  writer.i64(0);
  writer.byte(WASM.call);
  writer.unsigned(imports.fault);
  writer.byte(WASM.unreachable);
}
