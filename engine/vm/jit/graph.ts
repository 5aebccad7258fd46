import type { DecodedProgram } from '../decoded.ts';

/** Basic blocks of one function, by index; the first is where it begins. */
export interface Graph {
  /** Slot of the first instruction, and the slot behind the last. */
  readonly start: readonly number[];
  readonly end: readonly number[];
  /** Where a jump that is taken goes, and what follows otherwise; -1 where there is nothing. */
  readonly taken: readonly number[];
  readonly next: readonly number[];
}

const LDDW = 0x18;
const JA = 0x05;
const GOTOL = 0x06;
const CALL = 0x85;
const CALLX = 0x8d;
const EXIT = 0x95;

/** Whether an instruction goes to its target or to the next. */
export const isConditional = (opcode: number): boolean =>
  ((opcode & 7) === 5 || (opcode & 7) === 6) &&
  opcode !== JA &&
  opcode !== GOTOL &&
  opcode !== CALL &&
  opcode !== CALLX &&
  opcode !== EXIT;

export const isJump = (opcode: number): boolean => opcode === JA || opcode === GOTOL;

/** Whether nothing follows: the function's end, or no instruction at all. */
const isLast = (opcode: number): boolean => opcode === EXIT || opcode === 0;

/** The blocks that can be reached from a function's first slot. Functions that share code each get their own. */
export function functionGraph({ opcode, offset }: DecodedProgram, entry: number): Graph {
  const slots = opcode.length;
  const seen = new Uint8Array(slots);
  /** Index of the block that begins at a slot, plus 1. */
  const blockAt = new Int32Array(slots);
  const leaders: number[] = [];
  const lead = (slot: number): void => {
    if (blockAt[slot] !== 0) return;
    leaders.push(slot);
    blockAt[slot] = leaders.length;
  };
  lead(entry);
  for (let index = 0; index < leaders.length; index++) {
    let at = leaders[index]!;
    while (seen[at] === 0) {
      seen[at] = 1;
      const code = opcode[at]!;
      if (isLast(code)) break;
      if (isJump(code)) {
        lead(offset[at]!);
        break;
      }
      if (isConditional(code)) {
        lead(at + 1);
        lead(offset[at]!);
        break;
      }
      at += code === LDDW ? 2 : 1;
      if (seen[at] !== 0) lead(at);
    }
  }
  return blocks(leaders, blockAt, opcode, offset);
}

function blocks(leaders: readonly number[], blockAt: Int32Array, opcode: Uint8Array, offset: Int32Array): Graph {
  const graph = { start: leaders, end: [] as number[], taken: [] as number[], next: [] as number[] };
  const block = (slot: number): number => blockAt[slot]! - 1;
  for (const start of leaders) {
    let at = start;
    let [taken, next] = [-1, -1];
    for (;;) {
      const code = opcode[at]!;
      const end = at + (code === LDDW ? 2 : 1);
      if (isConditional(code)) [taken, next] = [block(offset[at]!), block(end)];
      else if (isJump(code)) next = block(offset[at]!);
      else if (!isLast(code)) {
        at = end;
        if (blockAt[at] === 0) continue;
        next = block(at);
        graph.end.push(at);
        break;
      }
      graph.end.push(end);
      break;
    }
    graph.taken.push(taken);
    graph.next.push(next);
  }
  return graph;
}
