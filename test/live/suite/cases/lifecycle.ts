import { deepStrictEqual, strictEqual } from 'node:assert';
import { call, type Item, ldx, ldxField, mov, R0, R1, R2, R3, R6, R7, R9 } from '../../../../engine/isa/index.ts';
import { group } from '../case.ts';
import type { Host } from '../host.ts';
import { HELPERS, keep, observe, place, textWord } from '../programs.ts';

const [AT_FDCWD, AT_EMPTY_PATH, O_PATH, EACCES, SIGKILL] = [-100, 0x1000, 0o10000000, 13, 9];

/** r6 = the first argument, a task. */
const TASK: Item = ldx('dw', R6, R9, 0);
const SECOND: Item = ldx('dw', R6, R9, 8);
const member = (index: number, access: string, size: 'w' | 'dw' = 'dw'): readonly Item[] => [
  ldxField(size, R7, R6, access),
  keep(index, R7),
];
/** Text in the kernel at the address in r7, 8 bytes of it. */
const kernelText = (index: number): readonly Item[] => [
  ...place(R1, index),
  mov(R2, 8),
  mov(R3, R7),
  call(HELPERS.probe_read_kernel_str),
];
const PID_BOTH: readonly Item[] = [call(HELPERS.get_current_pid_tgid), mov(R7, R0)];

const EXEC = 'tp_btf/sched_process_exec';

/** The first 8 bytes of the new program's arguments. */
const argumentsAt = (index: number): readonly Item[] => [
  ldxField('dw', R7, R6, 'task_struct.mm'),
  ldxField('dw', R3, R7, 'mm_struct.arg_start'),
  ...place(R1, index),
  mov(R2, 8),
  call(HELPERS.probe_read_user),
];

const bprmText = (index: number, access: string): readonly Item[] => [
  ldx('dw', R7, R9, 16),
  ldxField('dw', R7, R7, access),
  ...kernelText(index),
];

const exec = (host: Host, path: string, argv: readonly string[]) => host.task.call('execve', [path, argv, []]);

