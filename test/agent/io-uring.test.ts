import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { createMemoryLog } from '../../agent/memory-log.ts';
import type { Alert } from '../../alerts/index.ts';
import { loadPolicyText } from '../../policies/index.ts';
import { compile, EVENT_TYPES, IO_URING_HOOK } from '../../rules/index.ts';
import { createSimSensor, expectedTrust } from '../../sensors/index.ts';
import { inline } from '../sensors/sim/scenario/play.ts';

const policyOf = (rules: string, scope = ''): string => `
apiVersion: shrike/v1
kind: Policy
metadata: {name: rings}
spec:
${scope}  rules:
${rules}`;

const ruleOf = (condition: string, output: string): string => `    - rule: r
      condition: >-
        ${condition}
      output: "${output}"
      priority: warning
`;

const alertsOf = async (rules: string, steps: unknown, scope?: string): Promise<readonly Alert[]> => {
  const { policies, diagnostics } = loadPolicyText('rings.yaml', policyOf(rules));
  expect(diagnostics.map(({ message }) => message)).toStrictEqual([]);
  const alerts: Alert[] = [];
  const { problems } = await runAgent({
    policies,
    sensor: createSimSensor({ scenario: inline(steps), ...(scope !== undefined && { scope }) }),
    host: 'test',
    enforce: false,
    log: createMemoryLog('test'),
    onAlert: (alert) => void alerts.push(alert),
  });
  expect(problems).toStrictEqual([]);
  return alerts;
};

const outputs = async (rules: string, steps: unknown, scope?: string): Promise<readonly string[]> =>
  (await alertsOf(rules, steps, scope)).map(({ output }) => output);

const RING = { by: 'bash', via: 'io_uring' } as const;

