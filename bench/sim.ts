import { existsSync } from 'node:fs';
import type { AgentSummary } from '../agent/index.ts';
import { packageFolder } from '../policies/index.ts';
import { createSimHost, POLICY_MEMORY, type Sensor, simAccounts } from '../sensors/index.ts';
import { underPolicies } from './agent.ts';
import { type Case, type Measurement, measure } from './harness.ts';
import { createMix, type Mix } from './sim-mix.ts';
import { type Stage, stagesOf } from './stages.ts';

const SUITE = 'sim';
/** Calls of a sample, and of the run that tells the shares. */
const CALLS = 500_000;
/** Sessions between two looks at the ring buffers, and before others get their turn. */
const SESSIONS_PER_PUMP = 2;
const SESSIONS_PER_YIELD = 32;
/** What one core's time must be enough for in a second. */
const TARGET = 300_000;
/** Least shares of calls with a path, and of forks and execs. */
const LEAST_PATHS = 0.2;
const LEAST_FORKS_AND_EXECS = 0.05;
/** Milliseconds between two commits of the audit log: simulated time goes faster than the clock. */
const COMMIT_MS = 100;

const NAME = 'simulated calls, shipped policies';

/** What the stages of a run are to somebody who writes a policy. */
const SHARES: Readonly<Record<string, readonly Stage[]>> = {
  simulation: ['state'],
  filter: ['programs'],
  alert: ['decode', 'residual', 'alert'],
  'garbage collection': ['garbage collection'],
};

/** A sensor that plays the mix, and how many calls a second of processor time, all threads counted, that came to. */
const sensorOf = (
  calls: number,
  paths: readonly string[],
): { readonly sensor: Sensor; readonly mix: Mix; rate(): number } => {
  const host = createSimHost({ memory: POLICY_MEMORY });
  const mix = createMix(host, paths);
  const sessions = Math.ceil(calls / mix.callsPerSession);
  let rate = Number.NaN;
  const run: Sensor['run'] = async (pump) => {
    const before = host.calls;
    const start = process.cpuUsage();
    for (let session = 0; session < sessions; session++) {
      mix.play(session);
      if (session % SESSIONS_PER_PUMP === 0) pump();
      if (session % SESSIONS_PER_YIELD === 0) await new Promise(setImmediate);
    }
    pump();
    const { user, system } = process.cpuUsage(start);
    const made = host.calls - before;
    rate = made / ((user + system) / 1e6);
    return { calls: made, problems: [] };
  };
  const sensor: Sensor = { kind: 'sim', kernel: host.kernel, scope: '/', accounts: simAccounts(host), run };
  return { sensor, mix, rate: () => rate };
};

/** @throws Error where the mix has fewer calls with a path, or fewer forks and execs, than it is to have */
const checked = (mix: Mix): Mix => {
  if (mix.paths < LEAST_PATHS || mix.forksAndExecs < LEAST_FORKS_AND_EXECS)
    throw new Error(
      `the mix has ${(100 * mix.paths).toFixed(1)} % calls with a path and ${(100 * mix.forksAndExecs).toFixed(1)} % forks and execs; it must have at least ${100 * LEAST_PATHS} % and ${100 * LEAST_FORKS_AND_EXECS} %`,
    );
  return mix;
};

const record = (name: string, unit: string, value: number): Measurement => ({
  suite: SUITE,
  name,
  unit,
  median: Number(value.toPrecision(4)),
  samples: 1,
});

/**
 * How fast calls are simulated, their results found and not given, in the mix of the recordings with more forks and execs: without policies and
 * under all that ship. Nothing where the recordings aren't there.
 */
export const sim = async (samples: number): Promise<readonly Measurement[]> => {
  const paths = ['attack', 'benign'].map((name) => packageFolder('test', 'recordings', `${name}.strace`));
  if (!paths.every((path) => existsSync(path))) {
    process.stderr.write('bench: sim is left out, as test/recordings is only in a clone of the repository\n');
    return [];
  }
  let last: AgentSummary | undefined;
  const caseOf = (name: string, play: (sensor: Sensor) => Promise<unknown>): Case => ({
    name,
    unit: 'calls/s',
    sample: async () => {
      const { sensor, rate } = sensorOf(CALLS, paths);
      await play(sensor);
      return rate();
    },
  });
  const plain = caseOf('simulated calls, no policies', (sensor) => sensor.run(() => {}, new AbortController().signal));
  const watched: Case = {
    ...caseOf(NAME, async (sensor) => {
      last = await underPolicies(sensor, undefined, COMMIT_MS);
    }),
    baseline: plain.name,
    target: { least: TARGET, of: 'median' },
  };
  const rates = await measure(SUITE, [plain, watched], Math.min(samples, 5));
  const { sensor, mix } = sensorOf(CALLS, paths);
  const { callsPerSession, paths: withPath, forksAndExecs, succeed, names } = checked(mix);
  const shares = await stagesOf((profiled) =>
    underPolicies({ ...sensor, run: (pump, signal) => profiled(() => sensor.run(pump, signal)) }, undefined, COMMIT_MS),
  );
  return [
    ...rates,
    record('calls of a process', 'calls', callsPerSession),
    record('different calls', 'calls', names),
    record('calls with a path', '%', 100 * withPath),
    record('forks and execs', '%', 100 * forksAndExecs),
    record('calls that succeed', '%', 100 * succeed),
    record(`${NAME}: records of the ring buffers`, 'records', last?.events ?? 0),
    record(`${NAME}: alerts`, 'alerts', last?.alerts ?? 0),
    ...Object.entries(SHARES).map(([name, stages]) =>
      record(
        `${NAME}: share of ${name}`,
        '%',
        stages.reduce((sum, stage) => sum + (shares.get(stage) ?? 0), 0),
      ),
    ),
  ];
};
