import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Alert, parseAlert, readAuditLog } from '../../alerts/index.ts';
import { at, jsonLines, startProgram } from '../support/cli.ts';
import { shrike, shrikeWith } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';
import { until } from '../support/until.ts';

/** A policy that compiles fast, and a scenario that raises it three times. */
const POLICY = `apiVersion: shrike/v1
kind: Policy
metadata: {name: hosts}
spec:
  rules:
    - {rule: Hosts read, condition: evt.type = openat and fd.name = /etc/hosts, priority: notice, output: "%proc.name read %fd.name"}
`;
const SCENARIO = `name: three
description: Three reads.
steps:
  - {exec: [cat, /etc/hosts]}
  - {openat: /etc/hosts, by: cat}
  - {openat: /etc/hosts, by: cat}
  - {openat: /etc/hosts, by: cat}
`;

const files = () => {
  const folder = temporaryFolder();
  const paths = {
    policy: join(folder, 'hosts.yaml'),
    scenario: join(folder, 'three.yaml'),
    audit: join(folder, 'audit'),
  };
  writeFileSync(paths.policy, POLICY);
  writeFileSync(paths.scenario, SCENARIO);
  return { ...paths, args: ['run', '--policies', paths.policy, '--scenario', paths.scenario, '--audit', paths.audit] };
};

const audited = async (folder: string): Promise<readonly unknown[]> => {
  const bodies: unknown[] = [];
  for await (const { entry } of readAuditLog(folder, { strict: true }))
    if (entry.kind === 'alert') bodies.push(entry.body);
  return bodies;
};

const isAlert = (line: unknown): line is Alert => !('type' in (line as object));

it('prints alert records that are those of the audit log, and a summary', async () => {
  const { args, audit } = files();
  const { code, stdout, stderr } = await shrike(...args, '--host', 'web-1', '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = jsonLines(stdout);
  const alerts = lines.filter(isAlert);
  for (const alert of alerts) expect(parseAlert(JSON.stringify(alert))).not.toHaveProperty('problem');
  expect(alerts.map(({ rule, host, output, priority }) => [rule, host, output, priority])).toEqual(
    Array.from({ length: 3 }, () => ['Hosts read', 'web-1', 'cat read /etc/hosts', 'notice']),
  );
  expect(await audited(audit)).toEqual(alerts);
  expect(lines.at(-1)).toMatchObject({
    type: 'summary',
    kernel: 'sim 6.12',
    alerts: 3,
    byPriority: { notice: 3 },
    byRule: { 'Hosts read': 3 },
    denied: 0,
    killed: 0,
    lost: {},
    problems: [],
    auditFolder: audit,
  });
});

it('says in the summary what happened and where the audit log is', async () => {
  const { args, audit } = files();
  const { code, stdout } = await shrike(...args);
  expect(code).toBe(0);
  const lines = stdout.split('\n');
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} notice {8}Hosts read: cat read \/etc\/hosts \(hosts\)$/);
  expect(lines[3]).toBe('');
  expect(lines[4]).toMatch(/^events {6}\d+ calls in sim 6\.12, \d+ records to user space, none lost$/);
  expect(lines.slice(5)).toEqual([
    'alerts      3: 3 notice; from 1 rule',
    'enforcement off',
    `audit log   ${audit}`,
    '',
  ]);
});

it('counts a storm with --storm-limit, and says so', async () => {
  const { args } = files();
  const { code, stdout } = await shrike(...args, '--storm-limit', '1');
  expect(code).toBe(0);
  const lines = stdout.split('\n').filter((line) => /^\d|^alerts/.test(line));
  expect(lines.map((line) => line.replace(/^[\d:.]+ notice +/, ''))).toEqual([
    'Hosts read: cat read /etc/hosts (hosts)',
    'Hosts read: cat read /etc/hosts (storm: more than 1 alert a second; from here on matches are counted) (hosts)',
    'Hosts read: cat read /etc/hosts (storm over: ×1 in 0 ms, 2 in all; counting ended with the agent) (hosts)',
    'alerts      3: 3 notice; from 1 rule; 1 more match counted in them',
  ]);
});

it('raises the first of the rules that match with --rule-matching first, and says what that hid', async () => {
  const { args, policy } = files();
  const rule = (name: string, condition: string): string =>
    `    - {rule: ${name}, condition: ${condition}, priority: notice, output: "%proc.name"}\n`;
  const also = 'evt.type = openat and fd.name startswith /etc/ and evt.num < 1000000';
  writeFileSync(policy, POLICY + rule('Also read', also) + rule('Anything opened', 'evt.type = openat'));
  const { code, stdout } = await shrike(...args, '--rule-matching', 'first');
  expect(code).toBe(0);
  expect(stdout.split('\n').filter((line) => line.startsWith('alerts'))).toEqual([
    "alerts      3: 3 notice; from 1 rule; 6 matches of later rules hidden by an earlier one's",
  ]);
});

