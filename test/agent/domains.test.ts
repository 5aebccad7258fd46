import { expect, it } from 'vitest';
import { createTestBench } from '../../agent/index.ts';
import { loadPolicyText } from '../../policies/index.ts';
import type { FieldValue } from '../../rules/index.ts';

const POLICY = `apiVersion: shrike/v1
kind: Policy
metadata: {name: domains}
spec:
  rules:
    - rule: Calls itself
      condition: evt.type = connect and fd.sip.name = localhost
      priority: notice
      output: "%proc.name called %fd.sip.name"
  tests:
    - name: a name of the hosts file
      scenario:
        inline:
          - exec: [curl]
          - {connect: "127.0.0.1:443", by: curl, expect_errno: ECONNREFUSED}
          - {connect: "127.0.0.2:443", by: curl, expect_errno: ECONNREFUSED}
      expect: [Calls itself]
`;

it('the tests of policies look domain names up in the simulated hosts file', async () => {
  const { policies, diagnostics } = loadPolicyText('domains.yaml', POLICY);
  expect(diagnostics).toEqual([]);
  const [policy] = policies;
  const [test] = policy?.tests ?? [];
  if (policy === undefined || test === undefined) throw new Error('there is no test');
  const seen: FieldValue[] = [];
  const outcome = await createTestBench(policy).run(test, ({ record, source }) => {
    if (record.event?.type === 'connect') seen.push(source({ name: 'fd.sip.name', span: { start: 0, end: 0 } }));
  });
  expect(outcome).toMatchObject({ passed: true, problems: [], diagnostics: [] });
  expect(outcome.alerts.map(({ output }) => output)).toEqual(['curl called localhost']);
  expect(seen.map((value) => (value.state === 'present' ? [value.value, value.names] : value.state))).toEqual([
    ['localhost', { known: ['localhost'], open: [] }],
    ['<NA>', { known: [], open: [] }],
  ]);
});
