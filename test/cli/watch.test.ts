import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseAlert } from '../../alerts/index.ts';
import { openStderr } from '../../cli/output.ts';
import { run } from '../../cli/run.ts';
import { cgroupMount } from '../../sensors/linux/index.ts';
import { currentCgroup } from '../../sensors/linux/own-cgroup.ts';
import { jsonLines, startProgram } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { inLargerSizes } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { liveUnavailable, testCgroup } from '../support/live.ts';
import { until } from '../support/until.ts';

const skip = liveUnavailable();

/** A policy of one rule, about a file of its own. */
const place = () => {
  const folder = temporaryFolder();
  const paths = {
    secret: join(folder, 'secret'),
    policy: join(folder, 'policy.yaml'),
    audit: join(folder, 'audit'),
    output: join(folder, 'output'),
  };
  writeFileSync(paths.secret, 'known only here\n');
  writeFileSync(
    paths.policy,
    `apiVersion: shrike/v1
kind: Policy
metadata: {name: secrets}
spec:
  rules:
    - rule: Secret read
      condition: evt.type in (open, openat) and fd.name = ${paths.secret}
      priority: warning
      output: "%proc.name read it"
`,
  );
  return { ...paths, args: ['watch', '--policies', paths.policy, '--audit', paths.audit] };
};

/** Runs the command in a process of its own; also whether its cgroup is still there. */
const watched = async (...args: readonly string[]) => {
  const { process: agent, finished } = startProgram('main', args);
  const folder = join(cgroupMount() ?? '', currentCgroup(), `shrike-watch-${agent.pid}`);
  return { ...(await finished), isLeft: existsSync(folder) };
};

