import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { createMemoryLog } from '../../agent/memory-log.ts';
import { loadPolicyText } from '../../policies/index.ts';
import { createReplaySensor, createSimSensor } from '../../sensors/index.ts';
import { inline } from '../sensors/sim/scenario/play.ts';
import { temporaryFolder } from '../support/folder.ts';

/** What a rule's alerts print in a scenario; user space must have nothing left to drop. */
const outputs = async (condition: string, output: string, scenario: unknown): Promise<readonly string[]> => {
  const text = JSON.stringify({
    apiVersion: 'shrike/v1',
    kind: 'Policy',
    metadata: { name: 'fields' },
    spec: { rules: [{ rule: 'r', condition, output, priority: 'warning' }] },
  });
  const { policies, diagnostics } = loadPolicyText('fields.yaml', text);
  expect(diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message)).toStrictEqual([]);
  const seen: string[] = [];
  const summary = await runAgent({
    policies,
    sensor: createSimSensor({ scenario: inline(scenario) }),
    host: 'test',
    enforce: false,
    log: createMemoryLog('test'),
    onAlert: (alert) => void seen.push(alert.output),
  });
  expect(summary.problems).toStrictEqual([]);
  expect(summary.residualDropped).toBe(0);
  return seen;
};

const OPEN = 'evt.type = openat and fd.name = /etc/hosts';
/** A process of each kind that opens /etc/hosts. */
const opens = (processes: readonly object[], more: object = {}) => ({
  processes,
  ...more,
  steps: processes.map((process) => ({ openat: '/etc/hosts', by: (process as { name: string }).name })),
});

const CONTAINED = [
  { name: 'root', capabilities: ['CAP_CHOWN', 'CAP_SYS_ADMIN'] },
  { name: 'user', uid: 33, capabilities: ['CAP_NET_BIND_SERVICE'] },
  { name: 'none', uid: 33 },
];

describe('capabilities', () => {
  it.each<[string, readonly string[]]>([
    ['thread.cap_effective contains CAP_SYS_ADMIN', ['root']],
    ['thread.cap_permitted icontains net_bind', ['user']],
    ['thread.cap_permitted contains net_bind', []],
    ['thread.cap_effective contains CAP_', ['root', 'user']],
    ['not thread.cap_effective contains CAP_SYS_ADMIN', ['user', 'none']],
    ['thread.cap_effective = "CAP_CHOWN CAP_SYS_ADMIN"', ['root']],
    ['thread.cap_effective = "CAP_SYS_ADMIN CAP_CHOWN"', []],
    ['thread.cap_effective != ""', ['root', 'user']],
    ['thread.cap_effective in (CAP_NET_BIND_SERVICE, "")', ['user', 'none']],
    ['thread.cap_effective exists', ['root', 'user', 'none']],
  ])('%s', async (condition, names) => {
    expect(await outputs(`${OPEN} and ${condition}`, '%proc.name', opens(CONTAINED))).toStrictEqual(names);
  });

  it('are printed by name, and root keeps no more of them across exec than it was given', async () => {
    const scenario = {
      processes: CONTAINED,
      steps: [
        { exec: ['cat', '/tmp/x'], by: 'root' },
        { exec: ['cat', '/tmp/x'], by: 'user' },
      ],
    };
    expect(
      await outputs(
        'evt.type = execve',
        '%thread.cap_effective|%thread.cap_permitted|%thread.cap_inheritable',
        scenario,
      ),
    ).toStrictEqual([
      'CAP_CHOWN CAP_SYS_ADMIN|CAP_CHOWN CAP_SYS_ADMIN|',
      'CAP_NET_BIND_SERVICE|CAP_NET_BIND_SERVICE|CAP_NET_BIND_SERVICE',
    ]);
  });
});

