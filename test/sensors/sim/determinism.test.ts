import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { call, ldx, mov, R0, R1, R6, R7, R10, stx } from '../../../engine/isa/index.ts';
import { HOOKS, type HookName } from '../../../engine/object/index.ts';
import { createSimHost, type SimArgument, type SimHost, type SimTask } from '../../../sensors/index.ts';
import { count, seed } from '../../support/counts.ts';
import { createRandom } from '../../support/random.ts';
import { observe } from './attached.ts';

const [KTIME_GET_BOOT_NS, GET_PRANDOM_U32, GET_CURRENT_PID_TGID] = [125, 7, 14];

/** Time, chance, who, and the hook's first argument where it is a number: all that a program could see differ. */
const FILL = (hook: HookName) => {
  const [first] = HOOKS[hook].arguments;
  const own = (helper: number, index: number) => [call(helper), stx('dw', R10, -8 * (index + 1), R0)];
  return [
    mov(R6, R1),
    first?.type === 'scalar' ? ldx('dw', R7, R6, 0) : mov(R7, 0),
    stx('dw', R10, -32, R7),
    ...own(KTIME_GET_BOOT_NS, 0),
    ...own(GET_PRANDOM_U32, 1),
    ...own(GET_CURRENT_PID_TGID, 2),
  ];
};

const OBSERVED = (Object.keys(HOOKS) as HookName[]).filter(
  (hook) => !hook.startsWith('cgroup/') && hook !== 'tp_btf/io_uring_submit_req',
);

const PATHS = [
  '/tmp/a',
  '/tmp/b',
  '/tmp/d',
  '/tmp/d/x',
  '/etc/passwd',
  '/proc/self/status',
  '/proc/self/ns/mnt',
  '/dev/urandom',
];
const NAMESPACES = [0, 0x2_0000, 0x2000_0000, 0x1000_0000, 0x400_0000, 0x4000_0000, 0x2002_0000];

type Random = ReturnType<typeof createRandom>;
type Make = (random: Random, pids: readonly number[]) => readonly [name: string, ...args: SimArgument[]];

const oneOf = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)] as T;
const path = (random: Random): string => oneOf(random, PATHS);
const fd = (random: Random): number => random.below(9);
const address = (random: Random) => ({
  address: oneOf(random, ['127.0.0.1', '203.0.113.5']),
  port: 5000 + random.below(3),
});

const CALLS: readonly Make[] = [
  (r) => ['openat', -100, path(r), oneOf(r, [0, 1, 0o101, 0o1102]), 0o644],
  (r) => ['close', fd(r)],
  (r) => ['read', fd(r), null, 64],
  (r) => ['write', fd(r), 'some bytes', 10],
  (r) => ['unlink', path(r)],
  (r) => ['rename', path(r), path(r)],
  (r) => ['link', path(r), path(r)],
  (r) => ['symlink', path(r), path(r)],
  (r) => ['mkdir', path(r), 0o755],
  (r) => ['rmdir', path(r)],
  (r) => ['chmod', path(r), 0o600 + r.below(8)],
  (r) => ['getdents64', fd(r), null, 512],
  (r) => ['clone', 17 | oneOf(r, NAMESPACES)],
  () => ['clone', 0x10f00],
  (r) => ['unshare', oneOf(r, NAMESPACES)],
  (r) => ['setns', fd(r), 0],
  (r) => ['execve', oneOf(r, ['/usr/bin/ls', '/usr/bin/cat', '/none']), ['x', String(r.below(9))], ['A=b']],
  (r, pids) => ['kill', oneOf(r, pids), oneOf(r, [0, 10, 15, 9])],
  (r, pids) => ['ptrace', oneOf(r, [16, 17]), oneOf(r, pids), 0, 0],
  (_, pids) => ['wait4', -1, null, pids.length > 20 ? 0 : 1, null],
  (r) => ['exit_group', r.below(3)],
  (r) => ['setuid', oneOf(r, [0, 1000])],
  (r) => ['setresuid', 0xffff_ffff, oneOf(r, [0, 1000]), 0xffff_ffff],
  (r) => ['socket', oneOf(r, [1, 2]), oneOf(r, [1, 2, 0o4001]), 0],
  (r) => ['bind', fd(r), address(r)],
  (r) => ['listen', fd(r), 2],
  (r) => ['connect', fd(r), address(r)],
  (r) => ['accept', fd(r), null, null],
  (r) => ['sendto', fd(r), 'ping', 4, 0, address(r)],
  (r) => ['recvfrom', fd(r), null, 16, 0, null, null],
  (r) => ['mount', 'none', oneOf(r, ['/mnt', '/tmp/d']), 'tmpfs', 0, null],
  (r) => ['umount2', oneOf(r, ['/mnt', '/tmp/d']), 2],
  (r) => ['memfd_create', `m${r.below(3)}`, 0],
  (r) => ['getrandom', null, r.below(32), 0],
  (r) => ['bpf', 5, new Uint8Array(Uint32Array.of(1, r.below(3)).buffer), 8],
  (r) => ['init_module', `m${r.below(2)}`, 2, ''],
  (r) => ['delete_module', `m${r.below(2)}`, 0],
  () => ['io_uring_setup', 4, { flags: 0 }],
];

