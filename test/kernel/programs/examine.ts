import { closeSync } from 'node:fs';
import { assemble, disassemble, type Instruction } from '../../../engine/isa/index.ts';
import { relocate } from '../../../engine/object/index.ts';
import { type Verified, VerifierError } from '../../../engine/verifier/index.ts';
import { BpfError, kernelBtf, type LinuxProgramSpec, loadLinuxProgram } from '../../../sensors/linux/index.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { isKnownFlaw, REFUSAL_CLASSES, STRICTER } from './classes.ts';
import { generate } from './generate.ts';
import { anInput } from './inputs.ts';
import type { MapName } from './knowledge.ts';
import {
  createLinuxSide,
  createOurSide,
  type Input,
  type LinuxSide,
  type OurSide,
  type Outcome,
  SHIFTS,
  TOO_LONG,
} from './machines.ts';
import { mutate } from './mutate.ts';
import { PROFILES, type Profile } from './profiles.ts';
import type { Feature } from './writer.ts';

/** Both kernels; `moved` have everything elsewhere in memory. */
export interface Sides {
  readonly linux: LinuxSide;
  readonly ours: OurSide;
  readonly jit: OurSide;
  readonly moved: readonly OurSide[];
  close(): void;
}

export function openSides(): Sides {
  const linux = createLinuxSide();
  const { handles } = linux;
  return {
    linux,
    ours: createOurSide(handles),
    jit: createOurSide(handles, { engine: 'jit' }),
    moved: SHIFTS.map((shift) => createOurSide(handles, { padding: 123_456, shift, garbage: 0xa5 })),
    close: () => linux.close(),
  };
}

/** What bytes of members that the kernel fills in may hold beside 0. */
const UNTOLD = Array.from({ length: 255 }, (_, value) => value + 1);

/** What became of one program. */
export interface Verdict {
  readonly type: string;
  readonly ours: 'accepts' | 'refuses';
  readonly kernel: 'accepts' | 'refuses';
  readonly features: ReadonlySet<Feature>;
  /** Where the two differ: the documented class, or our reason with its numbers left out. */
  readonly group?: string;
  /** What it leaves depends on where things lie in memory, or it runs too long: nothing is compared. */
  readonly placed?: boolean;
  /** Results differ, and the program has what Linux is known to get wrong (docs/verifier-differences.md). */
  readonly lost?: boolean;
  /** Instructions that our machine executed, all runs together. */
  readonly executed?: number;
  /** What is wrong, with the program. */
  readonly failure?: string;
}

const RUNS = 3;
const MANY_RUNS = 200;
const [MUTATED, SLIPPED] = [0.4, 0.4];
const PARTS = ['result', 'context', 'packet', 'cell', 'list', 'table', 'ring'] as const satisfies (keyof Outcome)[];

const differences = (a: Outcome, b: Outcome): readonly (typeof PARTS)[number][] =>
  PARTS.filter((part) => a[part] !== b[part]);

const listing = (instructions: readonly Instruction[]): string =>
  disassemble(instructions)
    .map(({ at, text }) => `${at}: ${text}`)
    .join('\n');

const withoutNumbers = (reason: string): string =>
  reason.replace(/-?\b(0x[0-9a-f]+|\d+)\b/g, 'N').replace(/\br\d+/g, 'rN');

