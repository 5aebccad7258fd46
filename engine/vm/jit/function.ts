import { LOAD_POINTER } from '../decoded.ts';
import { MAX_MAY_GOTO } from '../thread.ts';
import { emitLoad, emitPacketLoad, emitPointerLoad, emitStore } from './access.ts';
import { emitArithmetic, emitWideConstant } from './arithmetic.ts';
import { emitAtomic } from './atomics.ts';
import { emitBatch } from './batch.ts';
import { emitCall, emitFault, emitIndirectCall } from './calls.ts';
import type { Code, Leave } from './code.ts';
import { emitCondition } from './conditions.ts';
import { FUEL, REGISTER_FILE } from './control-block.ts';
import { codeOf, declareLocals, emitEntry, type FunctionKind, registersOf, type Unit } from './frame.ts';
import { functionGraph, type Graph, isConditional, isJump } from './graph.ts';
import { type Layout, layOut } from './layout.ts';
import { pushRegister } from './operands.ts';
import { unroll } from './unroll.ts';
import { VOID, WASM } from './wasm.ts';

const [CALL, CALLX, EXIT, LDDW, MAY_GOTO] = [0x85, 0x8d, 0x95, 0x18, 0xe5] as const;
const [LOAD_ACQUIRE, STORE_RELEASE] = [0x100, 0x110] as const;

/** Emits the body of the function that begins at a slot: locals and code (WebAssembly core specification, section 5.5.13). */
export function emitFunction(unit: Unit, entry: number, kind: FunctionKind): void {
  const { writer, program } = unit;
  const whole = functionGraph(program, entry);
  const used = registersOf(program, whole);
  const code = codeOf(unit, whole, used, kind);
  const graph = unroll(program, whole);
  const layout = layOut(graph);
  const body = writer.open();
  declareLocals(code, kind);
  const run = (): void => {
    emitEntry(unit, code, used, kind);
    if (graph.end.some((end) => program.opcode[end - 1] === MAY_GOTO)) {
      writer.i32(MAX_MAY_GOTO);
      writer.set(code.rounds);
    }
    emitBlocks(unit, code, graph, layout, kind);
    writer.byte(WASM.unreachable);
  };
  if (kind === 'batch') emitBatch(code, run);
  else run();
  writer.byte(WASM.end);
  writer.close(body);
}

function emitBlocks(unit: Unit, code: Code, graph: Graph, layout: Layout, kind: FunctionKind): void {
  const { writer } = code;
  const { order, position, scopes, table } = layout;
  /** By position: how many scopes were open around the one whose end, or as a loop whose start, it is. */
  const ends = new Int32Array(order.length + 1);
  const starts = new Int32Array(order.length + 1);
  const open: number[] = [];
  let opened = 0;
  const entries = entriesOf(graph);

  const leave: Leave = (nested) => {
    if (kind === 'batch') {
      writer.byte(WASM.br);
      writer.unsigned(open.length + nested);
      return;
    }
    if (kind === 'main') {
      writer.i32(0);
      pushRegister(code, 0);
      writer.access(WASM.i64_store, REGISTER_FILE);
    }
    pushRegister(code, 0);
    if (kind === 'main') writer.byte(WASM.i32_wrap_i64);
    writer.byte(WASM.return);
  };
  /** Chooses where the branch table goes on, if the jump from a position to another goes through it. */
  const prepare = (from: number, to: number): void => {
    if (table === undefined || to > from) return;
    writer.i32(table.indexOf(to));
    writer.set(code.label);
  };
  const branch = (instruction: number, from: number, to: number): void => {
    const scope = to > from ? ends[to]! : table === undefined ? starts[to]! : 0;
    writer.byte(instruction);
    writer.unsigned(open.length - 1 - scope);
  };
  const goTo = (from: number, to: number): void => {
    if (to === from + 1) return;
    prepare(from, to);
    branch(WASM.br, from, to);
  };

  for (let at = 0; at < order.length; at++) {
    while (open.length > 0 && open.at(-1)! <= at) {
      open.pop();
      writer.byte(WASM.end);
    }
    for (; opened < scopes.length && scopes[opened]!.start === at; opened++) {
      const { isLoop, end } = scopes[opened]!;
      if (isLoop) starts[at] = open.length;
      else ends[end] = open.length;
      open.push(end);
      writer.byte(isLoop ? WASM.loop : WASM.block);
      writer.byte(VOID);
    }
    if (at === 0 && table !== undefined) emitTable(code, table, (to) => open.length - ends[to]!);

    const block = order[at]!;
    const [start, end] = [graph.start[block]!, graph.end[block]!];
    if (entries[block] !== 1 || !leadsTo(graph, order[at - 1], block)) code.sums?.forget();
    if (unit.maxInstructions !== undefined) burn(unit, start, end);
    const last = emitStraight(unit, code, start, end, leave);
    const opcode = last === undefined ? 0 : unit.program.opcode[last]!;
    const next = graph.next[block] === -1 ? -1 : position[graph.next[block]!]!;
    const taken = graph.taken[block] === -1 ? -1 : position[graph.taken[block]!]!;
    if (last !== undefined && isConditional(opcode) && taken !== next) {
      const inverted = taken === at + 1;
      const to = inverted ? next : taken;
      prepare(at, to);
      emitCondition(code, last, inverted);
      branch(WASM.br_if, at, to);
      if (!inverted) goTo(at, next);
    } else if (next !== -1) goTo(at, next);
  }
  for (; open.length > 0; open.pop()) writer.byte(WASM.end);
}

