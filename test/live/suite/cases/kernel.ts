import { deepStrictEqual, match, strictEqual, throws } from 'node:assert';
import {
  add,
  addField,
  assemble,
  call,
  exit,
  type Item,
  jeq,
  jne,
  ldx,
  ldxField,
  loadMap,
  lsh,
  mov,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R8,
  R9,
  R10,
} from '../../../../engine/isa/index.ts';
import { group } from '../case.ts';
import type { Host } from '../host.ts';
import { attachConfined, confined, HELPERS, keep, OUT, observe, place, scopeMap } from '../programs.ts';

const HOOK = 'tp_btf/sys_exit';
const [GETPPID, OPENAT, AT_FDCWD, O_CREAT_WRONLY] = [110, 257, -100, 0o101];

const atExitOf = (number: number): readonly Item[] => [
  ldx('dw', R6, R9, 0),
  ldxField('dw', R7, R6, 'pt_regs.orig_ax'),
  jne(R7, number, OUT),
];
const says = (number: number): readonly Item[] => [...atExitOf(GETPPID), mov(R7, number), keep(0, R7)];
const nothing = (host: Host, hook: string, name = 'nothing') =>
  host.load({ name, hook, ...confined([mov(R0, 0)]) }, [scopeMap(host)]);

const writeFile = async (host: Host, path: string): Promise<void> => {
  const fd = await host.task.call('openat', [AT_FDCWD, path, O_CREAT_WRONLY, 0o644]);
  strictEqual(fd >= 0, true);
  strictEqual(await host.task.call('close', [fd]), 0);
};

export const kernelCases = group('Kernel', [`hook:${HOOK}`], {
  'says what it is and what it offers': async (host) => {
    const { features } = host.kernel;
    match(features.name, host.kind === 'sim' ? /^sim 6\.\d+$/ : /^\d+\.\d+/);
    strictEqual(['6.1', '6.9', '6.12'].includes(features.level), true);
    for (const hook of [HOOK, 'tp_btf/sched_process_exec']) strictEqual(features.hooks.includes(hook), true);
  },
  'a loaded program has its name, its hook and how much was verified': async (host) => {
    const program = nothing(host, HOOK, 'small');
    deepStrictEqual([program.name, program.hook], ['small', HOOK]);
    strictEqual(program.explored > 5 && program.explored < 100, true);
  },
  'replace: the other program goes on in its place': async (host) => {
    const first = observe(host, HOOK, 1, says(1));
    const second = observe(host, HOOK, 1, says(2));
    host.kernel.detach(second.link);
    await host.task.call('getppid');
    const link = host.kernel.replace(first.link, second.program);
    await host.task.call('getppid');
    deepStrictEqual([first.records(), second.records()], [[[1n]], [[2n]]]);
    strictEqual(link.hook, HOOK);
    host.kernel.detach(link);
    await host.task.call('getppid');
    deepStrictEqual([first.records(), second.records()], [[], []]);
  },
  'replace: only by a program for the same hook': async (host) => {
    const { link } = attachConfined(host, HOOK, [mov(R0, 0)]);
    const other = nothing(host, 'tp_btf/sched_process_exec', 'other');
    throws(() => host.kernel.replace(link, other), {
      message: `program other is for tp_btf/sched_process_exec; it can't replace one of ${HOOK}`,
    });
  },
  'detach: a program no longer runs, and is not there to be detached again': async (host) => {
    const seen = observe(host, HOOK, 1, says(1));
    host.kernel.detach(seen.link);
    await host.task.call('getppid');
    deepStrictEqual(seen.records(), []);
    throws(() => host.kernel.detach(seen.link), {
      message: `program observer is not attached to ${HOOK} by this link`,
    });
  },
  'programs of another kernel are refused': async (host) => {
    const program = { name: 'stranger', hook: HOOK, handle: -1, explored: 1 };
    throws(() => host.kernel.attach(program), { message: 'program stranger was not loaded into this kernel' });
  },
  'two programs at one hook both run': async (host) => {
    const [one, other] = [observe(host, HOOK, 1, says(1)), observe(host, HOOK, 1, says(2))];
    await host.task.call('getppid');
    deepStrictEqual([one.records(), other.records()], [[[1n]], [[2n]]]);
  },
  // Before Linux 6.10 a program can be at a tracepoint only once.
  'one program attached twice runs twice': [
    ['level:6.12'],
    async (host) => {
      const seen = observe(host, HOOK, 1, says(1));
      host.attach(seen.program);
      await host.task.call('getppid');
      deepStrictEqual(seen.records(), [[1n], [1n]]);
    },
  ],
  'stats: how often each program ran': async (host) => {
    host.countRuns();
    const seen = observe(host, 'tp_btf/sched_process_fork', 1, [mov(R0, 1), keep(0, R0)]);
    nothing(host, 'tp_btf/sched_process_exec', 'idle');
    await host.task.fork();
    await host.task.fork();
    strictEqual(seen.records().length, 2);
    const stats = host.kernel.stats();
    const runs = (name: string) => stats.find(({ program }) => program === name);
    deepStrictEqual([runs('idle')?.runs, runs('idle')?.hook], [0, 'tp_btf/sched_process_exec']);
    strictEqual((runs('observer')?.runs ?? 0) >= 2, true);
    strictEqual(runs('observer')?.missed, 0);
  },
  'a map that a program wants and nobody gives is named': async (host) => {
    const program = { name: 'wants', hook: HOOK, ...assemble([loadMap(R1, 'absent'), mov(R0, 0), exit()]) };
    throws(() => host.load(program), /absent/);
  },
  'a member that this kernel does not have is named': async (host) => {
    const program = {
      name: 'wants',
      hook: HOOK,
      ...assemble([ldx('dw', R1, R1, 0), ldxField('dw', R0, R1, 'pt_regs.no_such_register'), mov(R0, 0), exit()]),
    };
    throws(() => host.load(program), /no_such_register/);
  },
  'a struct that this kernel does not have is named': async (host) => {
    const program = {
      name: 'wants',
      hook: HOOK,
      ...assemble([ldx('dw', R1, R1, 0), addField(R1, 'no_such_struct.member'), mov(R0, 0), exit()]),
    };
    throws(() => host.load(program), /no_such_struct/);
  },
  'BTF has the structs that programs read': async (host) => {
    const { btf } = host.kernel;
    for (const struct of ['task_struct', 'file', 'dentry', 'linux_binprm', 'pt_regs', 'cred'])
      strictEqual(btf.struct(struct) === undefined, false);
    strictEqual(btf.access('task_struct.comm')?.size, 16);
    strictEqual(btf.struct('no_such_struct'), undefined);
  },
});