/** Makes the program of a seed, hands its bytes to both verifiers and, where both accept, runs it on both sides. */
export function examine(sides: Sides, seed: number): Verdict {
  const random = createRandom(seed);
  const profile = random.pick(PROFILES);
  const mutated = random.chance(MUTATED);
  const { items, features } = generate(random, profile, random.chance(SLIPPED) ? 0.02 : 0);
  const unplaced = { name: 'generated', hook: 'raw_tp/sys_enter' as const, ...assemble(items) };
  let instructions: readonly Instruction[] = relocate(unplaced, (n) => sides.linux.handles[n as MapName], kernelBtf());
  if (mutated) for (let n = random.between(1, 2); n > 0; n--) instructions = mutate(instructions, random);

  const verified = sides.ours.verify(instructions, profile);
  const fd = sides.linux.load(instructions, profile);
  const common = {
    type: profile.hook.programType,
    ours: verified instanceof VerifierError ? ('refuses' as const) : ('accepts' as const),
    kernel: fd < 0 ? ('refuses' as const) : ('accepts' as const),
    features,
  };
  const where = `seed ${seed}, ${profile.hook.programType}${mutated ? ', mutated' : ''}\n${listing(instructions)}`;
  const inputs = Array.from({ length: RUNS }, () => anInput(random, profile));
  try {
    if (verified instanceof VerifierError) {
      if (fd < 0) return common;
      const found = STRICTER.find(({ reason }) => reason.test(verified.reason));
      return { ...common, group: found?.name ?? `other: ${withoutNumbers(verified.reason)}` };
    }
    if (fd >= 0) return { ...common, ...compare(sides, profile, verified, fd, inputs, where) };
    return { ...common, ...onlyOurs(sides, profile, verified, random, where) };
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/**
 * What a run left, without the high halves of Linux's addresses (0xffff888., 0xffffc900): programs of packets keep theirs when they
 * are moved, so what such a program stores of one differs all the same.
 */
const withoutHighHalves = (text: string): string => text.replaceAll(/(?:8[0-9a-f]88|00c9)ffff/g, '00000000');

/** Runs what both accepted, on the same input and the same contents of maps. */
function compare(
  sides: Sides,
  profile: Profile,
  verified: Verified,
  fd: number,
  inputs: readonly Input[],
  where: string,
): Pick<Verdict, 'failure' | 'placed' | 'lost' | 'executed'> {
  let executed = 0;
  for (const input of inputs) {
    const ours = sides.ours.run(verified, profile, input);
    executed += sides.ours.executed;
    if (ours.result === TOO_LONG) return { placed: true, executed };
    const theirs = sides.linux.run(fd, profile, input);
    const compiled = sides.jit.run(verified, profile, input);
    const differ = differences(theirs, ours);
    const disagree = differences(ours, compiled);
    if (differ.length === 0 && disagree.length === 0) continue;
    if (sides.moved.some((side) => differences(ours, side.run(verified, profile, input)).length > 0))
      return { placed: true, executed };
    if (UNTOLD.some((value) => differences(ours, sides.ours.run(verified, profile, input, value)).length > 0))
      return { placed: true, executed };
    if (
      disagree.length === 0 &&
      differ.every((part) => withoutHighHalves(theirs[part]) === withoutHighHalves(ours[part]))
    )
      return { placed: true, executed };
    if (disagree.length === 0 && isKnownFlaw(verified.instructions)) return { lost: true, executed };
    const lines = [...new Set([...differ, ...disagree])].map(
      (part) => `${part}\n  kernel      ${theirs[part]}\n  interpreter ${ours[part]}\n  JIT         ${compiled[part]}`,
    );
    return { executed, failure: `results differ: ${where}\n${lines.join('\n')}\ninput ${showInput(input)}` };
  }
  return { executed };
}

/** What ours accepts and the kernel refuses must belong to a documented class, and run without a fault. */
function onlyOurs(
  { linux, ours }: Sides,
  profile: Profile,
  verified: Verified,
  random: Random,
  where: string,
): Pick<Verdict, 'failure' | 'group'> {
  const fault = (runs: number): string | undefined => {
    for (let run = 0; run < runs; run++) {
      const input = anInput(random, profile);
      const { result } = ours.run(verified, profile, input);
      if (result.startsWith('fault')) return `${result}: ${where}\ninput ${showInput(input)}`;
    }
    return undefined;
  };
  const failure = fault(RUNS);
  if (failure !== undefined) return { failure };
  const { instructions } = verified;
  const refused = kernelRefusal(linux.specOf(instructions, profile));
  const loads = (other: readonly Instruction[]): boolean => {
    const fd = linux.load(other, profile);
    if (fd >= 0) closeSync(fd);
    return fd >= 0;
  };
  const found = REFUSAL_CLASSES.find((each) =>
    each.holds({
      instructions,
      message: refused.message,
      loads,
      runsSafely: () => fault(MANY_RUNS) === undefined,
    }),
  );
  if (found) return { group: found.name };
  return { failure: `no documented class for what the kernel refuses: ${where}\n${refused.log.slice(-4000)}` };
}

function kernelRefusal(spec: LinuxProgramSpec): { readonly message: string; readonly log: string } {
  try {
    loadLinuxProgram(spec).close();
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    return { message: error.reason, log: error.log };
  }
  throw new Error('the kernel took a program that it had refused');
}

const showInput = (input: Input): string =>
  JSON.stringify(input, (_, value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value));