it('puts the audit log below the state folder where no other is named', async () => {
  const { policy, scenario } = files();
  const state = temporaryFolder();
  const { stdout } = await shrikeWith({ XDG_STATE_HOME: state }, 'run', '--policies', policy, '--scenario', scenario);
  const [, folder = ''] = /^audit log +(.+)$/m.exec(stdout) ?? [];
  expect(folder.startsWith(join(state, 'shrike', 'audit-'))).toBe(true);
  expect(await audited(folder)).toHaveLength(3);
});

it('an unreachable server is one warning, and loses no alert from the audit log', async () => {
  const { args, audit } = files();
  const { code, stdout, stderr } = await shrike(...args, '--nats', 'nats://user:secret@127.0.0.1:1');
  expect(code).toBe(0);
  const warnings = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: number; msg: string });
  expect(warnings.map(({ level, msg }) => [level, msg])).toEqual([
    [
      40,
      'nats://127.0.0.1:1: connection refused; is nats-server running? Start one with "nats-server -js", or leave out --nats; alerts wait in the audit log',
    ],
  ]);
  expect(stdout).toContain(
    'published   0 alerts to nats://127.0.0.1:1; 3 not acknowledged, they wait in the audit log\n',
  );
  expect(await audited(audit)).toHaveLength(3);
});

it('Ctrl-C ends it in order: with a summary and a closed audit log', async () => {
  const { args, audit } = files();
  const { process: child, finished } = startProgram('main', [...args, '--pace', '800']);
  let printed = '';
  child.stdout.on('data', (chunk: string) => {
    printed += chunk;
  });
  await until(() => printed.includes('Hosts read'));
  child.kill('SIGINT');
  const { code, stdout } = await finished;
  expect(code).toBe(0);
  expect(stdout).toContain('\ninterrupted\n');
  const raised = stdout.match(/Hosts read: /g)?.length ?? 0;
  expect(raised).toBeLessThan(3);
  expect(await audited(audit)).toHaveLength(raised);
  const kinds: string[] = [];
  for await (const { entry } of readAuditLog(audit, { strict: true })) kinds.push(entry.kind);
  expect(kinds.at(-1)).toBe('stop');
});

describe('bad input', () => {
  it('a policy with mistakes does not run', async () => {
    const { stdout, stderr, code } = await shrike('run', '--policies', 'test/policies/data/ten-mistakes.yaml');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(
      /^shrike: the policies have 10 errors\ntest\/policies\/data\/ten-mistakes\.yaml:8:56: error\[bad-number\]: /,
    );
  });

  it('an unknown scenario lists those there are', async () => {
    const { code, stderr } = await shrike('run', '--scenario', 'webshel');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^shrike: there is no scenario "webshel"; did you mean webshell\? There are:\n(?: {2}[a-z-]+ .*\n)* {2}quiet-day /,
    );
  });

  it('a folder in which no audit log can be', async () => {
    const { args } = files();
    const { code, stderr } = await shrike(...args, '--audit', '/dev/null/audit');
    expect(code).toBe(3);
    expect(stderr).toMatch(/^shrike: ENOTDIR: /);
  });
});

describe('a recording', () => {
  const replay = (path: string, ...more: readonly string[]) =>
    shrike('run', '--sensor', 'replay', '--input', path, '--policies', files().policy, ...more);

  /** The first 200 lines of a real recording, the last of them cut in its middle. */
  const truncated = (): string => {
    const lines = readFileSync(at('test/recordings/benign.strace'), 'utf8').split('\n').slice(0, 200);
    const path = join(temporaryFolder(), 'truncated.strace');
    writeFileSync(path, `${lines.slice(0, 199).join('\n')}\n${lines[199]?.slice(0, 40)}`);
    return path;
  };

  it('that is truncated names the line; stops or goes on as asked', async () => {
    const path = truncated();
    const stopped = await replay(path, '--on-problem', 'stop');
    expect(stopped.code).toBe(2);
    expect(stopped.stderr).toContain(`shrike: ${path}:200: the recording ends in the middle of this line: `);
    expect(stopped.stderr).toContain('shrike: stopped at the first problem (--on-problem stop)\n');
    const skipped = await replay(path, '--on-problem', 'skip');
    expect(skipped.code).toBe(0);
    expect(skipped.stderr).toContain(`shrike: ${path}:200: the recording ends in the middle of this line: `);
    expect(skipped.stdout).toMatch(/^events {6}1\d\d calls /m);
  });

  it('that is something else names the line', async () => {
    const path = join(temporaryFolder(), 'foreign');
    writeFileSync(path, '{"not": "strace"}\n');
    const { code, stderr } = await replay(path);
    expect(code).toBe(2);
    expect(stderr).toContain(`shrike: ${path}:1: `);
    expect(stderr).toContain('shrike: nothing in the recording could be played\n');
  });

  it('that is not there', async () => {
    expect(await replay('no/such.strace')).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'shrike: cannot read the recording no/such.strace (ENOENT): give the path of a log that strace -f -o FILE wrote\n',
    });
  });
});