export const execCases = group(EXEC, [`hook:${EXEC}`], {
  'runs when the new name and memory are in place': async (host) => {
    const seen = observe(host, EXEC, 3, [
      TASK,
      ...member(0, 'task_struct.comm'),
      ...argumentsAt(1),
      ldx('dw', R7, R9, 8),
      keep(2, R7),
    ]);
    strictEqual(await exec(host, host.program, ['cat', '/etc/shadow']), 0);
    deepStrictEqual(seen.records(), [[textWord('suite-dr'), textWord('cat\0/etc'), BigInt(host.task.pid)]]);
  },
  'has the path as it was passed': async (host) => {
    await host.task.call('chdir', [host.folder]);
    const seen = observe(host, EXEC, 1, [...bprmText(0, 'linux_binprm.filename')]);
    strictEqual(await exec(host, './suite-driver', ['x']), 0);
    deepStrictEqual(seen.records(), [[textWord('./suite')]]);
  },
  'names the descriptor that execveat got': async (host) => {
    const fd = await host.task.call('openat', [AT_FDCWD, host.program, O_PATH, 0]);
    const seen = observe(host, EXEC, 2, [
      ...bprmText(0, 'linux_binprm.filename'),
      TASK,
      ...member(1, 'task_struct.comm'),
    ]);
    strictEqual(await host.task.call('execveat', [fd, '', ['x'], [], AT_EMPTY_PATH]), 0);
    const [[filename = 0n] = []] = seen.records();
    strictEqual(filename, textWord('/dev/fd'));
  },
  'has the interpreter as the file of a script': async (host) => {
    const script = `${host.folder}/hello`;
    const fd = await host.task.call('openat', [AT_FDCWD, script, 0o101, 0o755]);
    const text = `#!${host.program}\n`;
    await host.task.call('pwrite64', [fd, new TextEncoder().encode(text), text.length, 0]);
    await host.task.call('close', [fd]);
    const seen = observe(host, EXEC, 3, [
      TASK,
      ...member(0, 'task_struct.comm'),
      ldxField('dw', R7, R6, 'task_struct.mm'),
      ldxField('dw', R7, R7, 'mm_struct.exe_file'),
      ldxField('dw', R7, R7, 'file.f_path.dentry'),
      ldxField('dw', R7, R7, 'dentry.d_name.name'),
      ...kernelText(1),
      ...bprmText(2, 'linux_binprm.filename'),
    ]);
    strictEqual(await exec(host, script, ['hello', 'you']), 0);
    const [[comm, file, filename] = []] = seen.records();
    deepStrictEqual([comm, file], [textWord('hello'), textWord('suite-d')]);
    strictEqual(filename, textWord(script.slice(0, 7)));
  },
  'does not run for an exec that failed': async (host) => {
    const seen = observe(host, EXEC, 1, [mov(R0, 1), keep(0, R0)]);
    strictEqual(await exec(host, '/nothing', ['x']), -2);
    const fd = await host.task.call('openat', [AT_FDCWD, `${host.folder}/plain`, 0o101, 0o644]);
    await host.task.call('close', [fd]);
    strictEqual(await exec(host, `${host.folder}/plain`, ['x']), -EACCES);
    deepStrictEqual(seen.records(), []);
  },
  "gives a process its first thread's pid when another thread executes": async (host) => {
    const process = await host.task.fork();
    const thread = await process.fork('thread');
    const seen = observe(host, EXEC, 2, [ldx('dw', R7, R9, 8), keep(0, R7), ...PID_BOTH, keep(1, R7)]);
    const old = thread.pid;
    strictEqual(await thread.call('execve', [host.program, ['x'], []]), 0);
    deepStrictEqual(seen.records(), [[BigInt(old), (BigInt(process.pid) << 32n) | BigInt(process.pid)]]);
  },
  'passes over tasks outside of the scope': async (host) => {
    const seen = observe(host, EXEC, 1, [mov(R0, 1), keep(0, R0)]);
    const outsider = await host.outsider();
    strictEqual(await outsider.call('execve', [host.program, ['x'], []]), 0);
    deepStrictEqual(seen.records(), []);
  },
  'has argument and environment next to each other': async (host) => {
    const seen = observe(host, EXEC, 3, [
      TASK,
      ldxField('dw', R6, R6, 'task_struct.mm'),
      ...member(0, 'mm_struct.arg_start'),
      ...member(1, 'mm_struct.arg_end'),
      ...member(2, 'mm_struct.env_start'),
    ]);
    strictEqual(await exec(host, host.program, ['ab', 'cde']), 0);
    const [[start = 0n, end = 0n, environment] = []] = seen.records();
    strictEqual(end - start, 7n);
    strictEqual(environment, end);
  },
  'knows how many arguments there are': async (host) => {
    const seen = observe(host, EXEC, 1, [ldx('dw', R6, R9, 16), ...member(0, 'linux_binprm.argc', 'w')]);
    strictEqual(await exec(host, host.program, ['a', 'b', 'c', '']), 0);
    deepStrictEqual(seen.records(), [[4n]]);
  },
});

const FORK = 'tp_btf/sched_process_fork';