/** By block: how many jumps and blocks lead there, the first one being entered from outside too. */
function entriesOf({ taken, next }: Graph): Int32Array {
  const entries = new Int32Array(taken.length);
  entries[0] = 1;
  for (const to of [...taken, ...next]) if (to !== -1) entries[to]!++;
  return entries;
}

const leadsTo = ({ taken, next }: Graph, from: number | undefined, to: number): boolean =>
  from !== undefined && (taken[from] === to || next[from] === to);

/** Goes to the position that `label` stands for, the first at first. */
function emitTable({ writer, label }: Code, table: readonly number[], depth: (position: number) => number): void {
  writer.byte(WASM.block);
  writer.byte(VOID);
  writer.get(label);
  writer.byte(WASM.br_table);
  writer.unsigned(table.length);
  for (const [index, position] of table.entries()) writer.unsigned(index === 0 ? 0 : depth(position));
  writer.unsigned(0);
  writer.byte(WASM.end);
}

/** Takes a block's instructions off what the run may still execute. */
function burn({ writer, program, imports }: Unit, start: number, end: number): void {
  let count = 0;
  for (let at = start; at < end; at++, count++) if (program.opcode[at] === LDDW) at++;
  writer.i32(0);
  writer.i32(0);
  writer.access(WASM.i64_load, FUEL);
  writer.i64(count);
  writer.byte(WASM.i64_sub);
  writer.access(WASM.i64_store, FUEL);
  writer.i32(0);
  writer.access(WASM.i64_load, FUEL);
  writer.i64(0);
  writer.byte(WASM.i64_lt_s);
  writer.byte(WASM.if);
  writer.byte(VOID);
  writer.i32(start);
  writer.i32(count);
  writer.byte(WASM.call);
  writer.unsigned(imports.exhausted);
  writer.byte(WASM.end);
}

/** Emits a block but for the jump at its end, whose slot it returns; undefined where it ends without. */
function emitStraight(unit: Unit, code: Code, start: number, end: number, leave: Leave): number | undefined {
  const { program } = unit;
  for (let at = start; at < end; at++) {
    const opcode = program.opcode[at]!;
    unit.place(at, code.writer.size);
    if (opcode === LDDW) {
      emitWideConstant(code, at);
      code.sums?.follow(at);
      at++;
    } else if (isJump(opcode) || isConditional(opcode)) return at;
    else {
      emitInstruction(code, at, opcode, leave);
      code.sums?.follow(at);
    }
  }
  return undefined;
}

function emitInstruction(code: Code, at: number, opcode: number, leave: Leave): void {
  if (opcode === 0) emitFault(code, at);
  else if (opcode === LOAD_POINTER) emitPointerLoad(code, at);
  else if (opcode === EXIT) leave(0);
  else if (opcode === CALL) emitCall(code, at, leave);
  else if (opcode === CALLX) emitIndirectCall(code, at, leave);
  else EMIT[opcode & 7]?.(code, at, leave);
}

/** By class of the opcode (RFC 9669, section 3.1): ld, ldx, st, stx, alu, alu64. */
const EMIT: Readonly<Record<number, (code: Code, at: number, leave: Leave) => void>> = {
  0: emitPacketLoad,
  1: emitLoad,
  2: emitStore,
  3: emitStoreOrAtomic,
  4: emitArithmetic,
  7: emitArithmetic,
};

function emitStoreOrAtomic(code: Code, at: number): void {
  const imm = code.program.imm[at]!;
  if ((code.program.opcode[at]! & 0xe0) !== 0xc0 || imm === STORE_RELEASE) emitStore(code, at);
  else if (imm === LOAD_ACQUIRE) emitLoad(code, at);
  else emitAtomic(code, at);
}
