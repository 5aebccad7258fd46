import { describe, expect, it } from 'vitest';
import { type Compiled, compile, GUARDS, type Guard, generate } from '../../rules/index.ts';
import { count, seed, suiteSize } from '../support/counts.ts';
import { createRandom, type Random } from '../support/random.ts';
import { type Deed, type RandomRule, randomRules, watching } from './policies.ts';
import { type Bench, type Counts, createBench, createCounts, run } from './run.ts';

/** Runs that share their policies and a host, which take as long to make as some thirty runs. */
const RUNS_PER_POLICY = suiteSize === 'quick' ? 60 : 25;
/** In quick runs, whose seed never changes, half of a hundredth. */
const RUNS = suiteSize === 'quick' ? 240 : count(50_000);

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

/** All guards: without any of them random runs fail. */
const ALL = (Object.keys(GUARDS) as Guard[]).filter((guard) => guard !== 'done');
/** Guards that random runs come upon. A signal that the kernel does not take is init's alone, for whom another guard stands before (guards.test.ts). */
const MET = ALL.filter((guard) => guard !== 'not sent');

/** Kinds of calls that rules are about. */
const KINDS: readonly Deed['kind'][] = [
  ...(['open', 'exec', 'connect', 'send', 'bind', 'unlink', 'rename', 'link', 'chmod', 'mount'] as const),
  ...(['signal', 'ptrace', 'setuid'] as const),
];

/** Milliseconds that all runs may take on a busy machine. */
const LONG = 1_800_000;

describe('random policies and runs', () => {
  it(
    'deny and kill what the rules say, nobody who is guarded, and nothing where nobody enforces',
    () => {
      const counts = play(RUNS, seed('enforcement'));
      expect(counts.enforcing / counts.runs).toBeGreaterThan(0.3);
      for (const guard of MET) expect([guard, (counts.guards.get(guard) ?? 0) >= count(500)]).toEqual([guard, true]);
      for (const [role, caught] of counts.caught) expect([role, caught >= count(500)]).toEqual([role, true]);
      expect(counts.caught.size).toBe(10);
      // most denials are those of the broad rule, about opens
      if (suiteSize !== 'quick')
        for (const kind of KINDS) expect([kind, (counts.kinds.get(kind) ?? 0) >= count(250)]).toEqual([kind, true]);
      expect(counts.denied).toBeGreaterThan(count(500));
      expect(counts.killed).toBeGreaterThan(count(500));
    },
    LONG,
  );
});

describe('without one of the guards', () => {
  it.each(ALL)('%s, random runs fail', (guard) => {
    const random = createRandom(seed(`without ${guard}`));
    const rules = randomRules(random, 'kill');
    const bench = createBench(rules, compiled(rules, new Set([guard])), random.below(2 ** 30), undefined);
    const failing = (): void => {
      for (let index = 0; index < 300; index++) run(bench, random.below(2 ** 30), createCounts());
    };
    expect(failing).toThrow();
  });
});