const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe.skipIf(skip)(`shrike watch${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('leaves stdout and the exit code to the command, and prints alerts and a summary on stderr', async () => {
    const { args, secret, audit } = place();
    const { code, stdout, stderr, isLeft } = await watched(
      ...[...args, '--fail-on', 'debug'],
      ...['--', 'sh', '-c', `cat ${secret}; exit 7`],
    );
    expect({ code, stdout, isLeft }).toEqual({ code: 7, stdout: 'known only here\n', isLeft: false });
    const [alert, blank, ...summary] = stderr.split('\n');
    expect(alert).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warning {7}Secret read: cat read it \(secrets\)$/);
    expect(blank).toBe('');
    expect(summary).toEqual([
      `command     sh -c cat ${secret}; exit 7: exit code 7`,
      expect.stringMatching(/^events {6}2 new processes, \d+ records from Linux \S+, none lost$/),
      'alerts      1: 1 warning; from 1 rule',
      `audit log   ${audit}`,
      '',
    ]);
  });

  it('writes records with --json, and to a file with --output', async () => {
    const { args, secret, output } = place();
    const { code, stdout, stderr } = await watched(...args, '--json', '--output', output, '--', 'cat', secret);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'known only here\n', stderr: '' });
    const [start, alert, summary, ...more] = jsonLines(readFileSync(output, 'utf8')) as Record<string, unknown>[];
    expect(start).toMatchObject({ type: 'start', scope: expect.stringMatching(/\/shrike-watch-\d+$/) });
    expect(start?.attachedMs).toBeGreaterThan(0);
    expect(start?.rss).toBeGreaterThan(0);
    expect(parseAlert(JSON.stringify(alert))).not.toHaveProperty('problem');
    expect(alert).toMatchObject({ rule: 'Secret read', process: { ancestors: [] } });
    expect(summary).toMatchObject({
      type: 'summary',
      exitCode: 0,
      command: ['cat', secret],
      rest: [],
      alerts: 1,
      lost: {},
    });
    expect(summary).not.toHaveProperty('calls');
    expect(more).toEqual([]);
  });

  it('ends with 1 where --fail-on says so', async () => {
    const { args, secret } = place();
    expect(await watched(...args, '--fail-on', 'warning', '--', 'cat', secret)).toMatchObject({ code: 1 });
  });

  it('ends with 0 below that priority, and takes options of the command as its own without --', async () => {
    const { args, secret } = place();
    const words = ['sh', '-c', 'cat "$0"; echo "$1"', secret, '--json'];
    const { code, stdout } = await watched(...args, '--fail-on', 'critical', ...words);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'known only here\n--json\n' });
  });

  it('passes signals on, and ends with 128 and the number of the one that ended the command', async () => {
    const { args } = place();
    const { process: agent, finished } = startProgram('main', [...args, '--', 'sh', '-c', 'echo here; exec sleep 60']);
    let printed = '';
    agent.stdout.on('data', (text: string) => {
      printed += text;
    });
    await until(() => printed.includes('here'));
    agent.kill('SIGTERM');
    const { code, stderr } = await finished;
    expect(code).toBe(143);
    expect(stderr).toContain(': ended by signal 15\n');
  });

  it('does not start the command where it is told to end before', async () => {
    const { args } = place();
    const { process: agent, finished } = startProgram('main', [...args, '--', 'echo', 'started']);
    const folder = join(cgroupMount() ?? '', currentCgroup(), `shrike-watch-${agent.pid}`);
    await until(() => existsSync(folder));
    agent.kill('SIGINT');
    expect(await finished).toMatchObject({ code: 130, stdout: '' });
    expect(existsSync(folder)).toBe(false);
  });

  it('names what the command leaves running, and removes its cgroup', async () => {
    const { args } = place();
    const { code, stdout, stderr, isLeft } = await watched(
      ...args,
      '--',
      'sh',
      '-c',
      'sleep 61 >/dev/null 2>&1 & echo $!',
    );
    const pid = Number(stdout);
    onTestFinished(() => void process.kill(pid, 'SIGKILL'));
    expect({ code, isLeft }).toEqual({ code: 0, isLeft: false });
    expect(stderr).toContain(`left behind 1 process goes on and is not watched any more: ${pid}\n`);
    expect(isAlive(pid)).toBe(true);
  });

  it('kills what the command leaves running with --kill-rest, and waits for it with --wait-rest', async (context) => {
    inLargerSizes(context);
    const { args, output } = place();
    const killed = await watched(...args, '--kill-rest', '--', 'sh', '-c', 'sleep 62 >/dev/null 2>&1 & echo $!');
    expect(killed.stderr).toContain('left behind 1 process was killed\n');
    expect(isAlive(Number(killed.stdout))).toBe(false);
    const script = `(sleep 0.5; echo done > ${output}) >/dev/null 2>&1 & :`;
    const waited = await watched(...args, '--wait-rest', '--', 'sh', '-c', script);
    expect(waited.stderr).not.toContain('left behind');
    expect(existsSync(output)).toBe(true);
  });

  it.each([
    ['no such command', ['--', 'no-such-command'], 127, 'shrike: no-such-command: there is no such command\n'],
    ['a file that is no program', ['--', '/etc/passwd'], 126, 'shrike: /etc/passwd: it may not be executed\n'],
    ['no command', [], 2, "shrike: missing required argument 'command'\n"],
    [
      'an odd size',
      ['--ring-size', '5000', '--', 'true'],
      2,
      "shrike: option '--ring-size <size>' argument '5000' is invalid. Expected a power of two from 4K to 1G, for example 256K, 4M or 16777216.\n",
    ],
  ])('%s ends with a sentence', async (_, words, code, stderr) => {
    expect(await shrike(...place().args, ...words)).toEqual({ code, stdout: '', stderr });
  });
});

it.each([
  [
    'without a scope',
    {},
    '--sensor linux needs --scope: the cgroup to watch with all below it, for example --scope /system.slice/nginx.service; --scope / is the whole host',
  ],
  [
    'with a scope that is no path',
    { scope: 'nginx.service' },
    'a scope is a path that begins with "/", below the cgroup v2 mount; "nginx.service" does not',
  ],
  ['with a scope for a simulation', { sensor: 'sim', scope: '/a' }, '--scope is for --sensor linux'],
  [
    'with a scenario',
    { scope: '/a', scenario: 'webshell' },
    '--input, --scenario and --pace are for what is played; --sensor linux watches what happens',
  ],
] as const)('run %s ends with a sentence', async (_, options, message) => {
  const usual = { sensor: 'linux', onProblem: 'skip', pace: 0, logLevel: 'warn' } as const;
  const failed = run({ ...usual, ...options }, openStderr(), new AbortController().signal);
  await expect(failed).rejects.toMatchObject({ message, exitCode: 2 });
});

describe.skipIf(skip)('shrike run --sensor linux', () => {
  it('watches a cgroup until Ctrl-C, and ends in order', async () => {
    const { policy, audit, secret } = place();
    const cgroup = testCgroup();
    onTestFinished(() => cgroup.remove());
    const options = ['--sensor', 'linux', '--scope', cgroup.path, '--policies', policy, '--audit', audit];
    const { process: agent, finished } = startProgram('main', ['run', ...options, '--host', 'web-1']);
    let printed = '';
    agent.stdout.on('data', (text: string) => {
      printed += text;
    });
    await until(() => printed.includes('Ctrl-C ends'));
    await cgroup.run('cat', [secret]);
    await until(() => printed.includes('Secret read'));
    agent.kill('SIGINT');
    const { code, stdout, stderr } = await finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [start, alert, blank, ...summary] = stdout.split('\n');
    expect(start).toMatch(new RegExp(`^watching ${cgroup.path} on Linux \\S+, attached after \\d+ ms; Ctrl-C ends$`));
    expect(alert).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warning {7}Secret read: cat read it \(secrets\)$/);
    expect(blank).toBe('');
    expect(summary).toEqual([
      expect.stringMatching(/^events {6}\d new process(es)?, \d+ records from Linux \S+, none lost$/),
      'alerts      1: 1 warning; from 1 rule',
      'enforcement off',
      `audit log   ${audit}`,
      '',
    ]);
  });

  it('says that there is no such cgroup', async () => {
    const { code, stderr } = await shrike('run', '--sensor', 'linux', '--scope', '/no-such-cgroup');
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr:
        'shrike: there is no cgroup /no-such-cgroup; give its path below the cgroup v2 mount, as /system.slice/nginx.service\n"shrike doctor" says what this machine and these privileges allow\n',
    });
  });
});