describe('sessions, groups and namespaces', () => {
  const processes = [
    { name: 'shell', path: '/usr/bin/bash', tty: 'pts/3', vpid: 1 },
    { name: 'worker', parent: 'shell' },
    { name: 'daemon' },
  ];

  it.each<[string, readonly string[]]>([
    ['proc.tty = 34819', ['bash']],
    ['proc.tty = 0', ['worker', 'daemon']],
    ['proc.vpid = 1', ['bash']],
    ['proc.vpid = 2', ['worker']],
    ['proc.pvpid = 1 and proc.vpid < 3', ['bash', 'worker']],
    ['thread.vtid = 2', ['worker']],
    ['thread.ismain = true and proc.nthreads = 1', ['bash', 'worker', 'daemon']],
    ['proc.is_sid_leader = true and proc.vpid = 1', ['bash']],
    ['proc.is_sid_leader = false and proc.vpid = 2', ['worker']],
    ['proc.is_pgid_leader = true and proc.is_vpgid_leader = true', ['bash', 'worker', 'daemon']],
    ['proc.vpgid = 1', ['bash']],
  ])('%s', async (condition, names) => {
    expect(await outputs(`${OPEN} and ${condition}`, '%proc.name', opens(processes))).toStrictEqual(names);
  });

  it('print the leaders of sessions and groups', async () => {
    const scenario = { processes, steps: [{ exec: ['cat', '/tmp/x'], by: 'shell' }] };
    expect(
      await outputs(
        'evt.type = execve',
        '%proc.sname %proc.sid.exepath %proc.pgid.name %proc.vpid %proc.pvpid',
        scenario,
      ),
    ).toStrictEqual(['bash /usr/bin/bash bash 3 1']);
  });
});

describe('what a program is', () => {
  it.each<[string, readonly string[]]>([
    ['proc.env contains "LD_PRELOAD=/tmp/evil.so"', ['with']],
    ['proc.env icontains ld_preload', ['with']],
    ['not proc.env contains LD_PRELOAD', ['without']],
    ['proc.env = "A=1 B=2"', ['without']],
    ['proc.env startswith "A="', ['without']],
    ['proc.env endswith "C=3"', ['with']],
  ])('%s', async (condition, names) => {
    const scenario = {
      files: { '/opt/x': { content: '\x7fELF', mode: '0755' } },
      steps: [
        { exec: { path: '/opt/x', argv: ['with'], env: ['LD_PRELOAD=/tmp/evil.so', 'C=3'] }, as: 'one' },
        { exec: { path: '/opt/x', argv: ['without'], env: ['A=1', 'B=2'] }, as: 'two' },
      ],
    };
    expect(await outputs(`evt.type = execve and ${condition}`, '%proc.exe', scenario)).toStrictEqual(names);
  });

  it('has an unknown environment where it is longer than what is read', async () => {
    const scenario = { steps: [{ exec: { path: '/usr/bin/cat', argv: ['cat'], env: [`A=${'x'.repeat(5000)}`] } }] };
    expect(await outputs('evt.type = execve and proc.env contains nothing', '%proc.env', scenario)).toStrictEqual([
      '<unknown>',
    ]);
  });

  it.each<[string, readonly string[]]>([
    ['proc.is_exe_upper_layer = true', ['changed', 'dropped']],
    ['proc.is_exe_lower_layer = true', ['image']],
    ['proc.is_exe_upper_layer = false and not proc.is_exe_lower_layer = true', ['cat']],
  ])('%s', async (condition, names) => {
    const program = { content: '\x7fELF', mode: '0755' };
    const scenario = {
      overlays: ['/srv/box'],
      files: { '/srv/box/image': program, '/srv/box/changed': { ...program, layer: 'upper' } },
      steps: [
        { exec: ['/srv/box/image'] },
        { exec: ['/srv/box/changed'] },
        { exec: ['cat'], as: 'cat' },
        { openat: { path: '/srv/box/dropped', flags: ['O_WRONLY', 'O_CREAT'], mode: '0755' }, by: 'cat' },
        { write: '\x7fELF', by: 'cat' },
        { close: 'file', by: 'cat' },
        { exec: ['/srv/box/dropped'], by: 'cat' },
      ],
    };
    expect(await outputs(`evt.type = execve and ${condition}`, '%proc.name', scenario)).toStrictEqual(names);
  });

  it('has a file with times', async () => {
    const scenario = { steps: [{ exec: ['cat'] }] };
    const [text = ''] = await outputs(
      'evt.type = execve',
      '%proc.exe_ino.mtime %proc.exe_ino.ctime %proc.pid.ts %proc.exe_ino.ctime_duration_proc_start',
      scenario,
    );
    const [mtime = 0n, ctime = 0n, start = 0n, before = 0n] = text.split(' ').map(BigInt);
    expect(mtime).toBeGreaterThan(1_000_000_000_000_000_000n);
    expect(ctime).toBe(mtime);
    expect(before).toBe(start - ctime);
  });
});

