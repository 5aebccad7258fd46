import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Alert, openAuditLog } from '../../alerts/index.ts';
import { fingerprint, segmentAt, type Written, writeLog } from '../alerts/review/log.ts';
import { anAlert } from '../support/alert.ts';
import { startProgram } from '../support/cli.ts';
import { shrike, shrikeWith } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';
import { until } from '../support/until.ts';

const show = (...args: readonly string[]) => shrike('audit', 'show', ...args);

const attempt = (more: object = {}): object => ({
  rule: 'Shadow denied',
  policy: 'guarded',
  policyHash: 'ab',
  mode: 'enforce',
  action: 'deny',
  hook: 'lsm/file_open',
  tier: 'lsm',
  event: 'openat',
  time: '2026-01-02T03:04:06.000000000Z',
  pid: 42,
  start: 1_000,
  exe: '/usr/bin/cat',
  cgroup: '/a',
  arguments: { file: '/etc/shadow' },
  fields: { 'user.uid': 0, 'proc.cmdline': 'cat /etc/shadow' },
  outcome: 'denied',
  denied: true,
  ...more,
});

const alertOf =
  (more: Partial<Alert>) =>
  (seq: number): Alert =>
    anAlert(seq, { time: '2026-01-02T03:04:05.678900000Z', ...more });

const HASH = 'cd'.repeat(32);

/** One entry of each kind and more. */
const ENTRIES: readonly Written[] = [
  ['start', { host: 'web-1', kernel: '6.12.0', enforce: true }],
  ['policy', { name: 'guarded', hash: HASH, mode: 'enforce', rules: 2 }],
  ['policy', { name: 'watched', hash: HASH, mode: 'monitor', rules: 1 }],
  ['alert', alertOf({ fields: { 'fd.name': '/etc/shadow' } })],
  ['enforcement', attempt()],
  ['enforcement', attempt({ outcome: 'suppressed: init', denied: undefined, pid: 1 })],
  ['enforcement', { switched: 'off', by: 'shrike enforce' }],
  ['shed', { rule: 'Noisy', cgroup: '/a', records: 1_234, limit: 'rule' }],
  ['loss', { hook: 'tp_btf/sys_exit', ring: 'events', records: 3, received: 10 }],
  ['policy', { name: 'watched', hash: HASH, ended: true, reload: {} }],
  [
    'alert',
    alertOf({
      rule: 'Cron\x1b[31m',
      priority: 'notice',
      verdict: 'kill',
      enforced: false,
      time: '2026-01-02T04:00:00.000000000Z',
      container: { id: '0123456789ab', name: 'shop' },
      process: { ...anAlert(1).process, pid: 77, exe: '/tmp/a', uid: 33 },
    }),
  ],
  ['stop', { events: 1_000, alerts: 2 }],
];

const writtenLog = async (segmentBytes?: number): Promise<string> => {
  const folder = temporaryFolder();
  await writeLog(folder, ENTRIES, segmentBytes);
  return folder;
};

