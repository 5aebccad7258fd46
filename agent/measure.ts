import type { FeatureLevel } from '../engine/object/index.ts';
import type { Policy } from '../policies/index.ts';
import { type Compiled, compile, type Rule } from '../rules/index.ts';
import { createRepeatedReplay, createReplaySensor, type Sensor } from '../sensors/index.ts';
import { runAgent } from './agent.ts';
import { judgeOf } from './judge.ts';
import { createMemoryLog } from './memory-log.ts';
import { compileObserver, observed } from './observer.ts';

const LEVEL: FeatureLevel = '6.12';
const MIN_ROUNDS = 3;
/** Events of a round for each second, and at most: short recordings are played several times on one host. */
const EVENTS_A_SECOND = 5_000;
const MAX_ROUND_EVENTS = 50_000;

/** What a rule came to on a recording. */
export interface MeasuredRule {
  readonly rule: string;
  /** Of the rule's event types. */
  readonly events: number;
  /** That the kernel part let through. */
  readonly candidates: number;
  /** That raised an alert. */
  readonly matches: number;
  /** Nanoseconds that the rule adds to each event of its types, from decoded event to alert; undefined where it has none. */
  readonly ns: number | undefined;
  /** Time with the rule to time without it: the median of the rounds. */
  readonly ratio: number;
  /** Half the middle half of the rounds' ratios: how much they differ by themselves. */
  readonly noise: number;
}

export interface Measured {
  /** Events of the recording. */
  readonly events: number;
  readonly rounds: number;
  /** Nanoseconds an event with all the rules. */
  readonly ns: number;
  readonly rules: readonly MeasuredRule[];
  readonly problems: readonly string[];
}

export interface MeasureOptions {
  /** An strace log. */
  readonly recording: string;
  /** Seconds to spend; at least three rounds are played. */
  readonly seconds: number;
  readonly onProgress?: (round: number) => void;
}

const quantile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
};

/** Rules as they are on a recording, which names no cgroups and is not acted on. */
const onRecording = (rules: readonly Rule[]): readonly Rule[] =>
  rules.map((rule) => ({
    ...rule,
    mode: 'monitor',
    scope: rule.scope.cgroup === undefined ? rule.scope : { ...rule.scope, cgroup: '/' },
  }));

interface Run {
  /** Of the processor, without loading and verifying. */
  readonly milliseconds: number;
  readonly calls: number;
  readonly problems: readonly string[];
}

const play = async (policy: Policy, compiled: Compiled, sensor: Sensor, hooks: Hooks = {}): Promise<Run> => {
  let milliseconds = 0;
  const run: Sensor['run'] = async (pump, signal) => {
    const start = process.cpuUsage();
    const report = await sensor.run(pump, signal);
    const { user, system } = process.cpuUsage(start);
    milliseconds = (user + system) / 1000;
    return report;
  };
  const { calls, problems } = await runAgent({
    policies: [policy],
    everyMatch: true,
    compiled,
    sensor: { ...sensor, run },
    host: 'measure',
    enforce: false,
    log: createMemoryLog('measure'),
    ...hooks,
  });
  return { milliseconds, calls, problems };
};

type Hooks = Pick<Parameters<typeof runAgent>[0], 'onRecord' | 'onAlert'>;

/**
 * What each rule of a policy comes to on a recording, and what it costs: the recording is played with all rules and without each, in turns,
 * until the time is over. @throws Error where the recording can't be read
 */
export const measurePolicy = async (policy: Policy, options: MeasureOptions): Promise<Measured> => {
  const rules = onRecording(policy.rules);
  const on: Policy = { ...policy, mode: 'monitor', rules };
  const all = compile(rules, { level: LEVEL });
  const without = rules.map((_, index) => compile(rules.toSpliced(index, 1), { level: LEVEL }));

  const events = rules.map(() => 0);
  const candidates = rules.map(() => 0);
  const matches = new Map<string, number>();
  const judges = rules.map((_, index) => judgeOf(all.plan, index));
  const once = createReplaySensor({ path: options.recording, onProblem: 'skip' });
  const counted = observed(once, compileObserver(on, LEVEL), (event) => {
    for (const [index, judge] of judges.entries())
      if (judge.sites(event) !== undefined) events[index] = (events[index] ?? 0) + 1;
  });
  const { calls, problems } = await play(on, all, counted, {
    onRecord: ({ matched }) => {
      for (const index of matched) candidates[index] = (candidates[index] ?? 0) + 1;
    },
    onAlert: ({ rule }) => void matches.set(rule, (matches.get(rule) ?? 0) + 1),
  });

  const times = Math.max(
    1,
    Math.ceil(Math.min(MAX_ROUND_EVENTS, EVENTS_A_SECOND * options.seconds) / Math.max(1, calls)),
  );
  const sensor = (): Sensor => createRepeatedReplay({ paths: [options.recording], rounds: times });
  const full: number[] = [];
  const partial: number[][] = rules.map(() => []);
  const end = Date.now() + options.seconds * 1000;
  let rounds = 0;
  for (; rounds < MIN_ROUNDS || Date.now() < end; rounds++) {
    options.onProgress?.(rounds + 1);
    full.push((await play(on, all, sensor())).milliseconds);
    for (const [index, compiled] of without.entries())
      partial[index]?.push((await play(on, compiled, sensor())).milliseconds);
  }
  const perEvent = (milliseconds: number, number: number): number => (milliseconds * 1e6) / number;
  return {
    events: calls,
    rounds,
    ns: calls === 0 ? 0 : perEvent(quantile(full, 0.5), calls * times),
    problems,
    rules: rules.map(({ name }, index): MeasuredRule => {
      const others = partial[index] ?? [];
      const ratios = full.map((time, round) => time / (others[round] ?? time));
      const own = events[index] ?? 0;
      const difference = quantile(
        full.map((time, round) => time - (others[round] ?? time)),
        0.5,
      );
      return {
        rule: name,
        events: own,
        candidates: candidates[index] ?? 0,
        matches: matches.get(name) ?? 0,
        ns: own === 0 ? undefined : perEvent(difference, own * times),
        ratio: quantile(ratios, 0.5),
        noise: (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / 2,
      };
    }),
  };
};
