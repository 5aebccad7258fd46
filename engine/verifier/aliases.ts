import type { Flow } from './flow.ts';
import type { Step } from './step.ts';

/** A register that no pointer into the function's own stack frame can be in. */
export const NO_STACK = 1000;
/** A register that may point anywhere into the function's own stack frame. */
export const ANY_STACK = 2000;
/** A register whose number isn't known without exploring; other negative ones are the complement of a function's first slot. */
const NO_NUMBER = -0x8000_0000;
const NOT_REACHED = -0x7fff_ffff;

const REGISTERS = 11;
const COLUMNS = 2 * REGISTERS;

/** What is known of registers before each slot without exploring. */
export interface Aliases {
  /** NO_STACK, ANY_STACK, or the exact distance from r10 in bytes. */
  of(at: number, register: number): number;
  /** The number or map handle that the register holds whatever the way, undefined where there is no such. */
  number(at: number, register: number): number | undefined;
  /** First slot of the function whose address the register holds whatever the way, undefined where there is no such. */
  code(at: number, register: number): number | undefined;
}

/**
 * Which registers can point into the stack frame of their own function, and which hold the same small number or map on all ways: a
 * forward analysis over the control flow. It tells the liveness analysis which stack slots a load, a store or a helper touches.
 */
export function stackAliases(flow: Flow): Aliases {
  let found = analyse(flow, false);
  if (found.spills) found = analyse(flow, true);
  const { table } = found;
  return {
    of: (at, register) => table[at * COLUMNS + register]!,
    number: (at, register) => {
      const number = table[at * COLUMNS + REGISTERS + register]!;
      return number < 0 ? undefined : number;
    },
    code: (at, register) => {
      const number = table[at * COLUMNS + REGISTERS + register]!;
      return number < 0 && number > NOT_REACHED ? ~number : undefined;
    },
  };
}

/** @param spilled whether stack pointers are stored somewhere, so that a load of 8 bytes may bring one back */
function analyse(flow: Flow, spilled: boolean): { table: Int32Array; spills: boolean } {
  const table = new Int32Array(flow.steps.length * COLUMNS).fill(NOT_REACHED);
  let spills = false;
  const pending = new Uint8Array(flow.steps.length + 1);
  const registers = new Int32Array(COLUMNS);
  for (const start of flow.functions) {
    const base = start * COLUMNS;
    table.fill(NO_STACK, base, base + 10);
    table[base + 10] = 0;
    table.fill(NO_NUMBER, base + REGISTERS, base + COLUMNS);
    pending[start] = 1;
  }
  for (let at = pending.indexOf(1); at >= 0; at = pending.indexOf(1, at)) {
    pending[at] = 0;
    const step = flow.steps[at];
    if (!step) continue;
    let back = at;
    registers.set(table.subarray(at * COLUMNS, (at + 1) * COLUMNS));
    if (step.kind === 'store' && step.register && registers[step.src] !== NO_STACK) spills = true;
    transfer(step, registers, spilled);
    for (const next of flow.successors(step)) {
      let changed = false;
      for (let column = 0; column < COLUMNS; column++) {
        const before = table[next * COLUMNS + column]!;
        const value = registers[column]!;
        if (before === value || value === NOT_REACHED) continue;
        const top = column < REGISTERS ? ANY_STACK : NO_NUMBER;
        if (before === top) continue;
        table[next * COLUMNS + column] = before === NOT_REACHED ? value : top;
        changed = true;
      }
      if (!changed) continue;
      pending[next] = 1;
      back = Math.min(back, next);
    }
    at = back;
  }
  return { table, spills };
}

function set(registers: Int32Array, register: number, stack: number, number: number): void {
  registers[register] = stack;
  registers[REGISTERS + register] = number;
}

function transfer(step: Step, registers: Int32Array, spilled: boolean): void {
  switch (step.kind) {
    case 'alu':
      set(registers, step.dst, afterArithmetic(step, registers), numberAfter(step, registers));
      return;
    case 'load':
      set(registers, step.dst, spilled && step.width === 64 ? ANY_STACK : NO_STACK, NO_NUMBER);
      return;
    case 'constant':
      set(
        registers,
        step.dst,
        NO_STACK,
        step.src === 0 ? NO_NUMBER : step.target === -1 ? Math.max(0, step.imm) : ~step.target,
      );
      return;
    case 'atomic':
      if (step.operation === 'lock_cmpxchg') set(registers, 0, NO_STACK, NO_NUMBER);
      else if (/fetch|xchg/.test(step.operation)) set(registers, step.src, NO_STACK, NO_NUMBER);
      return;
    case 'helper':
    case 'callx':
    case 'kfunc':
    case 'packet':
    case 'call':
      for (let r = 0; r < 6; r++) set(registers, r, NO_STACK, NO_NUMBER);
      return;
    default:
      return;
  }
}

function numberAfter(step: Step, registers: Int32Array): number {
  if (step.operation !== 'mov') return NO_NUMBER;
  if (!step.register) return step.imm >= 0 ? step.imm : NO_NUMBER;
  return registers[REGISTERS + step.src]!;
}

function afterArithmetic(step: Step, registers: Int32Array): number {
  const dst = registers[step.dst]!;
  const src = step.register ? registers[step.src]! : NO_STACK;
  if (step.width !== 64) return NO_STACK;
  if (step.operation === 'mov') return src;
  if (step.operation !== 'add' && step.operation !== 'sub') return NO_STACK;
  if (dst === NO_STACK && src === NO_STACK) return NO_STACK;
  if (step.register || dst === ANY_STACK) return ANY_STACK;
  const moved = step.operation === 'add' ? dst + step.imm : dst - step.imm;
  return moved >= -512 && moved <= 512 ? moved : ANY_STACK;
}
