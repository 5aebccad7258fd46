import type { Instruction } from '../../engine/isa/index.ts';
import {
  createInterpreter,
  createJit,
  type ExecutableProgram,
  type Helper,
  type VmEnvironment,
} from '../../engine/vm/index.ts';
import { testEnvironment } from '../support/environment.ts';

/** What a program left behind. */
export interface Outcome {
  readonly r0: bigint;
  readonly memory: Uint8Array;
}

interface Machine {
  run(contextAddress: bigint, contextLength?: bigint): bigint;
  close(): void;
}

const helper = (id: number, run: Helper['run']): Helper => ({
  name: `conformance_helper_${id}`,
  id,
  arguments: [],
  returns: 'scalar',
  programTypes: 'all',
  run,
});

/** What vectors call, by number: 1 tells its arguments apart, 5 is the public vectors', whose result is not looked at. */
const HELPERS = new Map<number, Helper>(
  [
    helper(1, (_, r) => BigInt.asUintN(64, r[1]! + 10n * r[2]! + 100n * r[3]! + 1000n * r[4]! + 10_000n * r[5]!)),
    helper(5, () => 0n),
  ].map((each) => [each.id, each]),
);
const options = { helper: (id: number) => HELPERS.get(id) };

/** The machines that every vector runs through. */
const MACHINES: Readonly<Record<string, (program: ExecutableProgram, environment: VmEnvironment) => Machine>> = {
  interpreter: (program, environment) => createInterpreter(program, environment, options),
  'checked interpreter': (program, environment) =>
    createInterpreter(program, environment, { ...options, checked: true }),
  JIT: (program, environment) => createJit(program, environment, { ...options, checked: false }),
  'checked JIT': (program, environment) => createJit(program, environment, { ...options, checked: true }),
  'counting JIT': (program, environment) =>
    createJit(program, environment, { ...options, checked: false, maxInstructions: 1_000_000 }),
};

export const MACHINE_NAMES = Object.keys(MACHINES);

/** Shared by all runs: what they allocate, they give back. */
const environment = testEnvironment();

/** Runs a program with r1 at the memory and r2 its length, both 0 where there is none. */
export function runOn(machine: string, instructions: readonly Instruction[], memory: Uint8Array): Outcome {
  const { memory: all } = environment;
  const made = MACHINES[machine]!({ instructions }, environment);
  const length = memory.length;
  const offset = length === 0 ? 0 : all.allocate(length);
  try {
    all.bytes.set(memory, offset);
    const r0 = length === 0 ? made.run(0n, 0n) : made.run(all.address(offset), BigInt(length));
    return { r0, memory: all.bytes.slice(offset, offset + length) };
  } finally {
    if (length > 0) all.free(offset, length);
    made.close();
  }
}
