import { describe, expect, it } from 'vitest';
import { type Compiled, compile, type Guard, generate } from '../../rules/index.ts';
import { count, seed } from '../support/counts.ts';
import { createRandom, type Random } from '../support/random.ts';
import { type RandomRule, randomRules, watching } from './policies.ts';
import { type Bench, type Counts, createBench, createCounts, run } from './run.ts';

/** Runs that share a policy and a host. */
const RUNS_PER_POLICY = 125;

const compiled = (rules: readonly RandomRule[], without?: ReadonlySet<Guard>): Compiled => {
  const own = compile(
    rules.map(({ rule }) => rule),
    { level: '6.12' },
  );
  const errors = own.diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'));
  return without ? { ...own, ...generate(own.plan, '6.12', without) } : own;
};

/** The policies of a suite, by turns: two that enforce, one that watches or whose agent does, one that enforces. */
const benchOf = (random: Random, turn: number): Bench => {
  const watches = turn % 4 === 1 ? (turn % 8 === 1 ? 'agent' : 'policy') : undefined;
  const own = randomRules(random, turn % 2 === 0 ? random.pick(['deny', 'kill', 'kill']) : undefined);
  const rules = watches === 'policy' ? watching(own) : own;
  return createBench(rules, compiled(rules), random.below(2 ** 30), watches);
};

const play = (runs: number, first: number): Counts => {
  const counts = createCounts();
  const random = createRandom(first);
  for (let turn = 0; counts.runs < runs; turn++) {
    const bench = benchOf(random, turn);
    for (let index = 0; index < RUNS_PER_POLICY && counts.runs < runs; index++)
      run(bench, random.below(2 ** 30), counts);
  }
  return counts;
};

/** Guards that random runs come upon. */
const MET: readonly Guard[] = [
  'monitor',
  'switched off',
  'expired',
  'agent',
  'init',
  'kernel thread',
  'protected executable',
  'container init',
  'budget spent',
];

/** Milliseconds that all runs may take on a busy machine. */
const LONG = 1_800_000;

describe('random policies and runs', () => {
  it(
    'deny and kill what the rules say, nobody who is guarded, and nothing where nobody enforces',
    () => {
      const counts = play(count(50_000), seed('enforcement'));
      expect(counts.enforcing / counts.runs).toBeGreaterThan(0.3);
      for (const guard of MET) expect([guard, (counts.guards.get(guard) ?? 0) >= count(500)]).toEqual([guard, true]);
      for (const [role, caught] of counts.caught) expect([role, caught >= count(500)]).toEqual([role, true]);
      expect(counts.caught.size).toBe(6);
      expect(counts.denied).toBeGreaterThan(count(500));
      expect(counts.killed).toBeGreaterThan(count(500));
    },
    LONG,
  );
});

describe('without one of the guards', () => {
  it.each(MET)('%s, random runs fail', (guard) => {
    const random = createRandom(seed(`without ${guard}`));
    const rules = randomRules(random, 'kill');
    const bench = createBench(rules, compiled(rules, new Set([guard])), random.below(2 ** 30), undefined);
    const failing = (): void => {
      for (let index = 0; index < 300; index++) run(bench, random.below(2 ** 30), createCounts());
    };
    expect(failing).toThrow();
  });
});