describe('a rule sees what goes through io_uring', () => {
  it.each<[string, string, string, readonly unknown[], readonly string[]]>([
    [
      'an open, with its flags and without a result',
      'evt.type in (openat, openat2) and fd.name = /etc/shadow',
      '%evt.type %fd.name %evt.is_open_write %evt.arg[flags] %evt.res %fd.num %evt.io_uring',
      [
        { openat: { path: '/etc/shadow', flags: 'O_RDWR' }, ...RING },
        { openat2: { path: '/etc/shadow', flags: 'O_WRONLY' }, ...RING },
        { openat: '/etc/shadow', by: 'bash' },
      ],
      [
        'openat /etc/shadow true O_RDWR <unknown> <unknown> true',
        'openat2 /etc/shadow true <NA> <unknown> <unknown> true',
        'openat /etc/shadow false O_RDONLY SUCCESS 6 false',
      ],
    ],
    [
      'a path that is relative to the working directory, or to a folder',
      'evt.type = unlinkat and fs.path.name = /tmp/d/f',
      '%fs.path.name %evt.io_uring',
      [
        { mkdirat: '/tmp/d', ...RING },
        { openat: { path: '/tmp/d/f', flags: 'O_CREAT' }, ...RING },
        { chdir: '/tmp/d', by: 'bash' },
        { unlinkat: 'f', ...RING },
        { openat: { path: 'f', flags: 'O_CREAT' }, ...RING },
        { openat: '/tmp/d', by: 'bash' },
        { chdir: '/', by: 'bash' },
        { unlinkat: { dirfd: '/tmp/d', path: '../d/f' }, ...RING },
      ],
      ['/tmp/d/f true', '/tmp/d/f true'],
    ],
    [
      'both paths of a rename, a link and a symbolic link',
      'fs.path.target startswith /tmp/to',
      '%evt.type %fs.path.source %fs.path.target',
      [
        { openat: { path: '/tmp/from', flags: 'O_CREAT' }, ...RING },
        { linkat: ['/tmp/from', '/tmp/to1'], ...RING },
        { renameat2: ['/tmp/from', '/tmp/to2'], ...RING },
        { symlinkat: { target: '/etc/shadow', linkpath: '/tmp/to3' }, ...RING },
      ],
      ['linkat /tmp/from /tmp/to1', 'renameat2 /tmp/from /tmp/to2', 'symlinkat <unknown> /tmp/to3'],
    ],
    [
      'where a socket connects, sends, is bound and listens',
      'evt.type in (connect, sendto, bind, listen) and (fd.sport = 4444 or fd.sport = 53)',
      '%evt.type %fd.sip:%fd.sport %fd.typechar %fd.num',
      [
        { connect: '203.0.113.5:4444', ...RING },
        { socket: ['2', '2', '0'].map(Number), by: 'bash' },
        { sendto: { text: 'query', address: '203.0.113.5:53', fd: 'socket' }, ...RING },
        { bind: '0.0.0.0:4444', ...RING },
        { listen: { fd: 'socket' }, ...RING },
      ],
      ['connect 203.0.113.5:4444 4 3', 'sendto 203.0.113.5:53 4 5', 'bind 0.0.0.0:4444 4 6', 'listen 0.0.0.0:4444 4 6'],
    ],
    [
      'the file behind a descriptor',
      'evt.type in (read, write, close, ftruncate) and fd.name = /tmp/f',
      '%evt.type %fd.name %fd.num',
      [
        { openat: { path: '/tmp/f', flags: ['O_RDWR', 'O_CREAT'] }, by: 'bash' },
        { write: 'text', ...RING },
        { read: 'file', ...RING },
        { ftruncate: { length: 1, fd: 'file' }, ...RING },
        { close: 'file', ...RING },
      ],
      ['write /tmp/f 3', 'read /tmp/f 3', 'ftruncate /tmp/f 3', 'close /tmp/f 3'],
    ],
    [
      'what a thread of the kernel takes, as its process',
      'evt.type = unlinkat and proc.name = bash',
      '%proc.name %fs.path.name',
      [{ unlinkat: '/var/log/auth.log', by: 'bash', via: 'io_uring_sqpoll' }],
      ['bash /var/log/auth.log'],
    ],
    ['nothing of what no rule names', 'evt.type = unlinkat', '%evt.type', [{ openat: '/etc/shadow', ...RING }], []],
  ])('%s', async (_, condition, output, steps, expected) => {
    const alerts = await alertsOf(ruleOf(condition, output), steps);
    expect(alerts.map((alert) => alert.output)).toStrictEqual(expected);
    for (const { hook, event, trust } of alerts) {
      const type = EVENT_TYPES.get(event);
      if (hook !== IO_URING_HOOK || type === undefined) continue;
      for (const [text, value] of Object.entries(trust)) {
        const [, name = text, argument] = /^([^[]+)(?:\[(.*)\])?$/.exec(text) ?? [];
        const field = argument === undefined ? { name } : { name, argument };
        if (value !== 'unknown') expect(expectedTrust(field, { hook, event: type }), text).toContain(value);
      }
    }
  });

  it('in the scope only', async () => {
    const rule = ruleOf('evt.type = unlinkat', '%proc.name %fs.path.name');
    const steps = {
      processes: [{ name: 'inside', cgroup: '/system.slice/a.service' }],
      steps: [
        { openat: { path: '/tmp/a', flags: 'O_CREAT' }, by: 'bash' },
        { openat: { path: '/tmp/b', flags: 'O_CREAT' }, by: 'bash' },
        { unlinkat: '/tmp/a', ...RING },
        { unlinkat: '/tmp/b', by: 'inside', via: 'io_uring' },
      ],
    };
    expect(await outputs(rule, steps, '/system.slice')).toStrictEqual(['inside /tmp/b']);
  });

  it('by a field, which is false for calls', async () => {
    const steps = [
      { openat: '/etc/shadow', by: 'bash' },
      { openat: '/etc/shadow', ...RING },
    ];
    const rule = (value: string) =>
      ruleOf(`evt.type = openat and fd.name = /etc/shadow and evt.io_uring = ${value}`, '%evt.io_uring');
    expect(await outputs(rule('true'), steps)).toStrictEqual(['true']);
    expect(await outputs(rule('false'), steps)).toStrictEqual(['false']);
  });

  it('whose result is unknown: a rule that asks for one may match', async () => {
    const rule = ruleOf('evt.type = openat and fd.name = /etc/shadow and evt.res = EACCES', '%evt.res');
    expect(await outputs(rule, [{ openat: '/etc/shadow', ...RING }])).toStrictEqual(['<unknown>']);
    const [alert] = await alertsOf(rule, [{ openat: '/etc/shadow', ...RING }]);
    expect(alert).toMatchObject({ hook: 'tp_btf/io_uring_submit_req', trust: { 'evt.res': 'unknown' } });
  });

  it('only where some rule names a call that a ring can make', () => {
    const hooks = (condition: string) => {
      const { policies } = loadPolicyText('rings.yaml', policyOf(ruleOf(condition, 'x')));
      const { object } = compile(
        policies.flatMap(({ rules }) => rules),
        { level: '6.12' },
      );
      return object.programs.map(({ hook }) => hook).filter((hook) => hook.includes('io_uring'));
    };
    expect(hooks('evt.type = ptrace')).toStrictEqual([]);
    expect(hooks('evt.type in (execve, execveat)')).toStrictEqual([]);
    expect(hooks('evt.type = openat and evt.io_uring = false')).toStrictEqual([]);
    expect(hooks('evt.type = openat')).toStrictEqual(['tp_btf/io_uring_submit_req']);
  });
});

describe('a rule sees calls of the x32 table', () => {
  it('under the names of the table that it shares, and under its own numbers', async () => {
    const rule = ruleOf(
      '(evt.type = openat and fd.name = /etc/shadow) or (evt.type = execve and proc.exepath = /usr/bin/id) or evt.type in (ptrace, recvfrom, sendmsg)',
      '%evt.type %proc.name',
    );
    const steps = [
      { openat: '/etc/shadow', by: 'bash', abi: 'x32' },
      { ptrace: ['PTRACE_ATTACH', 'sshd'], by: 'bash', abi: 'x32' },
      { socket: [2, 2, 0], by: 'bash', abi: 'x32' },
      { recvfrom: { fd: 'socket' }, by: 'bash', abi: 'x32', expect: 'ERESTARTSYS' },
      { sendmsg: { fd: 'socket' }, by: 'bash', abi: 'x32', expect: 'EDESTADDRREQ' },
      { execve: ['/usr/bin/id', ['id']], by: 'bash', abi: 'x32' },
    ];
    expect(await outputs(rule, steps)).toStrictEqual(['openat bash', 'ptrace bash', 'sendmsg bash', 'execve id']);
  });
});
