import { describe, expect, it } from 'vitest';
import { createTestBench, mutateConjuncts, scenarioTests } from '../../agent/index.ts';
import { loadPolicyText, type Policy } from '../../policies/index.ts';
import { parseScenario, type Scenario } from '../../sensors/index.ts';

const place = { file: 's.yaml', line: 1, column: 1 };

const scenarioOf = (data: unknown): Scenario => {
  const places = { file: 's.yaml', valueAt: () => place, keyAt: () => place };
  const { scenario, diagnostics } = parseScenario(data, places, { form: 'file' });
  if (scenario === undefined) throw new Error(JSON.stringify(diagnostics));
  return scenario;
};

const policyOf = (condition: string): Policy => {
  const text = `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
  rules:
    - {rule: R, condition: "${condition}", priority: notice, output: x}
    - {rule: Other, condition: evt.type = unlink, priority: notice, output: x}
`;
  const [policy] = loadPolicyText('p.yaml', text).policies;
  if (policy === undefined) throw new Error('no policy');
  return policy;
};

const BASE = {
  name: 's',
  steps: [{ exec: ['cat', '/etc/hosts'] }, { id: 'open', openat: '/etc/hosts' }],
  expect: ['R'],
};
const OTHER_FILE = { name: 'other-file', step: 'open', change: { openat: '/etc/hostname' }, expect: [] };
const OTHER_PROGRAM = { name: 'tac', step: 'open', change: { by: 'bash' }, expect: [] };

const CONDITION = 'evt.type = openat and fd.name = /etc/hosts and proc.name = cat';

describe('scenarios as tests of a policy', () => {
  it('are those whose files name a rule of it; other rules are not looked at', async () => {
    const policy = policyOf(CONDITION);
    const elsewhere = scenarioOf({ ...BASE, name: 'e', expect: ['Rule of another policy'] });
    const silent = scenarioOf({ name: 'n', steps: BASE.steps });
    const tests = scenarioTests(policy, [scenarioOf({ ...BASE, but: [OTHER_FILE] }), elsewhere, silent]);
    expect(tests.map(({ name, expect: rules, among }) => [name, rules, [...(among ?? [])]])).toStrictEqual([
      ['s', ['R'], ['R']],
      ['s/other-file', [], ['R']],
    ]);
    const bench = createTestBench(policy);
    for (const test of tests) expect(await bench.run(test)).toMatchObject({ passed: true, problems: [] });
    const wrong = scenarioTests(policy, [scenarioOf({ ...BASE, but: [{ ...OTHER_FILE, expect: ['R'] }] })]);
    const outcomes = [];
    for (const test of wrong) outcomes.push((await bench.run(test)).passed);
    expect(outcomes).toStrictEqual([true, false]);
  });

  it('raise a rule once or more often', async () => {
    const twice = scenarioOf({ ...BASE, steps: [...BASE.steps, { openat: '/etc/hosts' }] });
    const policy = policyOf(CONDITION);
    for (const test of scenarioTests(policy, [twice]))
      expect(await createTestBench(policy).run(test)).toMatchObject({ passed: true, raised: ['R', 'R'] });
  });
});

describe('changes of top-level conjuncts', () => {
  const changes = async (condition: string, but: readonly unknown[]) => {
    const policy = policyOf(condition);
    const { outcomes } = await mutateConjuncts(policy, scenarioTests(policy, [scenarioOf({ ...BASE, but })]));
    return outcomes.map(({ rule, before, after, status }) => `${rule}: ${before} -> ${after}: ${status}`);
  };

  it('are found where a scenario tells them: what is left out by a near miss, what is negated by the attack', async () => {
    expect(await changes(CONDITION, [OTHER_FILE])).toStrictEqual([
      'R: evt.type = openat -> left out: survived',
      'R: evt.type = openat -> not (evt.type = openat ...): found',
      'R: fd.name = /etc/hosts -> left out: found',
      'R: fd.name = /etc/hosts -> not (fd.name = /etc/hosts ...): found',
      'R: proc.name = cat -> left out: survived',
      'R: proc.name = cat -> not (proc.name = cat ...): found',
    ]);
    const both = await changes(CONDITION, [OTHER_FILE, OTHER_PROGRAM]);
    expect(both.filter((line) => line.endsWith('survived'))).toStrictEqual([
      'R: evt.type = openat -> left out: survived',
    ]);
  });

  it('take a part in parentheses as one, and a negation off where there is one', async () => {
    const condition = 'evt.type = openat and (fd.name = /etc/hosts or fd.name = /etc/motd) and not proc.name = dog';
    expect(await changes(condition, [])).toStrictEqual([
      'R: evt.type = openat -> left out: survived',
      'R: evt.type = openat -> not (evt.type = openat ...): found',
      'R: (fd.name = /etc/hosts ...) -> left out: survived',
      'R: (fd.name = /etc/hosts ...) -> not (fd.name = /etc/hosts ...): found',
      'R: not (proc.name = dog ...) -> left out: survived',
      'R: not (proc.name = dog ...) -> proc.name = dog: found',
    ]);
  });

  it('of a condition that is no conjunction are its negation', async () => {
    const policy = policyOf('evt.type in (openat)');
    const { outcomes } = await mutateConjuncts(policy, scenarioTests(policy, [scenarioOf(BASE)]));
    expect(outcomes.map(({ after }) => after)).toStrictEqual(['not (evt.type in (openat) ...)']);
  });
});
