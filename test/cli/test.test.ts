import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { jsonLines, shrike } from '../support/cli.ts';
import { temporaryFolder } from '../support/folder.ts';

const POLICY = `apiVersion: shrike/v1
kind: Policy
metadata: {name: hosts}
spec:
  rules:
    - rule: Hosts read
      condition: evt.type = openat and fd.name = /etc/hosts and proc.name = cat
      priority: notice
      output: "%proc.name"
  tests:
    - name: cat reads it
      scenario: {inline: [{exec: [cat, /etc/hosts]}, {openat: /etc/hosts, by: cat}]}
      expect: [Hosts read]
    - name: "turned <round>"
      scenario: {inline: [{exec: [cat, /etc/hosts]}, {openat: /etc/hosts, by: cat}]}
      expect: []
    - name: does not go as it says
      scenario: {inline: [{exec: [cat, /etc/none]}, {openat: /etc/none, by: cat, expect: ENOENT}, {close: 77, by: cat}]}
      expect: []
`;

const policyFile = (): string => {
  const file = join(temporaryFolder(), 'hosts.yaml');
  writeFileSync(file, POLICY);
  return file;
};

it('prints what was expected and what was raised, at the place of the test', async () => {
  const file = policyFile();
  const { code, stdout, stderr } = await shrike('test', file);
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  expect(stdout.split('\n')).toEqual([
    `hosts  ${file}`,
    '  ok   cat reads it',
    `  FAIL turned <round>  ${file}:14:7`,
    '         expected: no alert',
    '         raised:   Hosts read',
    `  FAIL does not go as it says  ${file}:17:7`,
    expect.stringMatching(/^ {9}\S+hosts\.yaml:18: step 3: cat: close 77 returned EBADF; /),
    '',
    '3 tests of 1 policy: 1 passed, 2 failed',
    '',
  ]);
});

it('gives one object a test and a summary, and a report for CI servers', async () => {
  const file = policyFile();
  const report = join(temporaryFolder(), 'report.xml');
  const { code, stdout } = await shrike('test', file, '--json', '--junit', report);
  expect(code).toBe(1);
  const [first, second, third, summary] = jsonLines(stdout);
  expect(first).toEqual({
    type: 'test',
    file,
    line: 11,
    column: 7,
    policy: 'hosts',
    test: 'cat reads it',
    passed: true,
    expected: ['Hosts read'],
    raised: ['Hosts read'],
    problems: [],
  });
  expect(second).toMatchObject({ passed: false, expected: [], raised: ['Hosts read'], problems: [] });
  expect(third).toMatchObject({ passed: false, expected: [], raised: [] });
  expect(summary).toEqual({ type: 'summary', policies: 1, tests: 3, passed: 1, failed: 2, errors: 0 });
  const xml = readFileSync(report, 'utf8');
  expect(xml).toContain('<testsuite name="hosts" tests="3" failures="2">');
  expect(xml).toContain(`<testcase classname="hosts" name="turned &lt;round&gt;" file="${file}" line="14">`);
  expect(xml).toContain('<failure message="expected: no alert">');
});

it('fails where a policy is wrong, also when no test does', async () => {
  const file = join(temporaryFolder(), 'wrong.yaml');
  writeFileSync(file, POLICY.replace('proc.name = cat', 'proc.nme = cat'));
  const { code, stdout, stderr } = await shrike('test', file);
  expect({ code, stdout }).toEqual({
    code: 1,
    stdout: '0 tests of 0 policies: 0 passed, 0 failed; 1 error in policies\n',
  });
  expect(stderr).toContain(
    `${file}:7:65: error[unknown-field]: There is no field "proc.nme"; did you mean "proc.name"?\n`,
  );
});