export const forkCases = group(FORK, [`hook:${FORK}`], {
  'has parent and child': async (host) => {
    const seen = observe(host, FORK, 4, [
      TASK,
      ...member(0, 'task_struct.pid', 'w'),
      SECOND,
      ...member(1, 'task_struct.pid', 'w'),
      ...member(2, 'task_struct.tgid', 'w'),
      ldxField('dw', R6, R6, 'task_struct.real_parent'),
      ...member(3, 'task_struct.pid', 'w'),
    ]);
    const child = await host.task.fork();
    const [own, its] = [BigInt(host.task.pid), BigInt(child.pid)];
    deepStrictEqual(seen.records(), [[own, its, its, own]]);
  },
  "a thread has its process's tgid and parent": async (host) => {
    const seen = observe(host, FORK, 3, [
      SECOND,
      ...member(0, 'task_struct.pid', 'w'),
      ...member(1, 'task_struct.tgid', 'w'),
      ldxField('dw', R6, R6, 'task_struct.group_leader'),
      ...member(2, 'task_struct.pid', 'w'),
    ]);
    const thread = await host.task.fork('thread');
    const own = BigInt(host.task.pid);
    deepStrictEqual(seen.records(), [[BigInt(thread.pid), own, own]]);
  },
  'runs before the child makes a call': async (host) => {
    const times = (hook: string, fill: readonly Item[]) =>
      observe(host, hook, 2, [...fill, call(HELPERS.ktime_get_boot_ns), keep(1, R0)]);
    const forks = times(FORK, [SECOND, ...member(0, 'task_struct.pid', 'w')]);
    const calls = times('tp_btf/sys_exit', [...PID_BOTH, keep(0, R7)]);
    const child = await host.task.fork();
    await child.call('getppid');
    const own = (BigInt(child.pid) << 32n) | BigInt(child.pid);
    const [[, forked = 0n] = []] = forks.records();
    const [, first = 0n] = calls.records().find(([pid]) => pid === own) ?? [];
    strictEqual(forked > 0n && forked <= first, true);
  },
  'passes over parents outside of the scope': async (host) => {
    const seen = observe(host, FORK, 1, [mov(R0, 1), keep(0, R0)]);
    const outsider = await host.outsider();
    await outsider.fork();
    deepStrictEqual(seen.records(), []);
  },
  'a raw tracepoint sees it too': async (host) => {
    const seen = observe(host, 'raw_tp/sched_process_fork', 1, [...PID_BOTH, keep(0, R7)]);
    await host.task.fork();
    deepStrictEqual(seen.records(), [[(BigInt(host.task.pid) << 32n) | BigInt(host.task.pid)]]);
  },
});

const EXIT = 'tp_btf/sched_process_exit';

const isBefore = (release: string, major: number, minor: number): boolean => {
  const [ownMajor = 0, ownMinor = 0] = release.split(/[.-]/).map(Number);
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
};

export const exitCases = group(EXIT, [`hook:${EXIT}`], {
  'runs with the dying task as the current one': async (host) => {
    const seen = observe(host, EXIT, 2, [TASK, ...member(0, 'task_struct.pid', 'w'), ...PID_BOTH, keep(1, R7)]);
    const child = await host.task.fork();
    await child.last('exit_group', [3]);
    const own = BigInt(child.pid);
    deepStrictEqual(seen.records(), [[own, (own << 32n) | own]]);
  },
  'knows how many threads are left': async (host) => {
    const child = await host.task.fork();
    const thread = await child.fork('thread');
    const seen = observe(host, EXIT, 2, [
      TASK,
      ...member(0, 'task_struct.pid', 'w'),
      ldxField('dw', R6, R6, 'task_struct.signal'),
      ...member(1, 'signal_struct.live.counter', 'w'),
    ]);
    await thread.last('exit', [0]);
    await child.last('exit_group', [0]);
    deepStrictEqual(seen.records(), [
      [BigInt(thread.pid), 1n],
      [BigInt(child.pid), 0n],
    ]);
  },
  'runs for what a signal ends': async (host) => {
    const child = await host.task.fork();
    const seen = observe(host, EXIT, 1, [TASK, ...member(0, 'task_struct.pid', 'w')]);
    strictEqual(await host.task.call('kill', [child.pid, SIGKILL]), 0);
    for (let tries = 0; child.alive() && tries < 500; tries++) await host.sleep(2);
    deepStrictEqual(seen.records(), [[BigInt(child.pid)]]);
  },
  // Linux 6.16 moved the tracepoint to where memory is still there.
  'has no memory left before Linux 6.16, and a load through the null pointer reads 0': async (host) => {
    const seen = observe(host, EXIT, 2, [
      TASK,
      ldxField('dw', R6, R6, 'task_struct.mm'),
      keep(0, R6),
      ...member(1, 'mm_struct.arg_start'),
    ]);
    const child = await host.task.fork();
    await child.last('exit_group', [0]);
    const [[memory, start] = []] = seen.records();
    strictEqual(memory === 0n, host.kind === 'sim' || isBefore(host.kernel.features.name, 6, 16));
    strictEqual(start === 0n, memory === 0n);
  },
  'passes over tasks outside of the scope': async (host) => {
    const outsider = await host.outsider();
    const child = await outsider.fork();
    const seen = observe(host, EXIT, 1, [mov(R0, 1), keep(0, R0)]);
    await child.last('exit_group', [0]);
    deepStrictEqual(seen.records(), []);
  },
});