export const cgroupIdCases = group('cgroup ids', [], {
  'a path has an id, and the id has the path': async (host) => {
    const id = host.kernel.cgroupId(host.scope);
    strictEqual(typeof id, 'bigint');
    strictEqual(host.kernel.cgroupPath(id ?? 0n), host.scope);
  },
  'what is no cgroup has no id, and an unknown id no path': async (host) => {
    strictEqual(host.kernel.cgroupId('/no/such/cgroup'), undefined);
    strictEqual(host.kernel.cgroupPath(0x7fff_ffff_fff0n), undefined);
  },
  'each cgroup has its own, above and below': async (host) => {
    const above = host.scope.slice(0, host.scope.lastIndexOf('/'));
    const ids = ['/', above, host.scope].map((path) => host.kernel.cgroupId(path));
    strictEqual(new Set(ids).size, 3);
  },
});

export const fileIdCases = group('file ids', [`hook:${HOOK}`], {
  'device and inode are what a program sees of an open file': async (host) => {
    const path = `${host.folder}/watched`;
    await writeFile(host, path);
    const seen = observe(host, HOOK, 2, [
      ...atExitOf(OPENAT),
      ldx('dw', R8, R9, 8),
      call(HELPERS.get_current_task_btf),
      ldxField('dw', R7, R0, 'task_struct.files'),
      ldxField('dw', R7, R7, 'files_struct.fdt'),
      ldxField('dw', R7, R7, 'fdtable.fd'),
      lsh(R8, 3),
      add(R7, R8),
      ...readPointer(R7),
      ...readPointer(R7, 'file.f_inode'),
      mov(R8, R7),
      ...readPointer(R7, 'inode.i_ino'),
      keep(1, R7),
      mov(R7, R8),
      ...readPointer(R7, 'inode.i_sb'),
      addField(R7, 'super_block.s_dev'),
      ...place(R1, 0),
      mov(R2, 4),
      mov(R3, R7),
      call(HELPERS.probe_read_kernel),
    ]);
    const fd = await host.task.call('openat', [AT_FDCWD, path, 0, 0]);
    strictEqual(fd >= 0, true);
    const id = host.kernel.fileId(path);
    const [[device = 0n, inode] = []] = seen.records();
    deepStrictEqual([device & 0xffff_ffffn, inode], [id?.dev, id?.ino]);
  },
  'symbolic and hard links are the same file': async (host) => {
    const path = `${host.folder}/one`;
    await writeFile(host, path);
    await writeFile(host, `${host.folder}/two`);
    strictEqual(await host.task.call('linkat', [AT_FDCWD, path, AT_FDCWD, `${host.folder}/hard`, 0]), 0);
    strictEqual(await host.task.call('symlinkat', ['one', AT_FDCWD, `${host.folder}/soft`]), 0);
    const [one, two, hard, soft] = ['one', 'two', 'hard', 'soft'].map((name) =>
      host.kernel.fileId(`${host.folder}/${name}`),
    );
    deepStrictEqual([hard, soft], [one, one]);
    strictEqual(one?.ino === two?.ino, false);
  },
  'what is not there has none': async (host) => {
    strictEqual(host.kernel.fileId(`${host.folder}/absent`), undefined);
    strictEqual(host.kernel.fileId('/no/such/folder/file'), undefined);
  },
});

