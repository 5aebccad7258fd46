import { expect, it } from 'vitest';
import { isPerfEventArray } from '../../engine/maps/index.ts';
import { index, type LoadedObject } from '../support/loaded-object.ts';
import { testKernelBtf } from '../support/objects.ts';
import { pack, unpack } from '../support/pack.ts';
import { inEachPlace, inSimulation } from '../support/places.ts';

const [SYS_kill, SYS_ptrace, SYS_read] = [62, 101, 0];
/** The arguments of raw_tp/sys_enter: registers, number. */
const sysEnter = (number: number) => ({ context: pack('u64 u64', 0, number) });

inEachPlace((load) => {
  it('tail_dispatch: one program a number, and an end to what calls itself', () => {
    const object = load('tail_dispatch');
    const isRoot = process.getuid?.() === 0;
    const counts = () => [0, 1, 2, 3].map((key) => unpack('u64', object.lookup('counts', index(key))!)[0]);
    object.run('dispatch', sysEnter(SYS_read));
    object.run('dispatch', sysEnter(600));
    object.run('dispatch', sysEnter(SYS_ptrace));
    expect(counts()).toEqual([3n, 2n, 0n, 1n]);
    object.run('dispatch', sysEnter(SYS_kill));
    // MAX_TAIL_CALL_CNT of include/linux/bpf.h is 33: the first comes from `dispatch`
    expect(counts()).toEqual([4n, 2n, isRoot ? 33n : 1n, 1n]);
    object.close();
  });

  it('rate_limiter: a burst, then nothing more at once', () => {
    const object = load('rate_limiter');
    for (let i = 0; i < 8; i++) object.run('rate_limiter', sysEnter(i));
    const events = object.records('events').map((record) => unpack('u32 u32 u64', record));
    expect(events.slice(0, 5)).toEqual([0, 1, 2, 3, 4].map((number) => [process.pid, number, 0n]));
    expect(object.keys('buckets').map((key) => unpack('u32', key)[0])).toEqual([process.pid]);
    object.close();
  });

  it('core_features: what differs between kernels', () => {
    const object = load('core_features');
    if ('structs' in object && 'surroundings' in object) {
      const simulated = object as LoadedObject as import('../support/simulated-object.ts').SimulatedObject;
      simulated.surroundings.task = simulated.structs.make('task_struct', { __state: 2, exit_code: -1 });
    }
    object.run('core_features', sysEnter(0));
    // types.c has PIDTYPE_PGID = 3 and a task that sleeps; the kernel (include/linux/pid_types.h) has 2, and this task runs
    const isSimulated = object.place === 'simulated machine';
    expect(unpack('u32 u32 u32 u32 u32 u32 u32 u32 u32 u32 u32 u32', object.variable('answers'))).toEqual([
      16,
      0,
      1,
      0,
      1,
      0,
      1,
      1,
      isSimulated ? 3 : 2,
      0,
      isSimulated ? 2 : 0,
      1,
    ]);
    object.close();
  });
});

