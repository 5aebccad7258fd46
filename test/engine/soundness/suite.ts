import { assemble, BPF_PSEUDO_FUNC, disassemble, type Instruction, LDDW } from '../../../engine/isa/index.ts';
import { relocate } from '../../../engine/object/index.ts';
import { type Verified, VerifierError } from '../../../engine/verifier/index.ts';
import { generate } from '../../kernel/programs/generate.ts';
import type { MapName } from '../../kernel/programs/knowledge.ts';
import { createOurSide, type Input, type OurSide, type Outcome, TOO_LONG } from '../../kernel/programs/machines.ts';
import { mutate, splice } from '../../kernel/programs/mutate.ts';
import { CELL_BYTES, MAPS, type Profile } from '../../kernel/programs/profiles.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { BTF } from '../verifier/programs.ts';

/** The machines that a program runs on: the reference, which checks each access, and the compiler. `moved` has everything elsewhere. */
export interface Machines {
  readonly checked: OurSide;
  readonly moved: OurSide;
  readonly jit: OurSide;
}

const HANDLES: Readonly<Record<MapName, number>> = { cell: 11, list: 12, table: 13, ring: 14 };

export function createMachines(): Machines {
  return {
    checked: createOurSide(HANDLES, { btf: BTF }),
    moved: createOurSide(HANDLES, { btf: BTF, padding: 123_456, garbage: 0xa5 }),
    jit: createOurSide(HANDLES, { btf: BTF, engine: 'jit' }),
  };
}

/** Immediates of a program: numbers next to them are where a bound that is wrong by one shows. */
const immediates = (instructions: readonly Instruction[]): readonly number[] => [
  ...new Set(instructions.filter(({ opcode }) => opcode !== CALL && opcode !== LDDW).map(({ imm }) => imm)),
];

function bytes(random: Random, length: number, near: readonly number[]): Uint8Array {
  const all = new Uint8Array(length);
  const view = new DataView(all.buffer);
  for (let at = 0; at + 8 <= length; at += 8) {
    const number = random.chance(0.4) ? BigInt(random.pick(near) + random.between(-1, 1)) : random.number64();
    view.setBigUint64(at, number, true);
  }
  return all;
}

const key = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer);

function anInput(random: Random, { contextBytes }: Profile, near: readonly number[]): Input {
  const entries = Array.from({ length: 8 }, (_, n) => n).filter(() => random.chance(0.4));
  return {
    context: bytes(random, contextBytes, near),
    packet: bytes(random, random.pick([64, 72, 120]), near),
    cell: bytes(random, CELL_BYTES, near),
    list: Array.from({ length: MAPS.list.maxEntries }, () => bytes(random, MAPS.list.valueSize, near)),
    table: entries
      .slice(0, MAPS.table.maxEntries)
      .map((n) => [key(n), bytes(random, MAPS.table.valueSize, near)] as const),
  };
}

/** Moves one access, or one constant that something is compared with or masked by, a little. */
function nudge(instructions: readonly Instruction[], random: Random): readonly Instruction[] {
  const places = [...instructions.keys()].filter((at) => {
    const { opcode } = instructions[at]!;
    return instructions[at - 1]?.opcode !== LDDW && (isAccess(opcode) || isBound(opcode));
  });
  if (places.length === 0) return instructions;
  const at = random.pick(places);
  const it = instructions[at]!;
  return instructions.map((instruction, n) => {
    if (n !== at) return instruction;
    if (isAccess(it.opcode)) return { ...it, offset: it.offset + random.pick([-8, -4, -1, 1, 2, 4, 8, 16]) };
    return { ...it, imm: (it.imm + random.pick([-1, 1, 8])) | 0 };
  });
}

/** The program of one number, and what it is run on; the same for the same seed. */
export interface Case {
  readonly profile: Profile;
  readonly instructions: readonly Instruction[];
  readonly inputs: readonly Input[];
}

const CALL = 0x85;
/** Loads and stores other than wide constants. */
const isAccess = (opcode: number): boolean => (opcode & 7) <= 3 && opcode !== LDDW;
/** Comparisons with a constant, and masks. */
const isBound = (opcode: number): boolean => {
  const isJump = (opcode & 7) === 5 || (opcode & 7) === 6;
  return (opcode & 8) === 0 && (isJump ? ![0x00, 0x80, 0x90].includes(opcode & 0xf0) : (opcode & 0xf4) === 0x54);
};
const INPUTS = 2;
/** Shares of the programs that are changed after they were made, of the others whose bounds are moved, and of those with slips. */
const [MUTATED, NUDGED, SLIPPED] = [0.25, 0.35, 0.2];