interface Run {
  readonly digest: string;
  readonly records: number;
  readonly named: number;
}

/** Plays a scenario that chance makes, and digests every result, record and count, and what is left at the end. */
const play = (hostSeed: number, scriptSeed: number, steps: number): Run => {
  const host: SimHost = createSimHost({ seed: hostSeed, memory: 64 * 1024 * 1024 });
  host.network.declareRemote('203.0.113.5', 5000, { reply: 'hello' });
  const readers = OBSERVED.map((hook) => observe(host, hook, 4, FILL(hook)));
  const hash = createHash('sha256');
  const tell = (value: unknown): void => {
    const text = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? `${item}` : item));
    hash.update(`${text}\n`);
  };
  const random = createRandom(scriptSeed);
  const results = new Set<string>();
  let records = 0;
  let tasks: SimTask[] = [];
  for (let step = 0; step < steps; step++) {
    tasks = tasks.filter(({ alive }) => alive);
    while (tasks.length < 3) tasks.push(host.spawn({ exepath: '/usr/bin/bash', cgroup: `/user/${tasks.length}` }));
    const task = oneOf(random, tasks);
    const [name, ...args] = oneOf(random, CALLS)(
      random,
      tasks.map(({ pid }) => pid),
    );
    const { child, ...done } = host.call(task, name, args);
    if (child !== undefined && tasks.length < 12) tasks.push(child as SimTask);
    else if (child !== undefined) host.end(child, { status: 0 });
    results.add(`${name} ${Math.min(done.result, 0)}`);
    tell([task.pid, name, done.result, [...(done.data ?? [])], done.fds, done.from, done.deniedBy, child?.pid]);
    for (const [index, read] of readers.entries())
      for (const record of read()) {
        records++;
        tell([index, record]);
      }
  }
  tell(
    host
      .tasks()
      .map(({ pid, tgid, name, uid, euid, cwd, fds, startNs }) => [pid, tgid, name, uid, euid, cwd, fds, startNs]),
  );
  tell(
    ['/', '/tmp', '/mnt'].flatMap((folder) =>
      host.fs.list(folder).map((name) => [name, host.fs.stat(`${folder}/${name}`)]),
    ),
  );
  tell(host.kernel.stats().map(({ hook, runs }) => [hook, runs]));
  tell([host.bootNs, host.calls]);
  return { digest: hash.digest('hex'), records, named: results.size };
};

describe('the same seed', () => {
  it('gives the same run, byte for byte: results, records, counts and what is left', () => {
    const script = seed('determinism');
    const steps = count(30_000);
    const first = play(7, script, steps);
    expect(play(7, script, steps)).toEqual(first);
    expect(first.records).toBeGreaterThan(steps);
    expect(first.named).toBeGreaterThan(30);
    expect(play(8, script, steps).digest).not.toBe(first.digest);
  });
});
