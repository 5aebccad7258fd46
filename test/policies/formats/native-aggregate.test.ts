import { describe, expect, it } from 'vitest';
import { loadPolicyText } from '../../../policies/index.ts';
import type { Aggregate } from '../../../rules/index.ts';

const SECOND = 1_000_000_000n;
const field = (name: string, argument?: string) => ({
  name,
  ...(argument !== undefined && { argument }),
  span: { start: 0, end: 0 },
});

/** What a rule with this priority and these lines has of `aggregate`, in a policy with that line. */
const aggregateOf = (own: string, common = '', priority = 'notice'): Aggregate | undefined => {
  const { policies, diagnostics } = loadPolicyText(
    'p.yaml',
    `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
  scope: {cgroup: /a}
  ${common}
  rules:
    - rule: R
      condition: evt.type = openat and fd.name = /etc/shadow
      priority: ${priority}
      output: o
      ${own}
`,
  );
  expect(diagnostics).toEqual([]);
  const [policy] = policies;
  return policy?.rules[0]?.aggregate;
};

describe('aggregate', () => {
  it.each<readonly [string, Aggregate | undefined]>([
    ['', undefined],
    ['aggregate: {within: 60s}', { within: 60n * SECOND }],
    ['aggregate: {by: [], within: 1ms}', { by: [], within: 1_000_000n }],
    [
      'aggregate: {by: [fd.name, "proc.aname[2]"], within: 24h}',
      { by: [field('fd.name'), field('proc.aname', '2')], within: 86_400n * SECOND },
    ],
    ['aggregate: {within: 0s}', undefined],
  ])('of a rule: %s', (own, expected) => {
    expect(aggregateOf(own)).toEqual(expected);
  });

  it("is the policy's where the rule says nothing", () => {
    const common = 'aggregate: {by: [fd.name], within: 5s}';
    expect(aggregateOf('', common)).toEqual({ by: [field('fd.name')], within: 5n * SECOND });
    expect(aggregateOf('aggregate: {within: 1s}', common)).toEqual({ within: SECOND });
    expect(aggregateOf('aggregate: {within: 0s}', common)).toBeUndefined();
  });

  it("is never the policy's for rules of priority critical or higher, nor for those that deny or kill", () => {
    const common = 'aggregate: {within: 5s}';
    for (const priority of ['emergency', 'alert', 'critical'])
      expect(aggregateOf('', common, priority)).toBeUndefined();
    expect(aggregateOf('', common, 'error')).toEqual({ within: 5n * SECOND });
    expect(aggregateOf('aggregate: {within: 1s}', '', 'critical')).toEqual({ within: SECOND });
    expect(aggregateOf('action: deny', common)).toBeUndefined();
    expect(aggregateOf('action: kill', common)).toBeUndefined();
  });
});
