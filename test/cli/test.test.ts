import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testRecord } from '../../cli/test-records.ts';
import { jsonLines } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { inLargerSizes } from '../support/counts.ts';
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
    '  coverage 75 % of 2 predicates, 1 not seen both true and false',
    '',
    '3 tests of 1 policy: 1 passed, 2 failed; coverage 75 %',
    '',
  ]);
});

it('gives one object a test and a summary, and a report for CI servers', async () => {
  const file = policyFile();
  const report = join(temporaryFolder(), 'report.xml');
  const { code, stdout } = await shrike('test', file, '--json', '--junit', report);
  expect(code).toBe(1);
  const records = jsonLines(stdout).map((record) => testRecord.parse(record));
  const [first, second, third, coverage, summary] = records;
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
  expect(coverage).toEqual({
    type: 'coverage',
    file,
    policy: 'hosts',
    predicates: 2,
    percent: 75,
    missing: [{ file, line: 7, column: 65, rule: 'Hosts read', predicate: 'proc.name = cat', never: ['false'] }],
  });
  expect(summary).toEqual({ type: 'summary', policies: 1, tests: 3, passed: 1, failed: 2, errors: 0, coverage: 75 });
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

const GOOD = POLICY.slice(0, POLICY.indexOf('    - name: "turned'));

const goodFile = (): string => {
  const file = join(temporaryFolder(), 'hosts.yaml');
  writeFileSync(file, GOOD);
  return file;
};

it('lists what no test saw, and fails below a minimum', async (context) => {
  inLargerSizes(context);
  const file = goodFile();
  const { code, stdout, stderr } = await shrike('test', file, '--coverage', '--min-coverage', '80');
  expect({ code, lines: stdout.split('\n'), stderr }).toEqual({
    code: 1,
    lines: [
      `hosts  ${file}`,
      '  ok   cat reads it',
      '  coverage 50 % of 2 predicates, 2 not seen both true and false',
      '    Hosts read',
      '      7:40  never false  fd.name = /etc/hosts',
      '      7:65  never false  proc.name = cat',
      '',
      '1 test of 1 policy: 1 passed; coverage 50 %',
      '',
    ],
    stderr: 'shrike: coverage of hosts is 50 %, less than 80 %\n',
  });
  expect((await shrike('test', file, '--min-coverage', '50')).code).toBe(0);
});

it('lists the changes that no test would miss', async () => {
  const file = goodFile();
  const { code, stdout } = await shrike('test', file, '--mutate', '--rule', 'Hosts read', '--min-score', '60');
  expect({ code, lines: stdout.split('\n') }).toEqual({
    code: 0,
    lines: [
      `hosts  ${file}`,
      '  ok   cat reads it',
      '  coverage 50 % of 2 predicates, 2 not seen both true and false',
      '',
      `hosts  ${file}`,
      expect.stringMatching(/^ {2}mutation 75 %: 9 of 12 changes found \(1 without effect not counted\)$/),
      '    Hosts read',
      '      7:18  evt.type = openat: left out',
      '      7:40  fd.name = /etc/hosts: left out',
      '      7:65  proc.name = cat: left out',
      '',
      expect.stringMatching(/^1 test of 1 policy: 1 passed; coverage 50 %, mutation [\d.]+ %$/),
      '',
    ],
  });
  const unknown = await shrike('test', file, '--mutate', '--rule', 'Host read');
  expect(unknown).toEqual({
    code: 2,
    stdout: '',
    stderr: 'shrike: there is no rule "Host read"\nthere are: Hosts read\n',
  });
});

it('takes the first of the rules that match an event with --rule-matching first, for changes, too', async (context) => {
  inLargerSizes(context);
  const file = join(temporaryFolder(), 'hosts.yaml');
  const [rule = ''] = / {4}- rule: Hosts read\n(?: {6}.*\n)+/.exec(GOOD) ?? [];
  const both = GOOD.replace(rule, rule + rule.replace('Hosts read', 'Hosts read again'));
  writeFileSync(file, both);
  expect((await shrike('test', file)).stdout).toContain('FAIL cat reads it');
  const { code, stdout } = await shrike('test', file, '--rule-matching', 'first', '--mutate', '--json');
  expect(code).toBe(0);
  const records = jsonLines(stdout).map((record) => testRecord.parse(record));
  // What turns the first rule off is found, as the second is raised then. Of the second one, only what lets it match another event is
  // found: "or" for "and", which is true of the exec.
  const [mutation] = records.filter((record) => record.type === 'mutation');
  expect(mutation).toMatchObject({ tried: 24, found: 10 });
  const survived = (name: string) => mutation?.survived.filter((change) => change.rule === name).length;
  expect([survived('Hosts read'), survived('Hosts read again')]).toEqual([3, 11]);
});

it('plays a recording that lies beside the policy', async () => {
  const folder = temporaryFolder();
  const strace = [
    '100 1700000000.000001 execve("/usr/bin/cat", ["cat", "/etc/hosts"], 0x7ffe /* 0 vars */) = 0',
    '100 1700000000.000002 openat(AT_FDCWD</root>, "/etc/hosts", O_RDONLY) = 3</etc/hosts>',
    '100 1700000000.000003 +++ exited with 0 +++',
    '',
  ];
  writeFileSync(join(folder, 'app.strace'), strace.join('\n'));
  const file = join(folder, 'hosts.yaml');
  writeFileSync(file, GOOD.replace(/scenario: .*/, 'scenario: {recording: app.strace}'));
  expect((await shrike('test', file)).stdout).toContain('1 test of 1 policy: 1 passed');
  writeFileSync(file, GOOD.replace(/scenario: .*/, 'scenario: {recording: none.strace}'));
  const { code, stdout } = await shrike('test', file);
  expect(code).toBe(1);
  expect(stdout).toContain(`cannot read the recording ${join(folder, 'none.strace')} (ENOENT)`);
});
