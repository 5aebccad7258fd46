import type { Policy } from '../policies/index.ts';
import { type Condition, type Position, planRules, type Rule, type RuleMatching } from '../rules/index.ts';
import { isExclusive } from './events.ts';
import { type Judge, judgeOf, truthsOf } from './judge.ts';
import { likenessOf } from './likeness.ts';
import { conjunctMutantsOf, type Mutant, mutantsOf } from './mutants.ts';
import type { ObservedEvent } from './observer.ts';
import { type BenchTest, createTestBench, type TestBench, type TestOutcome } from './test-bench.ts';

/** What became of a changed condition. */
export interface MutantOutcome extends Pick<Mutant, 'before' | 'after'> {
  readonly rule: string;
  readonly position: Position;
  /** `found`: a test fails; `survived`: none does; `untried`: there was no time left. */
  readonly status: 'found' | 'survived' | 'untried';
}

/** What became of a policy's rules, changed one by one. */
export interface MutationResult {
  readonly outcomes: readonly MutantOutcome[];
  /** Changed conditions that match the same events, or what another change comes to already: not counted. */
  readonly equivalent: number;
  /** Changed conditions that don't compile: not counted. */
  readonly refused: number;
  /** Tests that fail without any change: nothing is tried then. */
  readonly failing: readonly TestOutcome[];
}

export interface MutationOptions {
  /** Only this rule. */
  readonly rule?: string;
  /** Default all. */
  readonly ruleMatching?: RuleMatching;
  /** When to stop, as `Date.now()` has it; default never. */
  readonly until?: number;
  /** Told how many of how many were tried, now and then. */
  readonly onProgress?: (tried: number, all: number) => void;
}

/** Of what was tried, the share that a test found: 0 to 1; 1 where nothing was tried. */
export const mutationScore = (outcomes: readonly MutantOutcome[]): number => {
  const tried = outcomes.filter(({ status }) => status !== 'untried');
  return tried.length === 0 ? 1 : tried.filter(({ status }) => status === 'found').length / tried.length;
};

interface Candidate {
  readonly mutant: Mutant;
  /** Index of the rule. */
  readonly rule: number;
  readonly judge: Judge;
  found: boolean;
  /** Tests on an event of which it says something else than its rule. */
  readonly touched: Set<BenchTest>;
  /** Tests in which it has to be run. */
  readonly suspect: Set<BenchTest>;
  /** Alerts of the running test that are as expected so far. */
  matched: number;
  wrong: boolean;
}

const mutated = (rule: Rule, condition: Condition): Rule => ({ ...rule, condition });

/** The rules with what is tried on them, those that come to nothing new left out. */
const candidatesOf = (
  policy: Policy,
  only: string | undefined,
  changes: (rule: Rule) => readonly Mutant[] = ({ condition }) => mutantsOf(condition),
) => {
  const candidates: Candidate[] = [];
  let [equivalent, refused] = [0, 0];
  for (const [index, rule] of policy.rules.entries()) {
    if (only !== undefined && rule.name !== only) continue;
    const known = new Set([likenessOf(planRules([rule]), 0)]);
    for (const mutant of changes(rule)) {
      const plan = planRules([mutated(rule, mutant.condition)]);
      if (plan.diagnostics.some(({ severity }) => severity === 'error')) {
        refused++;
        continue;
      }
      const likeness = likenessOf(plan, 0);
      if (known.has(likeness)) {
        equivalent++;
        continue;
      }
      known.add(likeness);
      const judge = judgeOf(plan, 0);
      const [touched, suspect] = [new Set<BenchTest>(), new Set<BenchTest>()];
      candidates.push({ mutant, rule: index, judge, found: false, touched, suspect, matched: 0, wrong: false });
    }
  }
  return { candidates, equivalent, refused };
};

/** The names of the rules that are raised where these hold on an event, in their order. */
const raisedBy = (
  rules: readonly Rule[],
  holds: (index: number) => boolean,
  matching: RuleMatching,
): readonly string[] => {
  const held = rules.filter((_, index) => holds(index));
  const first = held.find(isExclusive);
  return held.filter((rule) => matching === 'all' || !isExclusive(rule) || rule === first).map(({ name }) => name);
};

/** Follows the alerts of a test as they would be with each candidate, event by event. */
const createJury = (
  { rules }: Policy,
  bench: TestBench,
  candidates: readonly Candidate[],
  test: BenchTest,
  matching: RuleMatching,
) => {
  const judges = rules.map((_, index) => judgeOf(bench.compiled.plan, index));
  const raised: string[] = [];
  for (const candidate of candidates) [candidate.matched, candidate.wrong] = [0, false];
  const take = (candidate: Candidate, name: string): void => {
    if (test.expect[candidate.matched] === name) candidate.matched++;
    else candidate.wrong = true;
  };
  return {
    raised,
    hear: (event: ObservedEvent): void => {
      const truths = truthsOf(event);
      const base = judges.map((judge) => judge.judge(event, truths));
      for (const candidate of candidates) {
        if (candidate.found) continue;
        const own = candidate.judge.judge(event, truths);
        const was = base[candidate.rule];
        if (own.possible !== was?.possible || own.certain !== was.certain) candidate.touched.add(test);
        const holds = (index: number): boolean =>
          index === candidate.rule ? own.possible : base[index]?.possible === true;
        for (const name of raisedBy(rules, holds, matching)) take(candidate, name);
      }
      raised.push(...raisedBy(rules, (index) => base[index]?.possible === true, matching));
    },
    /** What follows from the test as a whole, where alerts are the matches of single events, and rules change nothing. */
    close: (): void => {
      for (const candidate of candidates) {
        if (!candidate.touched.has(test)) continue;
        if (rules[candidate.rule]?.action !== 'alert') candidate.suspect.add(test);
        else if (candidate.wrong || candidate.matched < test.expect.length) candidate.found = true;
      }
    },
  };
};

