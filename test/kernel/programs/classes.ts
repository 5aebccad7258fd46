import type { Instruction } from '../../../engine/isa/index.ts';
import { BPF_PSEUDO_CALL, BPF_PSEUDO_MAP_VALUE, LDDW } from '../../../engine/isa/index.ts';
import { splice } from './mutate.ts';
import { CELL_BYTES } from './profiles.ts';

/** A program that ours accepts and the kernel refuses, and what the kernel says of it. */
export interface Refused {
  readonly instructions: readonly Instruction[];
  /** The line of the kernel's log that says why. */
  readonly message: string;
  /** Whether our machine runs it on many more inputs, each access checked, without a fault. */
  runsSafely(): boolean;
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

/** The program with addresses behind the end of a map's value moved to its start. */
const withinValues = (instructions: readonly Instruction[]): readonly Instruction[] =>
  instructions.map((it, at) => {
    const first = at > 0 ? instructions[at - 1]! : undefined;
    const isAddress = first?.opcode === LDDW && first.src === BPF_PSEUDO_MAP_VALUE;
    return isAddress && it.imm >>> 0 >= CELL_BYTES ? { ...it, imm: 0 } : it;
  });

/** What the kernel says where it knows too little of an offset, or follows a way that no run takes. */
const ABOUT_NUMBERS =
  /unbounded m|is negative|outside of the allowed memory|invalid variable-offset|misaligned|out of bounds|invalid access to |invalid size of register fill|!read_ok|invalid mem access 'scalar'|invalid (read|write) (from|to) stack|is not allowed$|prohibited$|outside of the packet$/;

export const REFUSAL_CLASSES: readonly RefusalClass[] = [
  {
    name: 'too complex',
    holds: ({ message }) =>
      /^BPF program is too large\. Processed \d+ insn|^The sequence of \d+ jumps is too complex/.test(message),
  },
  {
    name: 'address that no path takes',
    holds: ({ instructions, message, loads }) =>
      /^direct value offset of|^invalid access to map value pointer/.test(message) && loads(withinValues(instructions)),
  },
  { name: 'error of the verifier itself', holds: ({ message }) => message.startsWith('verifier bug: ') },
  {
    name: 'register compared with itself',
    holds({ instructions, loads }) {
      const decided = withoutSelfComparisons(instructions);
      return decided.some((it, at) => it !== instructions[at]) && loads(reachable(decided));
    },
  },
  {
    name: 'numbers known more closely',
    holds: ({ message, runsSafely }) => ABOUT_NUMBERS.test(message) && runsSafely(),
  },
];

/** Why ours refuses what the kernel accepts; docs/verifier-differences.md has each in its table. */
export const STRICTER: readonly { readonly name: string; readonly reason: RegExp }[] = [
  { name: 'stack that was never written', reason: /which was never written$/ },
  {
    name: 'instruction that no path reaches',
    reason:
      /is reserved here and must be|has a reserved value|there is no register|is the frame pointer and read only|is not below the width|^division by the constant/,
  },
  { name: 'stack of nested calls', reason: /^the stacks of this chain of calls/ },
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

const BPF_LOOP = 181;

/**
 * Whether a program has what Linux is known to get wrong: a number that an atomic operation fetches from memory, of which it may lose
 * track; a call of bpf_loop, whose -E2BIG has only its low half where the call was put in line.
 */
export const isKnownFlaw = (instructions: readonly Instruction[]): boolean =>
  instructions.some(({ opcode, src, imm }, at) => {
    if (instructions[at - 1]?.opcode === LDDW) return false;
    const fetches = (opcode === 0xdb || opcode === 0xc3) && (imm & 1) === 1;
    return fetches || (opcode === 0x85 && src === 0 && imm === BPF_LOOP);
  });
