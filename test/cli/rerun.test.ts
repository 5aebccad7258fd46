import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startProgram } from '../support/cli.ts';
import { inLargerSizes } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';

const policy = (name: string, expected: string): string => `apiVersion: shrike/v1
kind: Policy
metadata: {name: ${name}}
spec:
  rules:
    - {rule: R, condition: evt.type = openat and fd.name = /etc/hosts, priority: notice, output: x}
  tests:
    - name: t
      scenario: {inline: [{openat: /etc/hosts, by: bash}]}
      expect: [${expected}]
`;

/** A watching command; `seen` waits for so many results and gives the last. */
const watching = (...args: readonly string[]) => {
  const child = startProgram('main', args);
  let text = '';
  child.process.stdout.on('data', (chunk: string) => {
    text += chunk;
  });
  const results = (): readonly string[] =>
    [...text.matchAll(/^── \d\d:\d\d:\d\d (.*?), watching/gm)].map(([, result = '']) => result);
  return {
    ...child,
    text: () => text,
    seen: async (number: number): Promise<string> => {
      const deadline = Date.now() + 40_000;
      while (results().length < number) {
        if (Date.now() > deadline) throw new Error(`no result ${number}; so far: ${text}`);
        await delay(20);
      }
      return results()[number - 1] ?? '';
    },
  };
};

it('runs again for a file that is written, and for one that another takes the place of; Ctrl-C ends with 0', async (context) => {
  inLargerSizes(context);
  const folder = temporaryFolder();
  const file = join(folder, 'p.yaml');
  writeFileSync(file, policy('p', 'R'));
  const child = watching('test', '--watch', file);
  expect(await child.seen(1)).toBe('fine');
  writeFileSync(file, policy('p', ''));
  expect(await child.seen(2)).toBe('findings');
  writeFileSync(join(folder, 'p.new'), policy('p', 'R'));
  renameSync(join(folder, 'p.new'), file);
  expect(await child.seen(3)).toBe('fine');
  child.process.kill('SIGINT');
  expect((await child.finished).code).toBe(0);
}, 60_000);

it('runs again for a new file, in a new folder too', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'a.yaml'), policy('a', 'R'));
  const child = watching('check', '--watch', folder);
  expect(await child.seen(1)).toBe('fine');
  mkdirSync(join(folder, 'more'));
  writeFileSync(join(folder, 'more', 'b.yaml'), policy('b', 'R').replace('fd.name', 'fd.nme'));
  expect(await child.seen(2)).toBe('findings');
  expect(child.text()).toContain('There is no field "fd.nme"');
  child.process.kill('SIGINT');
  expect((await child.finished).code).toBe(0);
}, 60_000);
