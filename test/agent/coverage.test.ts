import { expect, it } from 'vitest';
import { coverageRatio, createCoverage, createTestBench } from '../../agent/index.ts';
import { loadPolicyText } from '../../policies/index.ts';
import { predicateText } from '../../rules/index.ts';

const policy = (condition: string, steps: string, more = ''): string => `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
${more}  rules:
    - rule: R
      condition: ${condition}
      priority: notice
      output: x
  tests:
    - name: t
      scenario: {inline: [${steps}]}
      expect: []
`;

/** Each counted predicate of the only rule with what was seen of it. */
const seen = async (text: string): Promise<{ readonly ratio: number; readonly predicates: readonly string[] }> => {
  const { policies, diagnostics } = loadPolicyText('p.yaml', text);
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const [found] = policies;
  if (found === undefined) throw new Error('no policy');
  const bench = createTestBench(found);
  const coverage = createCoverage(bench.compiled.plan);
  for (const test of found.tests) expect((await bench.run(test, coverage.add)).problems).toEqual([]);
  const { predicates } = coverage;
  return {
    ratio: coverageRatio(predicates),
    predicates: predicates.map(({ position, predicate, seenTrue, seenFalse }) => {
      const outcomes = `${seenTrue ? 'true' : '-'} ${seenFalse ? 'false' : '-'}`;
      return `${position.line}:${position.column} ${predicateText(predicate)}: ${outcomes}`;
    }),
  };
};

it('sees predicates that a short circuit would not reach, and not those that are known before', async () => {
  const condition = 'evt.type = openat and fd.name = /etc/hosts and proc.name = cat and evt.is_open_write = true';
  const { ratio, predicates } = await seen(policy(condition, '{exec: [sh]}, {openat: /etc/passwd, by: sh}'));
  expect(predicates).toEqual([
    '7:40 fd.name = /etc/hosts: - false',
    '7:65 proc.name = cat: - false',
    '7:85 evt.is_open_write = true: - false',
  ]);
  expect(ratio).toBe(0.5);
});

it("only looks at events of the rule's types in the policy's scope", async () => {
  const steps =
    '{openat: /etc/hosts, by: sshd}, {exec: {path: /usr/bin/cat, argv: [cat], as: cat, cgroup: /user.slice}}, {openat: /etc/hosts, by: cat}, {chmod: [/etc/hosts, "644"], by: sshd}';
  const { predicates } = await seen(
    policy('evt.type = openat and proc.name = cat', steps, '  scope: {cgroup: /system.slice}\n'),
  );
  expect(predicates).toEqual(['8:40 proc.name = cat: - false']);
});

it('takes an absent field for false where its event type can have it, and an unknown one for neither', async () => {
  const absent = await seen(policy('evt.type = openat and proc.aname[7] != cat', '{openat: /etc/hosts, by: bash}'));
  expect(absent.predicates).toEqual(['7:40 proc.aname[7] != cat: - false']);
  const unknown = await seen(
    policy('evt.type in (open, openat) and evt.failed = false', '{openat: /etc/hosts, by: bash, via: io_uring}'),
  );
  expect(unknown.predicates).toEqual(['7:49 evt.failed = false: - -']);
});

it('shows a predicate of a macro where the rule names the macro', async () => {
  const { predicates } = await seen(
    policy('evt.type = openat and reader', '{openat: /etc/hosts, by: bash}', '  macros: {reader: proc.name = cat}\n'),
  );
  expect(predicates).toEqual(['8:40 proc.name = cat: - false']);
});

it('asks rules that deny at their hook, and lets them deny', async () => {
  const text = `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
  mode: enforce
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
      scenario: {inline: [{exec: [cat]}, {openat: /etc/shadow, by: cat, expect: EPERM}]}
      expect: [R]
`;
  const { predicates } = await seen(text);
  expect(predicates).toEqual(['10:18 fd.name = /etc/shadow: true -', '10:44 proc.name = cat: true -']);
});