inSimulation((load) => {
  it('rate_limiter: tokens come back with time', () => {
    const object = load('rate_limiter');
    const { surroundings } = object;
    const events = (milliseconds: number, count: number) => {
      surroundings.now += BigInt(milliseconds) * 1_000_000n;
      for (let i = 0; i < count; i++) object.run('rate_limiter', sysEnter(1));
      return object.records('events').map((record) => unpack('x8 u64', record)[0]);
    };
    expect(events(0, 9)).toEqual([0n, 0n, 0n, 0n, 0n]);
    expect(events(99, 2)).toEqual([]);
    expect(events(1, 3)).toEqual([6n]);
    expect(events(250, 3)).toEqual([2n, 0n]);
    expect(events(60_000, 7)).toEqual([1n, 0n, 0n, 0n, 0n]);
    surroundings.tgid = 999;
    expect(events(0, 1)).toEqual([0n]);
    object.close();
  });

  it('syscall_latency: powers of two of microseconds', () => {
    const object = load('syscall_latency');
    const { surroundings } = object;
    surroundings.pid = 1000;
    const call = (nanoseconds: bigint) => {
      object.run('enter', sysEnter(1));
      surroundings.now += nanoseconds;
      object.run('leave', { context: pack('u64 u64', 0, 0) });
    };
    for (const nanoseconds of [900n, 1_999n, 2_000n, 4_095_999n, 5_000_000n, 5_000_000n, 10n ** 12n * 3600n])
      call(nanoseconds);
    object.run('leave', { context: pack('u64 u64', 0, 0) });
    const slots = unpack(Array(27).fill('u64').join(' '), object.lookupPerCpu('histograms', index(1000 & 511))![0]!);
    const expected = Array(27).fill(0n);
    // 0 and 1 us, 2 us, 4095 us, 5000 us twice, an hour times a thousand
    Object.assign(expected, { 0: 2n, 1: 1n, 11: 1n, 12: 2n, 26: 1n });
    expect(slots).toEqual(expected);
    expect(object.keys('starts')).toHaveLength(0);
    object.close();
  });

  it('cgroup_counters: each watched cgroup has a map of its own', () => {
    const object = load('cgroup_counters');
    for (const [cgroup, slot] of [
      [501, 1],
      [502, 4],
      [503, 2],
    ] as const)
      object.update('slots', pack('u64', cgroup), index(slot));
    const enter = (cgroup: bigint, ...numbers: readonly number[]) => {
      object.surroundings.cgroup = cgroup;
      for (const number of numbers) object.run('cgroup_counters', sysEnter(number));
    };
    enter(501n, 0, 1, 1, 600);
    enter(502n, 1);
    enter(503n, 1);
    enter(504n, 1);
    const count = (map: string, number: number) => unpack('u64', object.lookup(map, index(number))!)[0];
    expect([count('web', 0), count('web', 1), count('database', 0), count('database', 1)]).toEqual([1n, 2n, 0n, 1n]);
    object.close();
  });

  it('bit_fields: single bits, wherever they are', () => {
    const object = load('bit_fields');
    const { structs, surroundings } = object;
    const run = (members: Readonly<Record<string, number>>) => {
      surroundings.task = structs.make('task_struct', members);
      object.run('bit_fields', sysEnter(0));
      return unpack('u64 u64 u64 s64', object.lookup('tasks', index(surroundings.pid))!);
    };
    expect(run({ sched_reset_on_fork: 1, exit_code: -9 })).toEqual([1n, 0n, 0n, -9n]);
    expect(run({ in_execve: 1, sched_contributes_to_load: 1 })).toEqual([0n, 1n, 0n, 0n]);
    expect(run({ no_cgroup_migration: 1, in_iowait: 1, exit_code: 256 })).toEqual([0n, 0n, 1n, 256n]);
    object.close();
  });

  it('stack_collect: equal stacks have one id', () => {
    const stacks = { kernel: [1n, 2n], user: [10n, 20n, 30n] as readonly bigint[] | undefined };
    const object = load('stack_collect', {}, { stack: (user) => (user ? stacks.user : stacks.kernel) });
    const sample = (kernel: bigint[], user: bigint[] | undefined, tgid = 100) => {
      Object.assign(stacks, { kernel, user });
      object.surroundings.tgid = tgid;
      object.run('stack_collect');
    };
    sample([1n, 2n], [10n, 20n, 30n]);
    sample([1n, 2n], [10n, 20n, 30n]);
    sample([1n, 3n], [10n, 20n, 30n]);
    sample([1n, 3n], undefined);
    sample([1n, 3n], [10n], 0);
    const samples = object.keys('samples').map((key) => ({
      key: unpack('u32 s32 s32 c16', key),
      count: unpack('u64', object.lookup('samples', key)!)[0],
    }));
    expect(samples.map(({ count }) => count).sort()).toEqual([1n, 1n, 2n]);
    const ids = new Set(samples.map(({ key }) => key[1]));
    expect(ids.size).toBe(2);
    // EFAULT where there is no user stack
    expect(samples.filter(({ key }) => key[2] === -14)).toHaveLength(1);
    const [twice] = samples.filter(({ count }) => count === 2n);
    const frames = (id: number) => unpack('u64 u64 u64', object.lookup('stacks', index(id))!.subarray(0, 24));
    expect(frames(Number(twice!.key[1]))).toEqual([1n, 2n, 0n]);
    expect(frames(Number(twice!.key[2]))).toEqual([10n, 20n, 30n]);
    object.close();
  });

  it('search: uses the kernel function where the kernel has it', () => {
    const object = load('search', {}, {}, testKernelBtf('STRING_KFUNCS'));
    const search = (haystack: string, needle: string) => {
      const run = object.run('search', { context: pack('c64 c16 x8', haystack, needle) });
      return unpack('x80 s32 u32', run.context);
    };
    expect(search('/var/www/html', 'html')).toEqual([9, 1]);
    expect(search('/var/www/html', 'htmls')).toEqual([-2, 1]);
    object.close();
  });

  it('perf_output: events of some directories, in the buffer of the CPU', () => {
    const object = load('perf_output');
    const path = 0x7f00_0000_0000n;
    const open = (text: string) => {
      object.surroundings.user.set(path, new TextEncoder().encode(`${text}\0`));
      object.run('perf_output', { context: pack('x8 s64 s64 u64 s64 s64', 257, -100, path, 0o100, 0) });
    };
    const events = object.maps.get('events')!;
    if (!isPerfEventArray(events)) throw new Error('events is no perf event array');
    open('/etc/passwd');
    expect(object.number('failed')).toBe(1n);
    events.open(0);
    for (const text of ['/etc/shadow', '/usr/bin/ls', '/root/.bashrc', '/etcetera']) open(text);
    const records: unknown[] = [];
    events.consume((record, slot) => records.push([slot, ...unpack('u32 u32 c64', record)]));
    expect(records).toEqual([
      [0, 100, 0o100, '/etc/shadow'],
      [0, 100, 0o100, '/root/.bashrc'],
    ]);
    expect(object.number('failed')).toBe(1n);
    object.close();
  });

  it('cgroup_storage: counts execs of each cgroup, and reports once', () => {
    const object = load('cgroup_storage', { limit: 2 });
    const { structs } = object;
    const inCgroup = (id: number, level: number) => {
      const dfl_cgrp = structs.make('cgroup', { level, kn: structs.make('kernfs_node', { id }) });
      const cgroups = structs.make('css_set', { dfl_cgrp });
      return structs.make('task_struct', { cgroups });
    };
    const [web, mail] = [inCgroup(4711, 2), inCgroup(4712, 3)];
    for (const task of [web, mail, web, web, mail])
      object.run('cgroup_storage', { context: pack('u64 u64 u64', task, 0, 0) });
    expect(object.records('reports').map((record) => unpack('u64 u32 u32', record))).toEqual([
      [4711n, 2, 2],
      [4712n, 2, 3],
    ]);
    object.close();
  });

  it('task_iter: processes only', () => {
    const written: Uint8Array[] = [];
    const sequence = (text: Uint8Array) => {
      written.push(text.slice());
      return 0;
    };
    const object = load('task_iter', {}, { sequence });
    const { structs } = object;
    const cred = structs.make('cred', { 'uid.val': 33 });
    const parent = structs.make('task_struct', { tgid: 1 });
    const meta = structs.make('bpf_iter_meta', { seq: structs.make('seq_file') });
    const visit = (members: Readonly<Record<string, number | string>> | undefined) => {
      const task = members ? structs.make('task_struct', { real_parent: parent, cred, ...members }) : 0n;
      expect(object.run('task_iter', { context: pack('u64 u64', meta, task) }).result).toBe(0);
    };
    visit({ pid: 7, tgid: 7, comm: 'nginx', start_boottime: 123 });
    visit({ pid: 8, tgid: 7, comm: 'nginx' });
    visit({ pid: 2, tgid: 2, comm: 'kthreadd', flags: 0x200000 });
    visit(undefined);
    expect(written.map((entry) => unpack('u32 u32 u32 u32 u64 c16', entry))).toEqual([[7, 1, 33, 0, 123n, 'nginx']]);
    expect([object.number('threads'), object.number('kernel_threads')]).toEqual([1n, 1n]);
    object.close();
  });
});