describe('arguments and sockets', () => {
  it.each<[string, object, string, string]>([
    [
      'evt.type = openat and fd.nameraw contains "../"',
      { openat: '/tmp/../etc/hosts' },
      '%fd.nameraw %fd.name',
      '/tmp/../etc/hosts /etc/hosts',
    ],
    [
      'evt.type = openat and evt.arg.flags contains O_TRUNC',
      { openat: { path: '/tmp/x', flags: ['O_RDWR', 'O_TRUNC', 'O_CREAT'], mode: '0600' } },
      '%evt.arg.flags',
      'O_RDWR|O_CREAT|O_TRUNC',
    ],
    [
      'evt.type = chmod and evt.arg.mode contains S_ISUID',
      { chmod: ['/etc/hosts', '4755'] },
      '%evt.arg.mode',
      'S_ISUID|S_IRUSR|S_IWUSR|S_IXUSR|S_IRGRP|S_IXGRP|S_IROTH|S_IXOTH',
    ],
    [
      'evt.type = symlink and evt.arg.target = /etc/shadow',
      { symlink: ['/etc/shadow', '/tmp/l'] },
      '%evt.args',
      'target=/etc/shadow linkpath=/tmp/l',
    ],
    ['evt.type = unlink and evt.arg.path endswith hosts', { unlink: '/etc/hosts' }, '%evt.arg.path', '/etc/hosts'],
    [
      'evt.type = ptrace and evt.arg.request contains ATTACH',
      { ptrace: ['PTRACE_ATTACH', 'sshd'] },
      '%evt.arg.request %evt.rawarg.request',
      'PTRACE_ATTACH 16',
    ],
    ['evt.type = socket and evt.arg.domain contains AF_PACKET', { socket: [17, 3, 0] }, '%evt.arg.domain', 'AF_PACKET'],
    [
      'evt.type = connect and fd.l4proto = tcp and fd.connected = true',
      { connect: '203.0.113.5:80' },
      '%fd.l4proto %fd.connected %fd.is_server %fd.sockfamily',
      'tcp true false ip',
    ],
    [
      'evt.type = connect and fd.l4proto = udp',
      { connect: '203.0.113.5:53', type: 'SOCK_DGRAM' },
      '%fd.l4proto %fd.connected',
      'udp true',
    ],
    ['evt.type = chdir and proc.cwd = /tmp/', { chdir: '/tmp' }, '%proc.cwd', '/tmp/'],
    [
      'evt.type = openat and proc.duration < 3600000000000 and fd.dev.major = 8 and fd.dev.minor = 1',
      { openat: '/etc/hosts' },
      '%fd.dev.major:%fd.dev.minor %evt.category %syscall.type',
      '8:1 file openat',
    ],
  ])('%s', async (condition, step, output, text) => {
    const scenario = { remotes: ['203.0.113.5:80'], steps: [{ ...step, by: 'bash' }] };
    expect(await outputs(condition, output, scenario)).toStrictEqual([text]);
  });
});

