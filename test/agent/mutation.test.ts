import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { createTestBench, mutatePolicy, mutationScore } from '../../agent/index.ts';
import { mutantsOf } from '../../agent/mutants.ts';
import { loadPolicies, loadPolicyText, type Policy } from '../../policies/index.ts';
import { count, seed, suiteSize } from '../support/counts.ts';
import { createRandom } from '../support/random.ts';

const policyOf = (text: string): Policy => {
  const { policies, diagnostics } = loadPolicyText('p.yaml', text);
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const [policy] = policies;
  if (policy === undefined) throw new Error('no policy');
  return policy;
};

const HEAD = `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
`;

it('finds what a test would miss, and names what none would', async () => {
  const policy = policyOf(`${HEAD}  rules:
    - rule: R
      condition: evt.type = openat and fd.name = /etc/hosts and proc.name = cat
      priority: notice
      output: x
  tests:
    - name: t
      scenario: {inline: [{exec: [cat]}, {openat: /etc/hosts, by: cat}, {openat: /etc/passwd, by: cat}, {openat: /etc/group, by: cat}]}
      expect: [R]
`);
  const { outcomes, failing } = await mutatePolicy(policy);
  expect(failing).toEqual([]);
  const survived = outcomes.filter(({ status }) => status === 'survived');
  expect(
    survived.map(({ position, before, after }) => `${position.line}:${position.column} ${before} > ${after}`),
  ).toEqual(['7:18 evt.type = openat > left out', '7:65 proc.name = cat > left out']);
  expect(mutationScore(outcomes)).toBeCloseTo((outcomes.length - 2) / outcomes.length);
});

it('does not count what matches the same events', async () => {
  const policy = policyOf(`${HEAD}  rules:
    - rule: R
      condition: evt.type = openat and evt.type in (open, openat)
      priority: notice
      output: x
  tests: [{name: t, scenario: {inline: [{openat: /etc/hosts, by: bash}]}, expect: [R]}]
`);
  const { equivalent, outcomes } = await mutatePolicy(policy);
  // without the first or the second half, without open, and the or of both
  expect(equivalent).toBeGreaterThanOrEqual(2);
  expect(outcomes.map(({ after }) => after)).not.toContain('without open');
});

it('tries nothing where a test fails as it is', async () => {
  const policy = policyOf(`${HEAD}  rules:
    - {rule: R, condition: evt.type = openat, priority: notice, output: x}
  tests: [{name: t, scenario: {inline: [{openat: /etc/hosts, by: bash}]}, expect: []}]
`);
  const { outcomes, failing } = await mutatePolicy(policy);
  expect(outcomes).toEqual([]);
  expect(failing.map(({ test }) => test.name)).toEqual(['t']);
});

it('plays tests again where a change alters what happens', async () => {
  const policy = policyOf(`${HEAD}  mode: enforce
  scope: {cgroup: /system.slice}
  rules:
    - rule: R
      on: [open, openat, openat2]
      condition: fd.name = /etc/shadow and proc.name = cat
      priority: notice
      output: x
      action: deny
  tests:
    - name: t
      enforce: true
      scenario: {inline: [{exec: [cat]}, {openat: /etc/shadow, by: cat, expect: EPERM}, {openat: /etc/hosts, by: cat}]}
      expect: [R]
`);
  const { outcomes } = await mutatePolicy(policy);
  const survived = outcomes.filter(({ status }) => status === 'survived');
  expect(survived.map(({ before, after }) => `${before} > ${after}`)).toEqual(['proc.name = cat > left out']);
});

/** The outcome of a change by playing every test with it compiled. */
const foundByPlaying = async (policy: Policy, rule: number, index: number): Promise<boolean | undefined> => {
  const condition = mutantsOf(policy.rules[rule]!.condition)[index]!.condition;
  const rules = policy.rules.map((each, at) => (at === rule ? { ...each, condition } : each));
  const bench = createTestBench({ ...policy, rules });
  if (bench.errors.length > 0) return undefined;
  for (const test of policy.tests) if (!(await bench.run(test)).passed) return true;
  return false;
};

it('works out from events what playing every test would say', async () => {
  const folder = fileURLToPath(new URL('../../policies/library', import.meta.url));
  const { policies: all } = loadPolicies([folder], { enforcing: true });
  const policies =
    suiteSize === 'quick' ? all.filter(({ rules, mode }) => rules.length === 1 && mode === 'monitor') : all;
  const random = createRandom(seed('mutation by playing'));
  const tried = new Map<Policy, Awaited<ReturnType<typeof mutatePolicy>>>();
  for (let round = 0; round < count(300); round++) {
    const policy = policies[random.below(policies.length)]!;
    const rule = random.below(policy.rules.length);
    const mutants = mutantsOf(policy.rules[rule]!.condition);
    const index = random.below(mutants.length);
    const result = tried.get(policy) ?? (await mutatePolicy(policy));
    tried.set(policy, result);
    const { before, after, span } = mutants[index]!;
    const { name, conditionAt } = policy.rules[rule]!;
    const { line, column } = conditionAt(span);
    const found = result.outcomes.filter(
      (each) =>
        each.rule === name &&
        each.before === before &&
        each.after === after &&
        each.position.line === line &&
        each.position.column === column,
    );
    const played = await foundByPlaying(policy, rule, index);
    const what = `${policy.name}: ${name} ${line}:${column} ${before} > ${after}`;
    // what changes nothing, and what comes to the same as another change, is not among the outcomes
    if (found.length === 0) continue;
    expect(
      found.map(({ status }) => status === 'found'),
      what,
    ).toContain(played);
  }
}, 600_000);
