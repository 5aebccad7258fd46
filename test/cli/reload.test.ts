import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Alert } from '../../alerts/index.ts';
import { jsonLines, startProgram } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';
import { until } from '../support/until.ts';

const policy = (
  rule: string,
  condition = 'evt.type = openat and fd.name = /etc/hosts',
): string => `apiVersion: shrike/v1
kind: Policy
metadata: {name: hosts}
spec:
  rules:
    - {rule: ${rule}, condition: ${condition}, priority: notice, output: "%fd.name"}
`;
const STEPS = 1500;
const SCENARIO = `name: many
description: Many reads.
steps:
  - {exec: [cat, /etc/hosts]}
${'  - {openat: /etc/hosts, by: cat}\n'.repeat(STEPS)}`;

it('runs policies anew when their file changes or SIGHUP comes, and the old ones on where it has errors', async () => {
  const folder = temporaryFolder();
  const [file, scenario] = [join(folder, 'hosts.yaml'), join(folder, 'many.yaml')];
  const write = (text: string): void => {
    writeFileSync(join(folder, 'new'), text);
    renameSync(join(folder, 'new'), file);
  };
  write(policy('First'));
  writeFileSync(scenario, SCENARIO);
  const args = ['run', '--policies', file, '--scenario', scenario, '--pace', '10', '--watch-policies', '--json'];
  const { process: child, finished } = startProgram('main', [...args, '--audit', join(folder, 'audit')]);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.on('data', (text: string) => {
    stderr += text;
  });
  const lines = (): number => stderr.split('\n').length - 1;
  await once(child.stdout, 'data');
  await until(() => stdout.includes('"First"'));
  write(policy('Second'));
  await until(() => stdout.includes('"Second"') && lines() === 1);
  write(policy('Third', 'evt.type = openat and fd.nam = /etc/hosts'));
  await until(() => stderr.includes('fd.nam"'));
  const reported = lines();
  child.kill('SIGHUP');
  await until(() => lines() > reported);
  write(policy('Second'));
  await until(() => stderr.includes('as they were'));
  child.kill('SIGINT');
  const result = await finished;
  const alerts = jsonLines(result.stdout).slice(0, -1) as readonly Alert[];
  const rules = alerts.map(({ rule }) => rule);
  expect([...new Set(rules)]).toEqual(['First', 'Second']);
  expect(rules.lastIndexOf('First') + 1).toBe(rules.indexOf('Second'));
  const said = result.stderr.replace(/\d+ milliseconds?/g, 'N milliseconds').replaceAll(folder, 'FOLDER');
  const problem = [
    'shrike: the policies were not reloaded, the old ones run on: the policies have 1 error',
    'FOLDER/hosts.yaml:6:54: error[unknown-field]: There is no field "fd.nam"; did you mean "fd.num"?',
    '    6 |     - {rule: Third, condition: evt.type = openat and fd.nam = /etc/hosts, priority: notice, output: "%fd.name"}',
    '      |                                                      ^',
    '  in spec.rules[0].condition',
    "  expected a field's name",
  ];
  expect(said.trimEnd().split('\n')).toEqual([
    'shrike: reloaded the policies in N milliseconds: rules 1 added (hosts: Second), 1 removed (hosts: First)',
    ...problem,
    ...problem,
    'shrike: reloaded the policies in N milliseconds: all rules are as they were',
  ]);
}, 120_000);

it('does not watch policies for a recording', async () => {
  const { code, stderr } = await shrike('run', '--sensor', 'replay', '--input', '/dev/null', '--watch-policies');
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr:
      'shrike: --watch-policies is for --sensor linux and sim; a recording is played with the policies it begins with\n',
  });
});