/** Follows the pointer at a register's address, or at a member behind it. */
function readPointer(register: typeof R7, access?: string): readonly Item[] {
  return [
    ...(access === undefined ? [] : [addField(register, access)]),
    ...place(R1, 0),
    mov(R2, 8),
    mov(R3, register),
    call(HELPERS.probe_read_kernel),
    mov(R0, 0),
    ldx('dw', register, R10, -8),
    jeq(register, 0, OUT),
  ];
}

export const processCases = group('processes', [], {
  'those of the scope, with what they run': async (host) => {
    strictEqual(await host.task.call('execve', [host.program, ['named', 'with space', ''], []]), 0);
    const facts = host.kernel.processes(host.scope).find(({ pid }) => pid === host.task.pid);
    deepStrictEqual(
      [facts?.name, facts?.exepath, facts?.argv, facts?.uid, facts?.cgroup, facts?.memfd],
      ['suite-driver', host.program, ['named', 'with space', ''], 0, host.scope, false],
    );
  },
  'a child has its parent, and its own ids': async (host) => {
    const child = await host.task.fork();
    strictEqual(await child.call('setresuid', [1234, 1234, 1234]), 0);
    const facts = new Map(host.kernel.processes(host.scope).map((one) => [one.pid, one]));
    const [own, parent] = [facts.get(child.pid), facts.get(host.task.pid)];
    deepStrictEqual([own?.parentPid, own?.parentStart, own?.uid], [host.task.pid, parent?.start, 1234]);
    strictEqual((own?.start ?? 0n) >= (parent?.start ?? 0n), true);
  },
  'parents outside of the scope are left out': async (host) => {
    const facts = host.kernel.processes(host.scope);
    deepStrictEqual(
      facts.map(({ pid, parentPid, parentStart }) => [pid, parentPid, parentStart]),
      [[host.task.pid, 0, 0n]],
    );
  },
  'threads are no processes, and the dead are none': async (host) => {
    await host.task.fork('thread');
    const child = await host.task.fork();
    await child.last('exit_group', [0]);
    deepStrictEqual(
      host.kernel.processes(host.scope).map(({ pid }) => pid),
      [host.task.pid],
    );
  },
  'others are not there': async (host) => {
    const outsider = await host.outsider();
    const pids = host.kernel.processes(host.scope).map(({ pid }) => pid);
    deepStrictEqual(pids, [host.task.pid]);
    const above = host.scope.slice(0, host.scope.lastIndexOf('/'));
    const all = host.kernel.processes(above).map(({ pid }) => pid);
    deepStrictEqual(
      all,
      [host.task.pid, outsider.pid].sort((one, other) => one - other),
    );
  },
});
