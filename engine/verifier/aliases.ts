import type { Flow } from './flow.ts';
import type { Step } from './step.ts';

/** A register that no pointer into the function's own stack frame can be in. */
export const NO_STACK = 1000;
/** A register that may point anywhere into the function's own stack frame. */
export const ANY_STACK = 2000;
const NOT_REACHED = 3000;

const REGISTERS = 11;

/** For each slot and register: NO_STACK, ANY_STACK, or the exact distance from r10 in bytes. */
export interface Aliases {
  of(at: number, register: number): number;
}

/**
 * Which registers can point into the stack frame of their own function, found without exploring: a forward analysis over the
 * control flow. It tells the liveness analysis which stack slots a load or store touches.
 */
export function stackAliases(flow: Flow): Aliases {
  let found = analyse(flow, false);
  if (found.spills) found = analyse(flow, true);
  const { table } = found;
  return { of: (at, register) => table[at * REGISTERS + register]! };
}

const join = (a: number, b: number): number => (a === b || b === NOT_REACHED ? a : a === NOT_REACHED ? b : ANY_STACK);

/** @param spilled whether stack pointers are stored somewhere, so that a load of 8 bytes may bring one back */
function analyse(flow: Flow, spilled: boolean): { table: Int16Array; spills: boolean } {
  const table = new Int16Array(flow.steps.length * REGISTERS).fill(NOT_REACHED);
  let spills = false;
  const pending: number[] = [];
  const registers = new Int16Array(REGISTERS);
  for (const start of flow.functions) {
    table.fill(NO_STACK, start * REGISTERS, start * REGISTERS + 10);
    table[start * REGISTERS + 10] = 0;
    pending.push(start);
  }
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const step = flow.steps[at]!;
    registers.set(table.subarray(at * REGISTERS, (at + 1) * REGISTERS));
    if (step.kind === 'store' && step.register && registers[step.src] !== NO_STACK) spills = true;
    transfer(step, registers, spilled);
    for (const next of flow.successors(step)) {
      let changed = false;
      for (let r = 0; r < REGISTERS; r++) {
        const before = table[next * REGISTERS + r]!;
        const after = join(before, registers[r]!);
        if (after !== before) {
          table[next * REGISTERS + r] = after;
          changed = true;
        }
      }
      if (changed) pending.push(next);
    }
  }
  return { table, spills };
}

function transfer(step: Step, registers: Int16Array, spilled: boolean): void {
  switch (step.kind) {
    case 'alu':
      registers[step.dst] = afterArithmetic(step, registers);
      return;
    case 'load':
      registers[step.dst] = spilled && step.width === 64 ? ANY_STACK : NO_STACK;
      return;
    case 'constant':
      registers[step.dst] = NO_STACK;
      return;
    case 'atomic':
      if (step.operation === 'lock_cmpxchg') registers[0] = NO_STACK;
      else if (/fetch|xchg/.test(step.operation)) registers[step.src] = NO_STACK;
      return;
    case 'helper':
    case 'call':
      registers.fill(NO_STACK, 0, 6);
      return;
    default:
      return;
  }
}

function afterArithmetic(step: Step, registers: Int16Array): number {
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
