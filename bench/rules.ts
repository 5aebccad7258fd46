import { HOOKS, relocate } from '../engine/object/index.ts';
import { verify } from '../engine/verifier/index.ts';
import { helperById } from '../engine/vm/index.ts';
import { compile } from '../rules/index.ts';
import { createSimHost, POLICY_MEMORY, type SimHost, type SimTask } from '../sensors/index.ts';
import { library, underPolicies } from './agent.ts';
import { type Case, type Measurement, measure, nanoseconds } from './harness.ts';
import { costOfRules } from './rule-cost.ts';

/** Calls between two looks at the ring buffer, and how often a sample repeats them. */
const CALLS = 100;
const REPEATS = 10;
const AT_FDCWD = -100;

const milliseconds = (work: () => void): number => nanoseconds(work) / 1e6;

const compileCase = (): Case => {
  const rules = library().flatMap((policy) => policy.rules);
  return {
    name: `compile the library (${rules.length} rules)`,
    unit: 'ms',
    sample: () => milliseconds(() => compile(rules, { level: '6.12' })),
  };
};

const verifyCase = (): Case => {
  const { object } = compile(
    library().flatMap((policy) => policy.rules),
    { level: '6.12' },
  );
  const { kernel } = createSimHost({ memory: POLICY_MEMORY });
  const maps = new Map(object.maps.map((spec) => [spec.name, kernel.createMap(spec)]));
  const specs = new Map([...maps.values()].map((map) => [map.handle, map.spec]));
  const programs = object.programs.map((program) => ({
    program,
    instructions: relocate(program, (name) => maps.get(name)?.handle, kernel.btf),
  }));
  const verifyAll = (): void => {
    for (const { program, instructions } of programs) {
      verify(instructions, {
        name: program.name,
        hook: HOOKS[program.hook],
        btf: kernel.btf,
        map: (handle) => specs.get(handle),
        helper: helperById,
        lines: program.lines,
      });
    }
  };
  const size = programs.reduce((sum, { instructions }) => sum + instructions.length, 0);
  return {
    name: `verify the library (${programs.length} programs, ${size} instructions)`,
    unit: 'ms',
    sample: () => milliseconds(verifyAll),
  };
};

/** What a task does over and over, as one call. */
type Work = (host: SimHost, task: SimTask) => void;

const openAndClose =
  (path: string): Work =>
  (host, task) => {
    const { result } = host.call(task, 'openat', [AT_FDCWD, path, 0, 0]);
    host.call(task, 'close', [result]);
  };

const WORK: readonly (readonly [name: string, work: Work])[] = [
  ['getpid, which no rule names', (host, task) => host.call(task, 'getpid', [])],
  ['open and close of a file near a rule', openAndClose('/etc/shadow.old')],
  ['open and close of a file that matches', openAndClose('/etc/shadow')],
];

/** A host with a cat that root started, and the files that it opens. */
const prepare = (): { readonly host: SimHost; readonly task: SimTask } => {
  const host = createSimHost({ memory: POLICY_MEMORY });
  host.fs.write('/etc/shadow.old', 'root:*:19000:0:99999:7:::\n', 0o600);
  host.fs.write('/etc/shadow', 'root:*:19000:0:99999:7:::\n', 0o600);
  return { host, task: host.spawn({ exepath: '/usr/bin/cat', argv: ['cat'] }) };
};

/** Nanoseconds a call, the ring buffer emptied outside of the time taken. */
const timeCalls = (work: Work, { host, task }: ReturnType<typeof prepare>, pump: () => void): number => {
  let total = 0;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    total += nanoseconds(() => {
      for (let call = 0; call < CALLS; call++) work(host, task);
    });
    pump();
  }
  return total / (REPEATS * CALLS);
};

const callCases = (watched: ReturnType<typeof prepare>, pump: () => void): readonly Case[] => {
  const bare = prepare();
  return WORK.flatMap(([name, work]) => {
    const baseline = `${name}, no policies`;
    return [
      { name: baseline, unit: 'ns/call', sample: () => timeCalls(work, bare, () => {}) },
      { name, unit: 'ns/call', baseline, sample: () => timeCalls(work, watched, pump) },
    ];
  });
};

/** Compiling and verifying the shipped policies, and what a call through sys_exit costs under all of them in the simulated kernel. */
export const rules = async (samples: number): Promise<readonly Measurement[]> => {
  const compiled = await measure('rules', [compileCase(), verifyCase()], Math.min(samples, 5));
  const watched = prepare();
  let called: readonly Measurement[] = [];
  const { alerts } = await underPolicies({
    kind: 'sim',
    scope: '/',
    kernel: watched.host.kernel,
    run: async (pump) => {
      called = await measure('rules', callCases(watched, pump), samples);
      return { calls: watched.host.calls, problems: [] };
    },
  });
  const matches = (samples + 1) * CALLS * REPEATS;
  if (alerts !== matches)
    throw new Error(`${alerts} alerts came of ${matches} matching calls: this did not measure what it says`);
  return [...compiled, ...called, ...(await costOfRules(samples))];
};
