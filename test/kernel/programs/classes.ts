import type { Instruction } from '../../../engine/isa/index.ts';
import { BPF_PSEUDO_CALL, LDDW } from '../../../engine/isa/index.ts';
import { splice } from './mutate.ts';

/** A program that ours accepts and the kernel refuses, and what the kernel says of it. */
export interface Refused {
  readonly instructions: readonly Instruction[];
  /** The line of the kernel's log that says why. */
  readonly message: string;
  /** Whether the kernel takes another program in its place. */
  loads(instructions: readonly Instruction[]): boolean;
}

/** Why the kernel may refuse what is safe; docs/verifier-differences.md has each by its name. */
export interface RefusalClass {
  readonly name: string;
  holds(refused: Refused): boolean;
}

const JUMPS = new Set([0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0]);
/** Comparisons that hold for a number and itself: jeq, jge, jle, jsge, jsle. */
const REFLEXIVE = new Set([0x10, 0x30, 0x70, 0xb0, 0xd0]);
const JA = 0x05;
const JNE_ZERO = 0x55;

/** The program with comparisons of a register with itself decided; `jset` asks whether the number is 0. */
function withoutSelfComparisons(instructions: readonly Instruction[]): readonly Instruction[] {
  return instructions.map((it, at) => {
    const klass = it.opcode & 7;
    const isSecond = at > 0 && instructions[at - 1]!.opcode === LDDW;
    if (isSecond || (klass !== 5 && klass !== 6) || (it.opcode & 8) === 0 || it.dst !== it.src) return it;
    const operation = it.opcode & 0xf0;
    if (!JUMPS.has(operation)) return it;
    if (operation === 0x40) return { ...it, opcode: (JNE_ZERO & ~7) | klass, src: 0, imm: 0 };
    return { opcode: JA, dst: 0, src: 0, offset: REFLEXIVE.has(operation) ? it.offset : 0, imm: 0 };
  });
}

export const REFUSAL_CLASSES: readonly RefusalClass[] = [
  {
    name: 'too complex',
    holds: ({ message }) =>
      /^BPF program is too large\. Processed \d+ insn|^The sequence of \d+ jumps is too complex/.test(message),
  },
  {
    name: 'register compared with itself',
    holds({ instructions, loads }) {
      const decided = withoutSelfComparisons(instructions);
      return decided.some((it, at) => it !== instructions[at]) && loads(reachable(decided));
    },
  },
];

/** The program without the slots that no way leads to any more, which the kernel refuses. */
function reachable(instructions: readonly Instruction[]): readonly Instruction[] {
  const seen = new Set<number>();
  const pending = [0];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (let slot = at; slot >= 0 && slot < instructions.length && !seen.has(slot); ) {
      seen.add(slot);
      const it = instructions[slot]!;
      const klass = it.opcode & 7;
      if (it.opcode === LDDW) {
        seen.add(slot + 1);
        slot += 2;
      } else if (it.opcode === 0x95) break;
      else if (it.opcode === JA) slot += 1 + it.offset;
      else if (it.opcode === 0x06) slot += 1 + it.imm;
      else {
        if (it.opcode === 0x85 && it.src === BPF_PSEUDO_CALL) pending.push(slot + 1 + it.imm);
        else if ((klass === 5 || klass === 6) && it.opcode !== 0x85) pending.push(slot + 1 + it.offset);
        slot += 1;
      }
    }
  }
  return cut(instructions, seen);
}

/** Takes out the slots that are not kept, and mends the jumps over them. */
function cut(instructions: readonly Instruction[], kept: ReadonlySet<number>): readonly Instruction[] {
  let shorter = instructions;
  for (let slot = instructions.length - 1; slot >= 0; slot--)
    if (!kept.has(slot)) shorter = splice(shorter, slot, 1, []);
  return shorter;
}