/** Numbers of the entries that were printed. */
const numbers = (stdout: string): readonly number[] => [...stdout.matchAll(/^#(\d+)/gm)].map(([, seq]) => Number(seq));

describe('shrike audit show', () => {
  it('prints a line an entry, of every kind', async () => {
    const folder = await writtenLog();
    const before = fingerprint(folder);
    const { code, stdout, stderr } = await show(folder);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const logged =
      /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(?= {2}(?:start|policy|shed|loss|stop|enforcement {2}enforcement))/g;
    expect(stdout.replace(logged, 'LOGGED')).toBe(
      `#1    LOGGED  start        the agent started on web-1, kernel 6.12.0, enforcement on
#2    LOGGED  policy       guarded: enforce, 2 rules, sha256 ${HASH}
#3    LOGGED  policy       watched: monitor, 1 rule, sha256 ${HASH}
#4    2026-01-02T03:04:05.678Z  alert        critical Password file read: cat read /etc/shadow (credential-files; /usr/bin/cat[42] uid 0)
#5    2026-01-02T03:04:06.000Z  enforcement  denied /usr/bin/cat[42] openat /etc/shadow, by the rule "Shadow denied" of guarded (enforce)
#6    2026-01-02T03:04:06.000Z  enforcement  left alone: suppressed: init /usr/bin/cat[1] openat /etc/shadow, by the rule "Shadow denied" of guarded (enforce)
#7    LOGGED  enforcement  enforcement switched off by shrike enforce
#8    LOGGED  shed         1,234 matches of Noisy held back in /a by its own limit
#9    LOGGED  loss         3 records lost at tp_btf/sys_exit, ring events; 10 were received
#10   LOGGED  policy       watched ended, sha256 ${HASH}
#11   2026-01-02T04:00:00.000Z  alert        notice   [would be killed] Cron\\x1b[31m: cat read /etc/shadow (credential-files; /tmp/a[77] uid 33 in shop)
#12   LOGGED  stop         the agent stopped after 1,000 events and 2 alerts
12 entries of 1 to 12; none of them is missing or damaged
`,
    );
    expect(fingerprint(folder)).toBe(before);
  });

  it.each<[readonly string[], readonly number[]]>([
    [
      ['--kind', 'loss', '--kind', 'shed'],
      [8, 9],
    ],
    [
      ['--rule', 'shadow denied'],
      [5, 6],
    ],
    [['--rule', 'Noisy'], [8]],
    [
      ['--policy', 'guarded'],
      [2, 5, 6],
    ],
    [['--priority', 'critical'], [4]],
    [
      ['--min-priority', 'notice'],
      [4, 11],
    ],
    [['--tag', 'T1003.008', '--user', '33'], [11]],
    [
      ['--user', '0'],
      [4, 5, 6],
    ],
    [['--container', '0123'], [11]],
    [
      ['--pid', '42'],
      [4, 5],
    ],
    [
      ['--exe', 'cat'],
      [4, 5, 6],
    ],
    [['--exe', '/tmp/a'], [11]],
    [['--exe', 'at'], []],
    [
      ['--command', 'etc/shad'],
      [4, 5, 6, 11],
    ],
    [
      ['--file', '/etc/shadow'],
      [4, 5, 6],
    ],
    [
      ['--file', '/etc/'],
      [4, 5, 6],
    ],
    [['--file', '/etc'], []],
    [['--outcome', 'suppressed'], [6]],
    [['--where', 'proc.name=cat'], [11]],
    [
      ['--where', 'hook^=lsm/'],
      [5, 6],
    ],
    [
      ['--since', '2026-01-02T03:04:06Z', '--until', '2026-01-02T04:00:00Z'],
      [5, 6, 11],
    ],
    [['--until', '2026-01-02T03:04:05.678Z'], [4]],
    [
      ['--seq', '4..6'],
      [4, 5, 6],
    ],
    [
      ['--seq', '11..'],
      [11, 12],
    ],
    [
      ['--seq', '..2'],
      [1, 2],
    ],
    [['--seq', '7'], [7]],
    [
      ['--newest', '2'],
      [11, 12],
    ],
    [['--oldest', '1', '--kind', 'alert'], [4]],
  ])('%j', async (options, expected) => {
    const { code, stdout } = await show(await writtenLog(), ...options);
    expect(code).toBe(0);
    expect(numbers(stdout)).toEqual(expected);
  });

  it('prints records as the log has them', async () => {
    const folder = await writtenLog();
    const { stdout } = await show(folder, '--json');
    expect(stdout).toBe(readFileSync(segmentAt(folder), 'utf8'));
  });

  it('names what is damaged or missing, and goes on behind it', async () => {
    const folder = await writtenLog();
    const lines = readFileSync(segmentAt(folder), 'utf8').split('\n');
    writeFileSync(
      segmentAt(folder),
      [...lines.slice(0, 3), ...lines.slice(6, 8), 'x', ...lines.slice(9, 12), '{"v'].join('\n'),
    );
    const { code, stdout, stderr } = await show(folder);
    expect(code).toBe(1);
    expect(numbers(stdout)).toEqual([1, 2, 3, 7, 8, 10, 11, 12]);
    expect(stdout).toMatch(/^8 entries of 1 to 12; 4 missing or damaged, "shrike audit verify" says more$/m);
    expect(stderr).toBe(`shrike: entries 4 to 6 are missing: no segment has them
shrike: ${segmentAt(folder)}:6: byte 0: expected ,"crc32c":"<8 hex digits>"} at the end of the line
shrike: ${segmentAt(folder)}: the last line is not whole (3 bytes): it is being written, or a crash tore it
`);
  });

  it('says how a log begins that does not begin with entry 1', async () => {
    const folder = temporaryFolder();
    const removed = {
      reason: 'size',
      segment: 'audit-000001.jsonl',
      from: 1,
      to: 1,
      entries: 1,
      bytes: 9,
      first: 'A',
      last: 'B',
    };
    await writeLog(
      folder,
      [
        ['stop', { events: 1, alerts: 1 }],
        ['shed', removed],
      ],
      50,
    );
    rmSync(segmentAt(folder, 1));
    expect((await show(folder)).stdout).toMatch(
      /^#2 .* shed {9}audit-000001\.jsonl was removed by its size: entries 1 to 1, A to B\n1 entry of 2 to 2; none of them is missing or damaged; those before 2 were removed to make room, as entries of the kind shed say\n$/,
    );
    const other = temporaryFolder();
    await writeLog(
      other,
      [1, 2].map((): Written => ['stop', { events: 1, alerts: 1 }]),
      50,
    );
    rmSync(segmentAt(other, 1));
    expect((await show(other)).stdout).toMatch(/\n1 entry of 2 to 2; .* damaged; those before 2 are not there\n$/);
  });

  it.each<[string, readonly string[]]>([
    ['2', ['guarded']],
    ['9', ['guarded', 'watched']],
    ['10', ['guarded']],
    ['12', []],
  ])('the policies in force at entry %s', async (at, names) => {
    const { code, stdout } = await show(await writtenLog(), '--policies-at', at);
    expect(code).toBe(0);
    const found = [...stdout.matchAll(/policy {7}(\w+):/g)].map(([, name]) => name);
    expect(found.sort()).toEqual(names);
    expect(stdout).toContain(
      `${found.length === 1 ? '1 policy' : `${found.length} policies`} in force at entry ${at}\n`,
    );
  });

  it('follows what is appended, until it is interrupted', { timeout: 60_000 }, async () => {
    const folder = temporaryFolder();
    const log = await openAuditLog({ folder, host: 'web-1', reserveBytes: 0 });
    onTestFinished(() => log.close());
    log.append('alert', alertOf({}));
    await log.flush();
    const { process: child, finished } = startProgram('main', ['audit', 'show', folder, '--follow', '--kind', 'alert']);
    let stdout = '';
    child.stdout.on('data', (chunk: string) => {
      stdout += chunk;
    });
    await until(() => numbers(stdout).length === 1, 30_000);
    log.append('start', { host: 'web-1' });
    log.append('alert', alertOf({}));
    await log.flush();
    await until(() => numbers(stdout).length === 2, 30_000);
    child.kill('SIGINT');
    expect(await finished).toMatchObject({ code: 0, stderr: '' });
    expect(numbers(stdout)).toEqual([1, 3]);
  });
});

describe('what is asked for and is not there', () => {
  it.each<[readonly string[], string]>([
    [
      ['--tree', '1'],
      'entry 1 is about no process, but of the kind start; "shrike audit show --kind alert" lists entries that are',
    ],
    [['--tree', '99'], 'FOLDER has no entry 99'],
    [
      ['--tree', '5@7'],
      'no entry is about the process 5@7 or one that it started; "shrike audit show --json --kind alert" has pid and start of those that are',
    ],
    [
      ['--where', 'nonsense'],
      '"nonsense" is no comparison; expected a field or member, one of = != ^= $= *= and a value: proc.name=cat, process.exe^=/tmp/',
    ],
  ])('%j', async (options, sentence) => {
    const folder = await writtenLog();
    expect(await show(folder, ...options)).toEqual({
      code: 2,
      stdout: '',
      stderr: `shrike: ${sentence.replace('FOLDER', folder)}\n`,
    });
  });

  it('a log that a run without --audit left; else it is the newest', async () => {
    const state = temporaryFolder();
    const showNewest = () => shrikeWith({ XDG_STATE_HOME: state, TMPDIR: temporaryFolder() }, 'audit', 'show');
    expect(await showNewest()).toEqual({
      code: 2,
      stdout: '',
      stderr: `shrike: no run has left an audit log in ${state}/shrike: give the folder that "shrike run --audit" named\n`,
    });
    const [old, newest] = ['audit-20260102T030405-zzzzzz', 'audit-20260102T030406-aaaaaa'].map((name) =>
      join(state, 'shrike', name),
    );
    for (const folder of [newest, old]) await writeLog(folder ?? '', ENTRIES.slice(0, 1));
    expect(await showNewest()).toMatchObject({ code: 0, stderr: `the audit log in ${newest}\n` });
  });

  it('a log', async () => {
    const folder = temporaryFolder();
    expect(await show(folder)).toEqual({
      code: 2,
      stdout: '',
      stderr: `shrike: ${folder}: no audit log is there, which would have files named audit-000001.jsonl; give the folder that "shrike run" prints at its end\n`,
    });
  });
});

it('the tree of a process, in the order of time', async () => {
  const folder = temporaryFolder();
  const shell = { pid: 10, exe: '/bin/sh', cmdline: 'sh -c "a; b"' };
  const init = { pid: 1, exe: '/sbin/init', cmdline: 'init' };
  const of = (pid: number, cmdline: string, ancestors: Alert['process']['ancestors']): Alert['process'] => ({
    pid,
    start: pid * 100,
    exe: `/bin/${cmdline}`,
    cmdline,
    uid: 33,
    ancestors,
  });
  await writeLog(folder, [
    ['alert', alertOf({ process: of(10, shell.cmdline, [init]), rule: 'Shell' })],
    ['alert', alertOf({ process: of(11, 'cat', [shell, init]) })],
    ['enforcement', attempt({ pid: 11, start: 1_100 })],
    [
      'enforcement',
      attempt({
        pid: 11,
        start: 1_100,
        outcome: 'would have',
        denied: undefined,
        rule: 'R',
        policy: 'g',
        mode: 'monitor',
      }),
    ],
    ['alert', alertOf({ process: of(99, 'other', [init]) })],
    [
      'alert',
      alertOf({ process: of(12, 'b', [shell, init]), time: '2026-01-03T00:00:00.000000000Z', priority: 'debug' }),
    ],
  ]);
  const expected = `started by init[1]
2026-01-02
              sh -c "a; b" pid 10 uid 33
03:04:05.678  #1 critical Shell: cat read /etc/shadow
              ├─ cat pid 11 uid 33
03:04:05.678  │  #2 critical Password file read: cat read /etc/shadow
03:04:06.000  │  #3  ✗ denied /usr/bin/cat[11] openat /etc/shadow, by the rule "Shadow denied" of guarded (enforce)${' '}
03:04:06.000  │  #4 ○ left alone: would have /usr/bin/cat[11] openat /etc/shadow, by the rule "R" of g (monitor)
2026-01-03
              ├─ b pid 12 uid 33
00:00:00.000  │  #6 debug Password file read: cat read /etc/shadow
5 entries; times are UTC
`;
  expect(await show(folder, '--tree', '1')).toEqual({ code: 0, stdout: expected, stderr: '' });
  expect(await show(folder, '--tree', '10@1000')).toEqual({ code: 0, stdout: expected, stderr: '' });
  expect((await show(folder, '--tree', '6', '--up', '1')).stdout).toBe(expected);
  const { stdout } = await show(folder, '--tree', '1', '--json', '--kind', 'enforcement');
  const steps = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly type: string; readonly seq?: number });
  expect(steps.filter(({ type }) => type === 'entry').map(({ seq }) => seq)).toEqual([3, 4]);
});
