import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { listScenarios } from '../../sensors/index.ts';
import { jsonLines } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { inLargerSizes, suiteSize } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { comparable, readmeBlock } from '../support/readme.ts';

/** A policy with one rule, and a scenario of which it says something. */
const withOwn = (scenario: string): { readonly policy: string; readonly scenario: string; readonly folder: string } => {
  const folder = temporaryFolder();
  const policy = join(temporaryFolder(), 'p.yaml');
  writeFileSync(
    policy,
    `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
  rules:
    - {rule: Hosts read, condition: evt.type = openat and fd.name = /etc/hosts, priority: notice, output: "%proc.name read it"}
`,
  );
  const path = join(folder, 's.yaml');
  writeFileSync(path, scenario);
  return { policy, scenario: path, folder };
};

const OWN = `name: s
description: cat reads a file.
steps:
  - {note: Somebody asks, exec: [cat, /etc/hosts]}
  - {id: open, openat: /etc/hosts}
expect: [Hosts read]
but:
  - {name: other, description: Of no interest., step: open, change: {openat: /etc/hostname}, expect: []}
  - {name: wrong, step: open, change: {openat: /etc/motd, expect: ENOENT}, expect: [Hosts read]}
  - {name: too, add: {wait: 1s}, expect: []}
`;

it('lists the scenarios that ship, with what they raise and their variants', async () => {
  const { code, stdout, stderr } = await shrike('scenarios', 'list', 'all', '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = jsonLines(stdout) as { readonly group: string; readonly name: string }[];
  const named = (group: string) => lines.filter((line) => line.group === group).map(({ name }) => name);
  expect(named('stories')).toEqual(listScenarios().map(({ name }) => name));
  expect(named('falco')).toEqual(listScenarios('falco').map(({ name }) => name));
  expect(lines.find(({ name }) => name === 'execution-from-dev-shm')).toMatchObject({
    expect: ['Execution from /dev/shm'],
    variants: ['elsewhere', 'by-a-shell', 'trusted-image', 'not-started', 'runs-already'],
  });
});

it("shows a scenario's steps with who makes them, and its variants", async () => {
  const { scenario } = withOwn(OWN);
  const whole = await shrike('scenarios', 'show', scenario);
  expect(whole.stdout).toContain(
    '      Somebody asks\n   1  bash  exec cat /etc/hosts  as cat\n   2  cat   openat /etc/hosts\n',
  );
  expect(whole.stdout).toContain('  raises Hosts read\n  but other: Of no interest.\n    raises none of its rules\n');
});

it('tells one as a tree with alerts below the process that raised them, and a timeline, as the README shows', async () => {
  const [command = '', ...shown] = readmeBlock('$ node dist/cli/main.js scenarios run').split('\n');
  const policies = ['policies/library', 'policies/library/enforce/credential-files.yaml'];
  const more = 'policies/library/enforce/execution-from-tmp.yaml';
  expect(command).toContain('scenarios run webshell --enforce --policies policies/library policies/library/enforce/');
  const { code, stdout } = await shrike('scenarios', 'run', 'webshell', '--enforce', '--policies', ...policies, more);
  expect(code).toBe(0);
  expect(comparable(stdout)).toBe(comparable(shown.join('\n')));
  expect(stdout.split('\n').filter((line) => [...line].length > 120)).toEqual([]);
  expect(stdout).not.toContain('\x1b');
});

if (suiteSize !== 'quick')
  it('with --quiet tells only what it came to; with --enforce also what was kept from happening', async () => {
    const { code, stdout } = await shrike('scenarios', 'run', 'webshell', '--quiet', '--enforce');
    expect(code).toBe(0);
    expect(stdout).not.toMatch(/├─/);
    expect(stdout).toMatch(/^policies +\d+ rules; enforcement is on, \d+ policies deny or kill$/m);
    expect(stdout).toMatch(/^ +0\.1 s {2}│ {2}✗ killed: sh $/m);
    expect(stdout).not.toMatch(/^expected/m);
  });

it('compares the rules that are raised with those that are expected', async (context) => {
  inLargerSizes(context);
  const { policy, scenario, folder } = withOwn(OWN);
  const missing = await shrike('scenarios', 'run', `${scenario}/wrong`, '--policies', policy);
  expect({ code: missing.code, stderr: missing.stderr }).toEqual({
    code: 1,
    stderr: 'shrike: s/wrong: not raised, though expected: Hosts read\n',
  });
  const all = await shrike('scenarios', 'run', folder, '--policies', policy);
  expect({ code: all.code, stdout: all.stdout }).toEqual({
    code: 1,
    stdout: `ok   s        1 alert of 1 rule
ok   s/other  0 alerts of 0 rules
FAIL s/wrong  0 alerts of 0 rules
       not raised, though expected: Hosts read
FAIL s/too    1 alert of 1 rule
       raised, though not expected: Hosts read
4 scenarios: 2 as they say, 2 not
`,
  });
  const json = await shrike('scenarios', 'run', folder, '--policies', policy, '--json');
  expect(jsonLines(json.stdout).slice(2)).toEqual([
    {
      type: 'scenario',
      name: 's/wrong',
      passed: false,
      judged: 1,
      raised: {},
      missing: ['Hosts read'],
      surplus: [],
      problems: [],
    },
    {
      type: 'scenario',
      name: 's/too',
      passed: false,
      judged: 1,
      raised: { 'Hosts read': 1 },
      missing: [],
      surplus: ['Hosts read'],
      problems: [],
    },
    { type: 'summary', scenarios: 4, passed: 2, failed: 2 },
  ]);
}, 180_000);

it('tells one about enforcement with what was left alone and why, and the same starts once', async () => {
  const { code, stdout, stderr } = await shrike('scenarios', 'run', 'kill-budget');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^policies {4}2 rules; enforcement is on, 1 policy denies or kills$/m);
  expect(stdout).toMatch(/^── A job starts the miner again and again ─+\n {3}6 times, every 5\.0 s\n/m);
  expect(stdout.match(/^ {3}… and 2 more times the same$/gm)?.length).toBe(2);
  expect(stdout).toMatch(/^│ {2}│ {2}○ left alone: budget spent \(Program in tmp killed\)$/m);
  expect(stdout).toMatch(
    /^ +15\.0 s {2}│ left alone: budget spent \(Program in tmp killed\)\n +│ {3}and 2 more times, until 25\.0 s$/m,
  );
  expect(stdout).toMatch(/^enforcement 2 calls denied and 5 processes killed; guards kept back 3 more$/m);
}, 180_000);

it('tells mistakes in one of several', async () => {
  const { scenario, folder } = withOwn(OWN);
  writeFileSync(scenario, OWN.replace('step: open', 'step: opne'));
  const broken = await shrike('scenarios', 'run', folder);
  expect(broken.code).toBe(2);
  expect(broken.stderr).toMatch(
    /s\.yaml:8:55: error\[unknown-step\]: No step has the id "opne"; did you mean "open"\?\n/,
  );
});

it('names those there are for an unknown one', async () => {
  const { code, stdout, stderr } = await shrike('scenarios', 'show', 'webshel');
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  const lines = stderr.split('\n');
  expect(lines[0]).toBe('shrike: there is no scenario "webshel"; did you mean webshell? There are:');
  expect(lines.slice(1, -2).map((line) => line.trim().split(' ')[0])).toEqual(listScenarios().map(({ name }) => name));
  expect(lines.at(-2)).toBe(
    'those for Falco\'s rules ("shrike scenarios list falco"), or give the path of a scenario file.',
  );
});
