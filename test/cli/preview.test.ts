import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { PreviewedExecutable } from '../../agent/index.ts';
import { CliError } from '../../cli/exit.ts';
import { createPaint } from '../../cli/paint.ts';
import { preview } from '../../cli/preview.ts';
import { at } from '../support/cli.ts';
import { temporaryFolder } from '../support/folder.ts';

const ATTACK = at('test/recordings/attack.strace');

const policy = (rules: string, more = 'scope: {cgroup: /system.slice}'): string => `apiVersion: shrike/v1
kind: Policy
metadata: {name: previewed}
spec:
  mode: monitor
  ${more}
  rules:
${rules}`;

const rule = (name: string, condition: string, action: string): string => `    - rule: ${name}
      condition: ${condition}
      priority: critical
      output: "%proc.cmdline"
      action: ${action}
`;

const DENY = rule(
  'Accounts denied',
  'evt.type in (open, openat, openat2) and fd.name in (/etc/shadow, /etc/passwd)',
  'deny',
);
const KILL = rule('Temporary killed', 'evt.type in (execve, execveat) and proc.exepath startswith /tmp/', 'kill');

interface Shown {
  readonly code: number | undefined;
  readonly text: string;
  readonly error: string | undefined;
}

const run = async (document: string, input: string, json = false): Promise<Shown> => {
  const file = join(temporaryFolder(), 'policy.yaml');
  writeFileSync(file, document);
  const lines: string[] = [];
  const output = {
    paint: createPaint(false),
    isTerminal: false,
    columns: 120,
    line: (text = '') => void lines.push(text),
    json: (record: unknown) => void lines.push(JSON.stringify(record)),
  };
  try {
    const code = await preview([file], { input, json }, output);
    return { code, text: lines.join('\n'), error: undefined };
  } catch (error) {
    if (error instanceof CliError)
      return { code: error.exitCode, text: lines.join('\n'), error: error.message.replaceAll(file, 'policy.yaml') };
    throw error;
  }
};

it('says of a recording what would have been denied and killed, as often as it happened there', async () => {
  const { code, text } = await run(policy(DENY + KILL), ATTACK, true);
  const records = text.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  const summary = records.at(-1);
  const recorded = readFileSync(ATTACK, 'utf8').split('\n');
  const opened = recorded.filter((line) => /openat\([^"]*"\/etc\/(shadow|passwd)"[^)]*\) = \d/.test(line));
  const started = recorded.filter((line) => /execve\("\/tmp\/[^)]*\) = 0/.test(line));
  expect(code).toBe(1);
  expect(summary).toMatchObject({ type: 'summary', killed: started.length, kept: 0, problems: [] });
  expect((summary?.denied as number) + (summary?.afterKill as number)).toBe(opened.length);
  expect(summary?.afterKill).toBeGreaterThan(0);

  const executables = records.slice(0, -1) as unknown as readonly PreviewedExecutable[];
  const cp = executables.find(({ exe }) => exe === '/usr/bin/cp');
  const line = opened.find((each) => each.startsWith('57 ')) ?? '';
  expect(cp).toMatchObject({
    denied: 1,
    killed: 0,
    rules: [
      {
        policy: 'previewed',
        rule: 'Accounts denied',
        action: 'deny',
        hook: 'lsm/file_open',
        outcomes: { denied: 1 },
        example: {
          pid: 57,
          cmdline: 'cp /etc/shadow /tmp/.cache/s',
          event: 'openat',
          arguments: { file: '/etc/shadow' },
        },
      },
    ],
  });
  const seconds = Number(/(\d+\.\d+) openat/.exec(line)?.[1]);
  expect(Math.abs(Date.parse(cp?.first ?? '') / 1000 - seconds)).toBeLessThan(0.01);
});

it('says of a scenario what is denied and killed in the simulation, though the policy only watches', async () => {
  const { code, text } = await run(policy(KILL), 'webshell');
  expect(code).toBe(1);
  expect(text).toMatch(
    /^\/tmp\/\.x {3}killed 1 {3}2026-01-01 00:00:05\.\d{3} to 2026-01-01 00:00:05\.\d{3}\n {2}Temporary killed \(previewed\): killed 1, at tp_btf\/sched_process_exec\n {4}first by process \d+, \.x -q: execve \/tmp\/\.x -q\n\nwould have denied 0 calls and killed 1 process of 1 executable in \d+ calls$/,
  );
});

it('says that nothing would have been done', async () => {
  const none = rule('Never', 'evt.type in (open, openat, openat2) and fd.name = /srv/absent', 'deny');
  const { code, text } = await run(policy(none), ATTACK);
  expect(code).toBe(0);
  expect(text).toMatch(/^nothing would have been denied or killed in [\d,]+ calls$/);
});

it.each([
  [
    'no rule acts',
    policy(rule('Told', 'evt.type = openat', 'alert')),
    ATTACK,
    'no rule of these policies denies or kills: there is nothing to preview',
  ],
  [
    'the policy has no scope',
    policy(DENY, 'lists: {none: [x]}'),
    ATTACK,
    /policy\.yaml:8:7: error\[scope-required\]: rule "Accounts denied" may not deny without a scope/,
  ],
  ['there is no such scenario', policy(DENY), 'webshel', /^there is no scenario "webshel"; did you mean webshell\?/],
] as const)('fails where %s', async (_, document, input, message) => {
  const { code, error } = await run(document, input);
  expect(code).toBe(2);
  expect(error).toMatch(message);
});
