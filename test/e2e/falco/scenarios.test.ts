import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createTestBench, mutateConjuncts, mutationScore, scenarioTests } from '../../../agent/index.ts';
import { loadPolicies, type Policy } from '../../../policies/index.ts';
import { listScenarios, loadScenarios, type Scenario } from '../../../sensors/index.ts';
import { casesFolder } from '../../support/cases.ts';
import { seed, suiteSize } from '../../support/counts.ts';
import { createRandom } from '../../support/random.ts';

const RULES = 56;
/** How many rules' scenarios are played: all of them in full. */
const SAMPLE = { quick: 2, ci: 16, full: RULES }[suiteSize];
/** Of the changed conjuncts, those that scenarios must find. */
const LEAST_SCORE = 0.8;

const folder = casesFolder('falco');
const files = ['falco_rules.yaml', 'falco-incubating_rules.yaml'].map((file) => join(folder ?? '', file));
const enabled = fileURLToPath(new URL('enabled.yaml', import.meta.url));

const shipped = listScenarios('falco');

/** Some scenarios by chance; all in full. */
const chosen = (): readonly Scenario[] => {
  const random = createRandom(seed('falco scenarios'));
  const left = [...shipped];
  const some = Array.from({ length: SAMPLE }, () => left.splice(random.below(left.length), 1)).flat();
  const { scenarios, diagnostics } = loadScenarios(some.map(({ name }) => name));
  expect(diagnostics).toStrictEqual([]);
  return scenarios;
};

/** A policy with the rules that scenarios are about; with all of its rules where there is time for that. */
const about = (policy: Policy, scenarios: readonly Scenario[]): Policy => {
  if (suiteSize !== 'quick') return policy;
  const named = new Set(scenarios.flatMap(({ expected }) => expected?.named ?? []));
  return { ...policy, rules: policy.rules.filter(({ name }) => named.has(name)) };
};

it('there is a scenario with near misses for each of the rules, named like it', () => {
  expect(shipped).toHaveLength(RULES);
  expect(new Set(shipped.flatMap(({ expect: rules }) => rules)).size).toBe(RULES);
  expect(shipped.filter(({ expect: rules }) => rules?.length !== 1).map(({ name }) => name)).toStrictEqual([]);
  expect(shipped.filter(({ variants }) => variants.length < 2).map(({ name }) => name)).toStrictEqual([]);
  expect(shipped.filter(({ description }) => description.length < 20).map(({ name }) => name)).toStrictEqual([]);
});

it('all of them are as scenarios should be', () => {
  const some = suiteSize === 'quick' ? shipped.filter((_, index) => index % 8 === 0) : shipped;
  const { scenarios, diagnostics } = loadScenarios(some.map(({ name }) => name));
  expect(diagnostics).toStrictEqual([]);
  expect(scenarios.map(({ name }) => name)).toStrictEqual(some.map(({ name }) => name));
  for (const { name, expected, variants } of scenarios) {
    const misses = variants.filter((each) => each.expected?.raised.length === 0);
    expect({ name, named: expected?.named.length, misses: misses.length > 0 }).toEqual({
      name,
      named: 1,
      misses: true,
    });
  }
});

describe.skipIf(folder === undefined)("Falco's public rules", () => {
  const { policies } = folder === undefined ? { policies: [] } : loadPolicies([...files, enabled]);

  it('are those that the scenarios expect; one of them matches only with an entry in its list', () => {
    const rules = policies.flatMap((policy) => policy.rules.map(({ name }) => name));
    expect(shipped.flatMap(({ expect: names }) => names ?? []).toSorted()).toStrictEqual(rules.toSorted());
  });

  it('are raised by their attacks, and by none of the near misses', async () => {
    const scenarios = chosen();
    let runs = 0;
    for (const each of policies) {
      const policy = about(each, scenarios);
      const tests = scenarioTests(policy, scenarios);
      if (tests.length === 0) continue;
      const bench = createTestBench(policy);
      expect(bench.errors).toStrictEqual([]);
      for (const test of tests) {
        const { passed, raised, problems } = await bench.run(test);
        expect({ name: test.name, passed, problems, ...(passed ? {} : { raised }) }).toStrictEqual({
          name: test.name,
          passed: true,
          problems: [],
        });
        runs++;
      }
    }
    expect(runs).toBe(scenarios.reduce((sum, { variants }) => sum + 1 + variants.length, 0));
  }, 1_800_000);

  it('can hardly be changed without a scenario that tells', async () => {
    const scenarios = chosen().slice(0, suiteSize === 'quick' ? 1 : undefined);
    const outcomes = [];
    for (const each of policies) {
      const policy = about(each, scenarios);
      const tests = scenarioTests(policy, scenarios);
      if (tests.length > 0) outcomes.push(...(await mutateConjuncts(policy, tests)).outcomes);
    }
    const leftOut = outcomes.filter(({ after }) => after === 'left out');
    const [all, weakest] = [mutationScore(outcomes), mutationScore(leftOut)];
    console.log(
      `${outcomes.length} changed conjuncts of ${scenarios.length} rules: ${(100 * all).toFixed(1)} % found; ${leftOut.length} left out: ${(100 * weakest).toFixed(1)} %`,
    );
    expect(outcomes.length).toBeGreaterThan(scenarios.length);
    expect(all).toBeGreaterThanOrEqual(LEAST_SCORE);
  }, 1_800_000);
});