export function aCase(seed: number, profile: Profile): Case {
  const random = createRandom(seed);
  const { items } = generate(random, profile, random.chance(SLIPPED) ? 0.02 : 0);
  const program = { name: 'generated', hook: 'raw_tp/sys_enter' as const, ...assemble(items) };
  let instructions: readonly Instruction[] = relocate(program, (name) => HANDLES[name as MapName], BTF);
  if (random.chance(MUTATED)) instructions = mutate(instructions, random);
  else if (random.chance(NUDGED)) instructions = nudge(instructions, random);
  const near = immediates(instructions);
  return { profile, instructions, inputs: Array.from({ length: INPUTS }, () => anInput(random, profile, near)) };
}

export const accepted = ({ checked }: Machines, { instructions, profile }: Case): Verified | undefined => {
  const verified = checked.verify(instructions, profile);
  return verified instanceof VerifierError ? undefined : verified;
};

/** What one accepted program's runs came to. */
export interface Verdict {
  /** Why the program should not have been accepted, or what the machines disagree on. */
  readonly failure: string | undefined;
  /**
   * What it left depends on where things lie in memory, or it calls back millions of times, as it may (BPF_MAX_LOOPS): machines
   * can't be compared.
   */
  readonly placed: boolean;
  readonly executed: readonly number[];
}

const PARTS = ['result', 'context', 'packet', 'cell', 'list', 'table', 'ring'] as const satisfies (keyof Outcome)[];

const differences = (a: Outcome, b: Outcome): readonly (typeof PARTS)[number][] =>
  PARTS.filter((part) => a[part] !== b[part]);

const callsBack = ({ instructions }: Verified): boolean =>
  instructions.some(({ opcode, src }) => opcode === LDDW && src === BPF_PSEUDO_FUNC);

/** Runs an accepted program on each input in the checked interpreter and in the JIT. */
export function judge(machines: Machines, { profile, inputs }: Case, program: Verified): Verdict {
  const executed: number[] = [];
  let placed = false;
  for (const input of inputs) {
    const reference = machines.checked.run(program, profile, input);
    executed.push(machines.checked.executed);
    if (reference.result.startsWith('fault')) return { failure: reference.result, placed, executed };
    if (reference.result === TOO_LONG) {
      if (!callsBack(program)) return { failure: 'runs past its budget', placed, executed };
      placed = true;
      continue;
    }
    const compiled = machines.jit.run(program, profile, input);
    if (compiled.result.startsWith('fault')) return { failure: `JIT: ${compiled.result}`, placed, executed };
    const differ = differences(reference, compiled);
    if (differ.length === 0) continue;
    if (differences(reference, machines.moved.run(program, profile, input)).length > 0) {
      placed = true;
      continue;
    }
    const lines = differ.map((part) => `${part}: interpreter ${reference[part]}, JIT ${compiled[part]}`);
    return { failure: lines.join('\n'), placed, executed };
  }
  return { failure: undefined, placed, executed };
}

/** Leaves out what isn't needed for an accepted program to fail. */
function shrink(machines: Machines, failing: Case): Case {
  let smallest = failing;
  for (let shrunk = true; shrunk; ) {
    shrunk = false;
    for (let at = smallest.instructions.length - 1; at >= 0; at--) {
      const { instructions } = smallest;
      const slots = instructions[at]!.opcode === LDDW ? 2 : 1;
      const smaller = { ...smallest, instructions: splice(instructions, at, slots, []) };
      const program = accepted(machines, smaller);
      if (!program || judge(machines, smaller, program).failure === undefined) continue;
      smallest = smaller;
      shrunk = true;
    }
  }
  return smallest;
}

/** What a person needs to see of a program that failed. */
export function report(machines: Machines, failing: Case, seed: number): string {
  const small = shrink(machines, failing);
  const listing = disassemble(small.instructions).map(({ at, text }) => `${at}: ${text}`);
  const program = accepted(machines, small);
  const failure = program && judge(machines, small, program).failure;
  return [`seed ${seed}, made smaller:`, ...listing, failure].join('\n');
}
