import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { at } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';

const policy = (condition: string): string => `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
  rules:
    - rule: R
      condition: ${condition}
      priority: notice
      output: x
`;

const WRITTEN = policy('evt.type=openat  and (fd.name = /etc/hosts)');
const FORMATTED = policy('evt.type = openat and fd.name = /etc/hosts');

const fileWith = (text: string): string => {
  const file = join(temporaryFolder(), 'p.yaml');
  writeFileSync(file, text);
  return file;
};

it('formats files, and says nothing of those that are formatted', async () => {
  const file = fileWith(WRITTEN);
  expect(await shrike('fmt', file)).toEqual({ code: 0, stdout: `formatted ${file}\n`, stderr: '' });
  expect(readFileSync(file, 'utf8')).toBe(FORMATTED);
  expect(await shrike('fmt', file)).toEqual({ code: 0, stdout: '', stderr: '' });
});

it('checks, and shows the difference, without changing anything', async () => {
  const file = fileWith(WRITTEN);
  expect(await shrike('fmt', '--check', file)).toEqual({ code: 1, stdout: `${file} is not formatted\n`, stderr: '' });
  const { code, stdout } = await shrike('fmt', '--diff', file);
  expect({ code, lines: stdout.split('\n') }).toEqual({
    code: 0,
    lines: [
      `--- ${file}`,
      `+++ ${file}`,
      '@@ -4,6 +4,6 @@',
      ' spec:',
      '   rules:',
      '     - rule: R',
      '-      condition: evt.type=openat  and (fd.name = /etc/hosts)',
      '+      condition: evt.type = openat and fd.name = /etc/hosts',
      '       priority: notice',
      '       output: x',
      '',
    ],
  });
  expect(readFileSync(file, 'utf8')).toBe(WRITTEN);
});

it('formats stdin', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [at('dist/cli/main.js'), 'fmt', '-'], {
    input: WRITTEN,
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: FORMATTED, stderr: '' });
});

it('leaves a file with errors as it is', async () => {
  const wrong = policy('evt.type=openat  and fd.nme = x');
  const file = fileWith(wrong);
  const { code, stdout, stderr } = await shrike('fmt', file);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(`${file}:7:39: error[unknown-field]: There is no field "fd.nme"; did you mean "fd.name"?\n`);
  expect(stderr).toContain('shrike: 1 file left as it is\n');
  expect(readFileSync(file, 'utf8')).toBe(wrong);
});

it('has the shipped policies in their normal form', async () => {
  expect(await shrike('fmt', '--check', 'policies/library')).toEqual({ code: 0, stdout: '', stderr: '' });
});