it('have the environment that a recording has whole, and know of none that it cuts', async () => {
  const path = join(temporaryFolder(), 'a.strace');
  const execs = [
    'execve("/usr/bin/cat", ["cat"], ["HOME=/root", "LD_PRELOAD=/tmp/x.so"]) = 0',
    'execve("/usr/bin/id", ["id"], ["HOME=/root", "LD_PRELOAD=/tm"...]) = 0',
    'execve("/usr/bin/ls", ["ls"], ["HOME=/root", ...]) = 0',
    'execveat(AT_FDCWD, "/usr/bin/wc", ["wc"], ["HOME=/root", "A="], 0) = 0',
    'execve("/usr/bin/who", ["who"], 0x55e5 /* 2 vars */) = 0',
  ];
  writeFileSync(
    path,
    execs.map((exec, index) => `42    1700000000.00000${index} ${exec}\n`).join('') +
      '42    1700000000.000100 +++ exited with 0 +++\n',
  );
  const rule = (name: string, condition: string) => ({
    rule: name,
    condition,
    output: '%proc.env',
    priority: 'warning',
  });
  const rules = [
    rule('seen', 'evt.type in (execve, execveat)'),
    rule('may preload', 'evt.type in (execve, execveat) and proc.env contains LD_PRELOAD'),
  ];
  const { policies, diagnostics } = loadPolicyText(
    'fields.yaml',
    JSON.stringify({ apiVersion: 'shrike/v1', kind: 'Policy', metadata: { name: 'fields' }, spec: { rules } }),
  );
  expect(diagnostics).toEqual([]);
  const seen: string[] = [];
  const { problems } = await runAgent({
    policies,
    sensor: createReplaySensor({ path, onProblem: 'skip' }),
    host: 'test',
    enforce: false,
    log: createMemoryLog('test'),
    onAlert: (alert) => void seen.push(`${alert.rule}: ${alert.process.exe} ${alert.output}`),
  });
  expect(problems).toEqual([]);
  expect(seen).toEqual([
    'seen: /usr/bin/cat HOME=/root LD_PRELOAD=/tmp/x.so',
    'may preload: /usr/bin/cat HOME=/root LD_PRELOAD=/tmp/x.so',
    'seen: /usr/bin/id <unknown>',
    'may preload: /usr/bin/id <unknown>',
    'seen: /usr/bin/ls <unknown>',
    'may preload: /usr/bin/ls <unknown>',
    'seen: /usr/bin/wc HOME=/root A=',
    'seen: /usr/bin/who <unknown>',
    'may preload: /usr/bin/who <unknown>',
  ]);
});

it('are unknown where a recording does not tell them, which counts for a match either way', async () => {
  const path = join(temporaryFolder(), 'a.strace');
  writeFileSync(
    path,
    '42    1700000000.000000 execve("/usr/bin/cat", ["cat"], 0x7ffd0 /* 4 vars */) = 0\n' +
      '42    1700000000.000100 openat(AT_FDCWD</srv>, "data", O_RDONLY) = 3</srv/data>\n' +
      '42    1700000000.000200 +++ exited with 0 +++\n',
  );
  const output =
    '%proc.tty %proc.vpid %proc.sid %proc.nthreads %proc.env %proc.is_exe_upper_layer %proc.exe_ino.ctime %thread.cap_effective';
  const { policies } = loadPolicyText(
    'fields.yaml',
    JSON.stringify({
      apiVersion: 'shrike/v1',
      kind: 'Policy',
      metadata: { name: 'fields' },
      spec: {
        rules: [
          'proc.tty = 0 and proc.vpid = 1',
          'not proc.tty = 0 and not proc.vpid = 1',
          'proc.is_exe_upper_layer = true and thread.cap_effective contains CAP_CHOWN and proc.env contains X',
          'not proc.is_exe_upper_layer = true and not thread.cap_effective contains CAP_CHOWN and not proc.env contains X',
        ].map((condition, index) => ({
          rule: `rule ${index}`,
          condition: `evt.type = openat and ${condition}`,
          output,
          priority: 'warning',
        })),
      },
    }),
  );
  const seen: string[] = [];
  await runAgent({
    policies,
    sensor: createReplaySensor({ path, onProblem: 'skip' }),
    host: 'test',
    enforce: false,
    log: createMemoryLog('test'),
    onAlert: (alert) => void seen.push(`${alert.rule}: ${alert.output}`),
  });
  const unknown = Array.from({ length: 8 }, () => '<unknown>').join(' ');
  expect(seen).toStrictEqual([0, 1, 2, 3].map((rule) => `rule ${rule}: ${unknown}`));
});
