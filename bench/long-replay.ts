import type { AgentSummary } from '../agent/index.ts';
import type { Policy } from '../policies/index.ts';
import { createRepeatedReplay, type RepeatedReplay, type Sensor } from '../sensors/index.ts';
import { underPolicies } from './agent.ts';
import { falcoPolicies } from './falco.ts';
import { type Case, type Measurement, measure } from './harness.ts';
import { STAGES, stagesOf } from './stages.ts';

/** Events that one sample plays at least, so many that making machine code of rules and engine at its beginning weighs little, and the run that tells the stages. */
const EVENTS = 20_000_000;
const PROFILED_EVENTS = 1_500_000;
/** What one core's time must be enough for in a second. */
const TARGET = 1_000_000;

/** Milliseconds between two commits of the audit log: recorded time goes hundreds of times faster than the clock. */
const COMMIT_MS = 100;

const SUITE = 'replay';
const NAME = "recordings, Falco's rules";
const MIB = 2 ** 20;

/** What a run took, without reading the recordings, loading the programs and ending the agent. */
interface Run {
  /** Processor time of all threads. */
  readonly seconds: number;
  readonly calls: number;
  readonly problems: readonly string[];
  /** Bytes of memory that the process has when a tenth is played, and at the end. */
  readonly early: number;
  readonly late: number;
}

/** The sensor with a look at clock and memory around its run. */
const watched = (sensor: RepeatedReplay, events: number): { readonly sensor: Sensor; result(): Run } => {
  let result: Run | undefined;
  const run: Sensor['run'] = async (pump, signal) => {
    let early = 0;
    let pumped = 0;
    const tenth = Math.floor(events / sensor.eventsPerPump / 10);
    const before = process.cpuUsage();
    const { calls, problems } = await sensor.run(() => {
      pump();
      if (++pumped === tenth) early = process.memoryUsage.rss();
    }, signal);
    const { user, system } = process.cpuUsage(before);
    result = { seconds: (user + system) / 1e6, calls, problems, early, late: process.memoryUsage.rss() };
    return { calls, problems };
  };
  return {
    sensor: { ...sensor, run },
    result: () => {
      if (result === undefined) throw new Error('the replay did not run');
      return result;
    },
  };
};

const replayOf = (
  paths: readonly string[],
  least: number,
): { readonly sensor: RepeatedReplay; readonly events: number } => {
  const { events: each } = createRepeatedReplay({ paths, rounds: 1 });
  const rounds = Math.ceil(least / each);
  return { sensor: createRepeatedReplay({ paths, rounds }), events: rounds * each };
};

const record = (name: string, unit: string, median: number, baseline?: number): Measurement => ({
  suite: SUITE,
  name: `${NAME}: ${name}`,
  unit,
  median: Number(median.toPrecision(4)),
  ...(baseline === undefined
    ? {}
    : { baseline: Number(baseline.toPrecision(4)), ratio: Number((median / baseline).toPrecision(4)) }),
  samples: 1,
});

/**
 * Plays recordings again and again, 20 million events a sample, under Falco's rules and without any: events a second of processor time, all
 * threads counted, from the decoded call to the alert in the audit log. Reading the recordings is measured apart. Nothing where the rules aren't there.
 */
export const longReplay = async (paths: readonly string[], samples: number): Promise<readonly Measurement[]> => {
  const policies = falcoPolicies();
  if (policies === undefined) {
    process.stderr.write(
      "bench: Falco's rules are not in ../shared/cases/falco, so that no replay under them is measured\n",
    );
    return [];
  }
  let last: { readonly run: Run; readonly summary: AgentSummary | undefined; readonly events: number } | undefined;
  const caseOf = (name: string, rules: readonly Policy[] | undefined): Case => ({
    name,
    unit: 'events/s',
    sample: async () => {
      const { sensor, events } = replayOf(paths, EVENTS);
      const { sensor: under, result } = watched(sensor, events);
      const summary = rules && (await underPolicies(under, rules, COMMIT_MS));
      if (rules === undefined) await under.run(() => {}, new AbortController().signal);
      last = { run: result(), summary, events };
      return events / last.run.seconds;
    },
  });
  const plain = caseOf('recordings, no policies', undefined);
  const ruled: Case = { ...caseOf(NAME, policies), baseline: plain.name, target: { least: TARGET, of: 'median' } };
  const rates = await measure(SUITE, [plain, ruled], samples);
  const reading = readingOf(paths);
  const shares = await stagesOf((profiled) => {
    const { sensor } = replayOf(paths, PROFILED_EVENTS);
    const run: Sensor['run'] = (pump, signal) => profiled(() => sensor.run(pump, signal));
    return underPolicies({ ...sensor, run }, policies, COMMIT_MS);
  });
  if (last === undefined) return rates;
  const { run, summary, events } = last;
  for (const problem of run.problems) process.stderr.write(`bench: ${problem}\n`);
  return [
    ...rates,
    record('events', 'events', events),
    record('different calls', 'calls', replayOf(paths, 1).sensor.names),
    record(
      'rules',
      'rules',
      policies.reduce((sum, { rules }) => sum + rules.length, 0),
    ),
    record('records of the ring buffers', 'records', summary?.events ?? 0),
    record('taken back by user space', 'matches', summary?.residualDropped ?? 0),
    record('alerts', 'alerts', summary?.alerts ?? 0),
    record('memory, beside that after a tenth', 'MiB', run.late / MIB, run.early / MIB),
    record('reading the recordings', 'events/s', reading),
    ...STAGES.map((stage) => record(`share of ${stage}`, '%', shares.get(stage) ?? 0)),
  ];
};

/** Events a second of processor time that are read and decoded. */
const readingOf = (paths: readonly string[]): number => {
  const before = process.cpuUsage();
  const { events } = createRepeatedReplay({ paths, rounds: 1 });
  const { user, system } = process.cpuUsage(before);
  return events / ((user + system) / 1e6);
};
