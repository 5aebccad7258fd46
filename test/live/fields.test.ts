import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { createMemoryLog } from '../../agent/memory-log.ts';
import { parseTemplate } from '../../rules/index.ts';
import { createLinuxSensor, fieldsOf } from '../../sensors/index.ts';
import { temporaryFolder } from '../support/folder.ts';
import { liveUnavailable, testCgroup } from '../support/live.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const PROGRAM = fileURLToPath(new URL('programs/facts.py', import.meta.url));
const FIELDS = [
  ...['effective', 'permitted', 'inheritable'].map((set) => `thread.cap_${set}`),
  ...['tty', 'sid', 'pgid', 'vpgid', 'vpid', 'pvpid', 'nthreads', 'env', 'cwd', 'sname'].map((name) => `proc.${name}`),
  ...['sid', 'pgid', 'vpgid'].map((name) => `proc.is_${name}_leader`),
  'thread.vtid',
  'thread.ismain',
  'proc.is_exe_upper_layer',
  'proc.is_exe_lower_layer',
  'proc.exe_ino.mtime',
  'fd.nameraw',
];
const TEMPLATE = parseTemplate(FIELDS.map((name) => `%${name}`).join(' ')).template;
/** A program in the lower layer of an overlay and one in its upper layer, in file systems in memory that nobody else sees. */
const OVERLAY = [
  'mount -t tmpfs -o size=16m tmpfs "$1"/root && cd "$1"/root && mkdir lower upper work merged && cp /bin/cat lower/below',
  'mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && cp /bin/cat merged/above',
  'merged/below "$1"/shrike-marker-below; merged/above "$1"/shrike-marker-above; /bin/cat "$1"/shrike-marker-none; true',
].join(' && ');

type Values = Readonly<Record<string, unknown>>;

/** What fields say of the process that opens each marker. */
const watched = async (run: (folder: string, cgroup: ReturnType<typeof testCgroup>) => Promise<void>) => {
  const folder = temporaryFolder();
  const cgroup = testCgroup();
  const seen = new Map<string, Values>();
  try {
    const { problems } = await runAgent({
      policies: [
        policyOf([
          ruleOf('opens', 'evt.type in (open, openat) and fd.nameraw contains shrike-marker', { output: TEMPLATE }),
        ]),
      ],
      sensor: createLinuxSensor({ scope: cgroup.path, source: () => run(folder, cgroup) }),
      host: 'fields',
      enforce: false,
      log: createMemoryLog('fields'),
      onRecord: (record, processes) => {
        if (record.matched.length === 0) return;
        const fields = fieldsOf(record, { processes, number: 0, wallTime: 0n, cgroupPath: () => undefined });
        const read = (name: string): unknown => {
          const value = fields({ name, span: { start: 0, end: 0 } });
          return value.state === 'present' ? value.value : value.state;
        };
        const values = Object.fromEntries(FIELDS.map((name) => [name, read(name)]));
        seen.set(String(values['fd.nameraw']).replace(/^.*shrike-marker-/, ''), { ...values, pid: record.pid });
      },
    });
    expect(problems).toEqual([]);
  } finally {
    await cgroup.remove();
  }
  return { folder, seen };
};

/** Bits of a set as /proc/PID/status writes it that a field's text names. */
const sizeOf = (set: string): number => [...BigInt(`0x${set}`).toString(2)].filter((bit) => bit === '1').length;
const namesIn = (text: unknown): number => String(text).split(' ').filter(Boolean).length;

const skip = liveUnavailable();

describe.skipIf(skip)(`fields of processes${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('are what /proc says of them', async () => {
    const { folder, seen } = await watched(async (into, cgroup) => {
      const { code, stderr } = await cgroup.run('python3', [PROGRAM, into], {
        cwd: into,
        env: { ...process.env, SHRIKE_TEST: 'a b' },
      });
      expect([code, stderr]).toEqual([0, '']);
    });
    const told = readFileSync(join(folder, 'told'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(told.map(({ name }) => name)).toEqual([
      'plain',
      'session',
      'group',
      'dropped',
      'nobody',
      'terminal',
      'namespace',
    ]);
    for (const said of told) {
      const { name, pids, groups } = said;
      const values = seen.get(name) ?? {};
      expect(values, name).toMatchObject({
        'proc.tty': BigInt(said.tty),
        'proc.sid': BigInt(said.sid),
        'proc.pgid': BigInt(said.pgid),
        'proc.nthreads': BigInt(said.threads),
        'proc.vpid': BigInt(pids.at(-1)),
        'thread.vtid': BigInt(pids.at(-1)),
        'proc.vpgid': BigInt(groups.at(-1)),
        'thread.ismain': true,
        'proc.env': said.env,
        'proc.cwd': said.cwd === '/' ? '/' : `${said.cwd}/`,
        'proc.is_sid_leader': said.sid === pids[0],
        'proc.is_pgid_leader': said.pgid === pids[0],
      });
      for (const [set, field] of ['effective', 'permitted', 'inheritable'].map((each) => [each, `thread.cap_${each}`]))
        expect(namesIn(values[field ?? '']), `${name} ${set}`).toBe(sizeOf(said[set ?? '']));
    }
    const [plain, , , dropped, nobody, terminal, namespace] = told;
    expect(dropped.effective).not.toBe(plain.effective);
    expect(seen.get('plain')?.['thread.cap_effective']).toContain('CAP_NET_RAW');
    expect(seen.get('dropped')?.['thread.cap_effective']).not.toContain('CAP_NET_RAW');
    expect(seen.get('dropped')?.['thread.cap_permitted']).toContain('CAP_NET_RAW');
    expect(sizeOf(nobody.effective)).toBe(0);
    expect(terminal.tty).not.toBe(0);
    expect(namespace.pids.at(-1)).toBe(1);
    expect(seen.get('namespace')?.['proc.pvpid']).toBe(BigInt(plain.pids[0]));
    expect(seen.get('session')?.['proc.sname']).toBe('python3');
  });

  it('tell the layers of an overlay apart', async () => {
    let refused = '';
    const { seen } = await watched(async (folder, cgroup) => {
      const script = `mkdir "$1"/root; for each in below above none; do touch "$1"/$each; done; exec unshare --mount sh -c '${OVERLAY}' sh "$1"`;
      const { stderr } = await cgroup.run('sh', ['-c', script, 'sh', folder]);
      refused = /mount: .*|.*overlay.*denied.*/.exec(stderr)?.[0] ?? '';
    });
    expect(refused).toBe('');
    const layers = (name: string) => [
      seen.get(name)?.['proc.is_exe_upper_layer'],
      seen.get(name)?.['proc.is_exe_lower_layer'],
    ];
    expect(layers('below')).toEqual([false, true]);
    expect(layers('above')).toEqual([true, false]);
    expect(layers('none')).toEqual([false, false]);
    expect(seen.get('none')?.['proc.exe_ino.mtime']).toBeGreaterThan(0n);
  });
});
