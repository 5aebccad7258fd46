import { parseArgs } from 'node:util';
import { alerts } from './alerts.ts';
import { audit } from './audit.ts';
import type { Measurement, Target } from './harness.ts';
import { live } from './live.ts';
import { replay } from './replay.ts';
import { rules } from './rules.ts';
import { sim } from './sim.ts';
import { storm } from './storm.ts';
import { verifier } from './verifier.ts';
import { vm } from './vm.ts';

const SUITES: Readonly<Record<string, (samples: number) => Promise<readonly Measurement[]>>> = {
  vm,
  verifier,
  rules,
  replay,
  sim,
  live,
  alerts,
  storm,
  audit,
};
const DEFAULT_SAMPLES = 11;

const HELP = `Usage: npm run bench -- [options] [suite...]

Measures Shrike on this machine. Without suites all of them run.

Suites:
  vm        the machine: interpreter, JIT and the running kernel's JIT on the same programs; compiling
  verifier  compiled rules and the tests' C programs: what is explored, beside the running kernel's verifier, and how fast
  rules     the shipped policies: compiling, verifying, and what a call costs under them in the simulated kernel; what an event costs
            under 1 to 1,000 rules, there and in the running kernel
  replay    the recorded attack, played under the shipped policies; the recordings of test/recordings played 20 million events long under
            Falco's rules in ../shared/cases/falco, where they are: events a second of one core's time, and the share of each stage
  sim       simulated calls in the recordings' mix with more forks and execs, results and all, under the shipped policies: calls a second of
            one core's time, what they are, and the share of simulation, filter and alert
  live      the running kernel, watched in a cgroup of its own: what a call costs, with and without Shrike and
            its peers; a flood of records; what the agent takes
  alerts    alerts a second from match to disk and to JetStream's acknowledgement, beside the NATS client alone; how long one takes
  storm     matches of one rule a second of one core's time, from record to log: with an alert each, in a storm, counted by key
  audit     a sealed audit log of 1,000,000 alerts: records verified a second of one core's time; how long a report and queries take; memory

Options:
  --samples N  samples of each measurement (default ${DEFAULT_SAMPLES}); dear ones take at most 5
  --json       one JSON object a line: suite, name, unit, median, baseline, ratio, samples, target, met
  --help       this text

Cases are sampled in turn after a round that warms up; a median is given, and beside it the median of what it is compared with.
`;

const bound = (target: Target): string => ('most' in target ? `at most ${target.most}` : `at least ${target.least}`);

const COLUMNS = [
  ['suite', ({ suite }) => suite],
  ['name', ({ name }) => name],
  ['median', ({ median, unit }) => `${median} ${unit}`],
  ['baseline', ({ baseline }) => (baseline === undefined ? '' : String(baseline))],
  ['ratio', ({ ratio }) => (ratio === undefined ? '' : String(ratio))],
  ['samples', ({ samples }) => String(samples)],
  ['target', ({ target, met }) => (target ? `${target.of} ${bound(target)}: ${met ? 'met' : 'not met'}` : '')],
] as const satisfies readonly (readonly [string, (row: Measurement) => string])[];

const table = (rows: readonly Measurement[]): string => {
  const cells = [COLUMNS.map(([head]) => head), ...rows.map((row) => COLUMNS.map(([, cell]) => cell(row)))];
  const widths = COLUMNS.map((_, column) => Math.max(...cells.map((line) => (line[column] ?? '').length)));
  const lines = cells.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
};

const wrongUse = (sentence: string): number => {
  process.stderr.write(`bench: ${sentence}\n`);
  return 2;
};

const main = async (args: readonly string[]): Promise<number> => {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('. ');
    return wrongUse(`${reason}; --help lists what there is`);
  }
  const { values, positionals } = parsed;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const known = Object.keys(SUITES).join(', ');
  const unknown = positionals.find((name) => !Object.hasOwn(SUITES, name));
  if (unknown !== undefined) return wrongUse(`there is no suite "${unknown}"; there are ${known}`);
  const samples = Number(values.samples);
  if (!Number.isInteger(samples) || samples < 1)
    return wrongUse(`--samples takes a number from 1, not "${values.samples}"`);
  const all: Measurement[] = [];
  for (const name of positionals.length > 0 ? new Set(positionals) : Object.keys(SUITES)) {
    const measured = (await SUITES[name]?.(samples)) ?? [];
    all.push(...measured);
    if (values.json) for (const each of measured) process.stdout.write(`${JSON.stringify(each)}\n`);
  }
  if (!values.json) process.stdout.write(table(all));
  return 0;
};

const parse = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      samples: { type: 'string', default: String(DEFAULT_SAMPLES) },
    },
  });

process.exitCode = await main(process.argv.slice(2));