/** Whether a test fails with a candidate in its rule's place; tests run one after the other until one does. */
const fails = async (
  policy: Policy,
  { mutant, rule: index, suspect }: Candidate,
  matching: RuleMatching,
): Promise<boolean> => {
  const rules = policy.rules.map((rule, at) => (at === index ? mutated(rule, mutant.condition) : rule));
  const bench = createTestBench({ ...policy, rules }, matching);
  for (const test of suspect) if (!(await bench.run(test)).passed) return true;
  return false;
};

/**
 * Tries changes of a policy's conditions on its tests: a change that no test fails for is one that no test would miss. Each test runs once, and what
 * a change comes to is worked out from its events; where a change alters what happens, or alerts do not follow from single events, the
 * tests that it touches run again with it. @throws VerifierError where a kernel would refuse the policy's programs
 */
export const mutatePolicy = async (policy: Policy, options: MutationOptions = {}): Promise<MutationResult> => {
  const { ruleMatching = 'all' } = options;
  const bench = createTestBench(policy, ruleMatching);
  const { candidates, equivalent, refused } = candidatesOf(policy, options.rule);
  const correlated = policy.rules.some(({ correlation }) => correlation !== undefined);
  const failing: TestOutcome[] = [];
  for (const test of policy.tests) {
    const jury = createJury(policy, bench, candidates, test, ruleMatching);
    const outcome = await bench.run(test, jury.hear);
    if (!outcome.passed) failing.push(outcome);
    if (jury.raised.join('\n') === outcome.raised.join('\n')) jury.close();
    else for (const each of candidates) if (!correlated || each.touched.has(test)) each.suspect.add(test);
  }
  if (failing.length > 0) return { outcomes: [], equivalent, refused, failing };
  return { outcomes: await conclude(policy, candidates, options), equivalent, refused, failing };
};

/** What became of candidates: those that no test found by its events alone are put in their rules' places where a test has to run with them. */
const conclude = async (
  policy: Policy,
  candidates: readonly Candidate[],
  { until = Infinity, onProgress, ruleMatching = 'all' }: MutationOptions,
): Promise<readonly MutantOutcome[]> => {
  const outcomes: MutantOutcome[] = [];
  for (const candidate of candidates) {
    const { mutant, rule: index, suspect } = candidate;
    const rule = policy.rules[index];
    if (rule === undefined) continue;
    let status: MutantOutcome['status'] = candidate.found ? 'found' : 'survived';
    if (!candidate.found && suspect.size > 0) {
      if (Date.now() > until) status = 'untried';
      else if (await fails(policy, candidate, ruleMatching)) status = 'found';
    }
    const { before, after, span } = mutant;
    outcomes.push({ rule: rule.name, position: rule.conditionAt(span), before, after, status });
    onProgress?.(outcomes.length, candidates.length);
  }
  return outcomes;
};

/**
 * Tries changes of the top-level conjuncts of a policy's conditions on scenarios that say which rules they raise: a change is found where a scenario
 * raises the changed rule and should not, or should and does not. Each scenario is played once, as long as a change of its rules is not found;
 * rules that no scenario names are not changed.
 */
export const mutateConjuncts = async (
  policy: Policy,
  tests: readonly BenchTest[],
  options: MutationOptions = {},
): Promise<MutationResult> => {
  const bench = createTestBench(policy, 'all');
  const tested = new Set(tests.flatMap(({ among }) => [...(among ?? [])]));
  const changes = (rule: Rule) => (tested.has(rule.name) ? conjunctMutantsOf(rule.condition) : []);
  const { candidates, equivalent, refused } = candidatesOf(policy, options.rule, changes);
  for (const [index, test] of tests.entries()) {
    options.onProgress?.(index, tests.length);
    const open = candidates.filter(({ found, rule }) => !found && test.among?.has(policy.rules[rule]?.name ?? ''));
    if (open.length === 0) continue;
    const raised = new Set<Candidate>();
    await bench.watch(test, (event) => {
      const truths = truthsOf(event);
      for (const candidate of open)
        if (!raised.has(candidate) && candidate.judge.judge(event, truths).possible) raised.add(candidate);
    });
    for (const candidate of open) {
      const rule = policy.rules[candidate.rule];
      if (rule === undefined) continue;
      if (rule.correlation !== undefined || rule.action !== 'alert') candidate.suspect.add(test);
      else if (raised.has(candidate) !== test.expect.includes(rule.name)) candidate.found = true;
    }
  }
  return { outcomes: await conclude(policy, candidates, options), equivalent, refused, failing: [] };
};
