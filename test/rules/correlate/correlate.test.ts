import { describe, expect, it } from 'vitest';
import {
  type Correlation,
  type CorrelationState,
  createCorrelator,
  type FieldSource,
  type KinRecord,
  type Rule,
} from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { ruleOf } from '../../support/rules.ts';
import { type Expected, type Happening, plainSequence, plainThreshold, plainTree } from './models.ts';

const position = { file: 'test.yaml', line: 5, column: 7 };
const KEY = { name: 'user.uid', span: { start: 0, end: 0 } };

/** The first process: every other was made by one that is there. */
const FIRST = 1;

interface Shape {
  /** Nanoseconds of the rule's window. */
  readonly within: number;
  readonly steps: number;
  readonly events: number;
}

/** Processes that fork and exit, and events of them, with gaps about as long as the window. */
const streamOf = (random: Random, { within, steps, events }: Shape): readonly Happening[] => {
  const stream: Happening[] = [];
  const alive = [FIRST];
  let processes = FIRST;
  let time = 1000;
  const gaps = [0, 0, 1, Math.ceil(within / 10), Math.ceil(within / 3), within, within + 1];
  for (let left = events; left > 0; left--) {
    const process = random.pick(alive);
    if (random.chance(0.15)) {
      stream.push({ kind: 'fork', process: ++processes, maker: process });
      alive.push(processes);
    } else if (alive.length > 2 && random.chance(0.1)) {
      stream.push({ kind: 'exit', process });
      alive.splice(alive.indexOf(process), 1);
    } else {
      time += random.chance(0.6) ? 0 : random.pick(gaps);
      const satisfied = Array.from({ length: steps }, (_, index) => index + 1).filter(() => random.chance(0.4));
      const key = String(random.below(random.pick([1, 2, 4])));
      stream.push({ kind: 'event', time, process, key, steps: satisfied });
    }
  }
  return stream;
};

const rulesOf = (correlations: readonly Correlation[]): readonly Rule[] =>
  correlations.map((correlation) => ruleOf('correlated', 'evt.type = connect', { correlation }));

const thresholdOf = (moreThan: number, within: number): readonly Rule[] =>
  rulesOf([{ kind: 'threshold', moreThan, within: BigInt(within), by: [KEY], position }]);

const sequenceOf = (steps: number, within: number, tree: boolean): readonly Rule[] =>
  rulesOf(
    Array.from({ length: steps }, (_, index) => ({
      kind: 'sequence',
      step: index + 1,
      steps,
      within: BigInt(within),
      by: [KEY],
      tree,
      position,
    })),
  );

const recordOf = (kind: KinRecord['kind'], process: number, parent: number, maker = 0): KinRecord => ({
  kind,
  pid: process,
  start: BigInt(process),
  parentPid: parent,
  parentStart: BigInt(parent),
  arguments: [BigInt(maker), BigInt(maker)],
});

/** What a correlator raises for a stream. A process whose maker has exited has another parent, as the kernel says it. */
const raised = (
  rules: readonly Rule[],
  stream: readonly Happening[],
  before?: CorrelationState,
): { readonly found: readonly Expected[]; readonly state: CorrelationState; readonly sizes: readonly number[] } => {
  const correlator = createCorrelator({ rules, parentOf: () => undefined, ...(before && { before }) });
  const parents = new Map([[FIRST, 0]]);
  const ended = new Set<number>();
  const record = (kind: KinRecord['kind'], process: number, maker?: number): KinRecord => {
    const parent = parents.get(process) ?? 0;
    return recordOf(kind, process, ended.has(parent) ? FIRST : parent, maker);
  };
  const found: Expected[] = [];
  for (const [at, each] of stream.entries()) {
    if (each.kind === 'fork') {
      parents.set(each.process, each.maker);
      correlator.began(record('fork', each.process, each.maker));
    } else if (each.kind === 'exit') {
      ended.add(each.process);
      correlator.ended(record('exit', each.process));
    } else {
      const fields: FieldSource = () => ({ state: 'present', value: each.key, trust: 'resolved' });
      const match = { time: BigInt(each.time), number: at, event: 'connect', pid: each.process };
      const kin = correlator.kinOf(record('event', each.process));
      const matched = rules.flatMap((rule, index) => {
        const step = rule.correlation?.kind === 'sequence' ? rule.correlation.step : undefined;
        return (step === undefined ? each.steps.length > 0 : each.steps.includes(step)) ? index : [];
      });
      for (const rule of correlator.order(matched)) {
        const alert = correlator.correlate(rule, match, fields, kin);
        if (alert !== undefined) found.push({ at, count: alert.count, from: Number(alert.from) });
      }
    }
  }
  return {
    found,
    state: correlator.state,
    sizes: [...correlator.state.rules.values()].map(({ keys }) => keys),
  };
};

const shapeOf = (random: Random): Shape => ({
  within: random.pick([1, 10, 1000]),
  steps: random.between(2, 4),
  events: random.between(1, 36),
});

describe('against a plain model, over random streams of shuffled processes', () => {
  it('thresholds raise the same alerts', () => {
    const random = createRandom(seed('thresholds'));
    let alerts = 0;
    for (let left = count(40_000); left > 0; left--) {
      const shape = shapeOf(random);
      const stream = streamOf(random, shape);
      const moreThan = random.between(1, 6);
      const expected = plainThreshold(stream, moreThan, shape.within);
      expect(raised(thresholdOf(moreThan, shape.within), stream).found).toEqual(expected);
      alerts += expected.length;
    }
    expect(alerts).toBeGreaterThan(count(40_000) / 4);
  });

  it('sequences by key raise the same alerts', () => {
    const random = createRandom(seed('sequences'));
    let alerts = 0;
    for (let left = count(30_000); left > 0; left--) {
      const shape = shapeOf(random);
      const stream = streamOf(random, shape);
      const expected = plainSequence(stream, shape.steps, shape.within);
      expect(raised(sequenceOf(shape.steps, shape.within, false), stream).found).toEqual(expected);
      alerts += expected.length;
    }
    expect(alerts).toBeGreaterThan(count(30_000) / 4);
  });

  it('sequences in trees of processes raise the same alerts, whoever has ended and been given another parent', () => {
    const random = createRandom(seed('trees'));
    let alerts = 0;
    for (let left = count(30_000); left > 0; left--) {
      const shape = shapeOf(random);
      const stream = streamOf(random, shape);
      const expected = plainTree(stream, shape.steps, shape.within);
      expect(raised(sequenceOf(shape.steps, shape.within, true), stream).found).toEqual(expected);
      alerts += expected.length;
    }
    expect(alerts).toBeGreaterThan(count(30_000) / 8);
  });

  it('rules that stay as they are go on where another correlator stopped', () => {
    const random = createRandom(seed('handed over'));
    for (let left = count(2_000); left > 0; left--) {
      const shape = shapeOf(random);
      const stream = streamOf(random, shape).filter(({ kind }) => kind === 'event');
      const cut = random.below(stream.length + 1);
      const moreThan = random.between(1, 6);
      const rules = random.chance(0.5)
        ? thresholdOf(moreThan, shape.within)
        : sequenceOf(shape.steps, shape.within, false);
      const first = raised(rules, stream.slice(0, cut));
      const second = raised(rules, stream.slice(cut), first.state);
      const whole = raised(rules, stream).found;
      expect([...first.found, ...second.found.map((each) => ({ ...each, at: each.at + cut }))]).toEqual(whole);
    }
  });
});
