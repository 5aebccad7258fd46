import { expect, it } from 'vitest';
import { shrike } from '../support/cli.ts';

it('lists the scenarios that ship', async () => {
  const { code, stdout, stderr } = await shrike('scenarios');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.split('\n').map((line) => line.split(' ')[0])).toEqual(['quiet-day', 'supply-chain', 'webshell', '']);
});

it("shows a scenario's steps with who makes them", async () => {
  const { code, stdout } = await shrike('scenarios', 'show', 'webshell');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ +\d+ {2}tee +openat \/etc\/shadow- O_WRONLY\|O_TRUNC$/m);
});

it('plays one as a tree with alerts below the process that raised them', async () => {
  const { code, stdout } = await shrike('scenarios', 'run', 'webshell');
  expect(code).toBe(0);
  const lines = stdout.split('\n');
  const dropper = lines.findIndex((line) => /─ \/tmp\/\.x -q pid \d+ uid 33$/.test(line));
  expect(dropper).toBeGreaterThan(0);
  expect(lines[dropper + 1]).toMatch(/ #\d+ +error Execution from a temporary folder: \/tmp\/\.x was executed$/);
});

it('lists those there are for an unknown one', async () => {
  const { code, stdout, stderr } = await shrike('scenarios', 'show', 'webshel');
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr.split('\n')).toEqual([
    'shrike: there is no scenario "webshel"; did you mean webshell? There are:',
    expect.stringMatching(/^ {2}quiet-day {5}\S/),
    expect.stringMatching(/^ {2}supply-chain {2}\S/),
    expect.stringMatching(/^ {2}webshell {6}\S/),
    'or give the path of a scenario file.',
    '',
  ]);
});
