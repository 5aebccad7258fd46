import { createJit, Memory } from '../engine/vm/index.ts';
import { busyNanoseconds, type Case, type Measurement, measure, median } from './harness.ts';
import { PROGRAMS, straight } from './programs.ts';
import { compiled, floor, interpreted, kernelMissing, loaded, type Machine, verified } from './vm-machines.ts';

/** Nanoseconds that a sample takes, more or less. */
const SAMPLE_NS = 20_000_000;
/** The greatest number of runs that the kernel's harness is asked for at once. */
const MOST_RUNS = 1_000_000;
const SIZES = [50, 500, 4000] as const;
/** Programs that a sample compiles. */
const COMPILED = 10;

/** Loops of arithmetic and memory: the JIT is held to the kernel's time there. */
const LOOPS: ReadonlySet<string> = new Set([
  'arithmetic and memory',
  'primes below 300',
  'FNV of 64 bytes, 30 times',
  'prefix compare, 30 times',
]);

/** Helpers take most of the time of these: the interpreter's time an instruction says nothing there. */
const CALLING: ReadonlySet<string> = new Set(['map counters']);

/** Runs that fill a sample. */
const runsOf = (machine: Machine): number => {
  machine.ns(100);
  return Math.min(MOST_RUNS, Math.max(10, Math.round(SAMPLE_NS / Math.max(1, machine.ns(100)))));
};

const caseOf = (name: string, machine: Machine, rest: Partial<Case>, overhead?: Machine): Case => {
  const runs = runsOf(machine);
  return {
    name,
    unit: 'ns/run',
    sample: () => machine.ns(runs) - (overhead ? overhead.ns(MOST_RUNS) : 0),
    ...rest,
  };
};

const sameResult = (name: string, machines: readonly Machine[]): void => {
  const results = new Set(machines.map(({ result }) => result));
  if (results.size > 1)
    throw new Error(`${name} gives ${[...results].join(' and ')}: this does not measure one program`);
};

const runCases = (hasKernel: boolean): readonly Case[] => {
  const nothing = hasKernel ? floor() : undefined;
  const floorCase = nothing ? [caseOf("kernel's harness, subtracted below", nothing, {})] : [];
  return [
    ...floorCase,
    ...PROGRAMS.flatMap((program) => {
      const interpreter = interpreted(program);
      const jit = compiled(program, false);
      const kernel = hasKernel ? loaded(program) : undefined;
      sameResult(program.name, [interpreter, jit, ...(kernel ? [kernel] : [])]);
      const name = `${program.name} (${interpreter.executed} instructions)`;
      const kernelName = `${name}, kernel`;
      const baseline = kernel ? { baseline: kernelName } : {};
      const ratio = kernel && LOOPS.has(program.name) ? { target: { most: 1, of: 'ratio' } as const } : {};
      return [
        ...(kernel ? [caseOf(kernelName, kernel, {}, nothing)] : []),
        caseOf(`${name}, interpreter`, interpreter, {
          ...baseline,
          ...(CALLING.has(program.name) ? {} : { target: { most: 10 * interpreter.executed, of: 'median' } }),
        }),
        caseOf(`${name}, jit`, jit, { ...baseline, ...ratio }),
        ...(program.name === 'event filter'
          ? [
              caseOf(`${name}, jit called from JavaScript`, compiled(program, true), {
                ...baseline,
                target: { most: 10, of: 'median' },
              }),
            ]
          : []),
      ];
    }),
  ];
};

/** What a program costs that was never seen before: each is another. */
const compileCase = (size: number): Case => {
  let mark = 0;
  return {
    name: `compile and first run of ${size} instructions`,
    unit: 'ms',
    ...(size === 500 ? { target: { most: 1, of: 'median' } as const } : {}),
    sample: () => {
      const memory = new Memory();
      const context = memory.allocate(64);
      const programs = Array.from({ length: COMPILED }, () =>
        verified({ name: 'straight', maps: [], items: straight(size, mark++) }, memory),
      );
      return median(
        programs.map(
          ({ verified: program, environment }) =>
            busyNanoseconds(() => {
              createJit(program, environment).run32(context);
            }) / 1e6,
        ),
      );
    },
  };
};

/**
 * The machine: the interpreter, the JIT and the running kernel's JIT on the same programs, in turn. The kernel's times are those of
 * its test runs less what an empty program takes there.
 */
export const vm = async (samples: number): Promise<readonly Measurement[]> => {
  const missing = kernelMissing();
  if (missing !== undefined) process.stderr.write(`bench: the kernel is left out of vm: ${missing}\n`);
  return measure('vm', [...runCases(missing === undefined), ...SIZES.map(compileCase)], samples);
};
