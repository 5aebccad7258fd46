import { is } from '../language/index.ts';
import {
  AT_FDCWD,
  argument,
  type Context,
  call,
  emit,
  type Field,
  type From,
  fromCwd,
  intArgument,
  LONG_ARGV,
  passed,
  raw,
  resultFields,
} from './context.ts';
import type { Known } from './known.ts';
import { bytesOf, resolvePath } from './paths.ts';

const CLONE_PARENT = 0x8000;
const CLONE_THREAD = 0x10000 | 0x800 | 0x100 | 0x400 | 0x200;

/** comm as exec sets it: the file name's last component, at most 15 bytes. */
export const commOf = (filename: string): string => {
  const bytes = new TextEncoder().encode(filename.slice(filename.lastIndexOf('/') + 1));
  return new TextDecoder().decode(bytes.subarray(0, 15));
};

/** What is kept of an argument vector. */
export const keptArgv = (argv: readonly string[]): readonly string[] | undefined => {
  const all = argv.length === 0 ? [''] : argv;
  return all.reduce((sum, each) => sum + bytesOf(each) + 1, 0) >= LONG_ARGV ? undefined : all;
};

export interface Executing {
  readonly path: string;
  readonly argv: readonly string[];
  readonly env?: readonly string[];
  /** From which folder: execveat. */
  readonly from?: From;
  readonly thread?: boolean;
}

/** Runs a program in a process's place, or tries to. */
export const exec = (context: Context, process: Known, executing: Executing): boolean => {
  const { path, argv, env = [], from, thread = false } = executing;
  const kind = from === undefined ? 'execve' : 'execveat';
  const { dirfd, base } = from ?? fromCwd(process);
  const before = process.thread;
  const args = kind === 'execve' ? [path, argv, env] : [dirfd, path, argv, env, 0];
  const result = call(context, process, kind, args, { thread });
  if (result < 0) {
    const name = passed(base, path);
    const more: Field[] = kind === 'execveat' ? [intArgument('flags', 0), intArgument('dirfd', dirfd)] : [];
    emit(
      context,
      kind,
      process,
      ...resultFields(result),
      ['fs.path.name', name],
      ['fs.path.nameraw', raw(path, false)],
      argument('filename', name),
      ...more,
    );
    return false;
  }
  if (thread && before?.alive) process.task = context.host.task(process.pid) ?? process.task;
  delete process.thread;
  process.exepath = resolvePath(path.startsWith('/') ? path : `${base}/${path}`, context.links);
  process.fromMemory = false;
  process.hasRing = false;
  process.name = commOf(dirfd === AT_FDCWD || path.startsWith('/') ? path : `/dev/fd/${dirfd}/${path}`);
  process.argv = keptArgv(argv);
  process.env = env;
  process.isSeen = true;
  if (process.exepath === '/usr/bin/su') process.uid = 0;
  for (const fd of process.fds.keys()) if (!process.task.fds.includes(fd)) process.fds.delete(fd);
  emit(
    context,
    'execve',
    process,
    ...resultFields(0),
    ['fs.path.name', 'unknown'],
    ['fs.path.nameraw', 'unknown'],
    argument('filename', 'unknown'),
  );
  return true;
};

/** Runs a program from anonymous memory, of which there is no path. */
export const execFromMemory = (
  context: Context,
  process: Known,
  name: string,
  argv: readonly string[],
  env: readonly string[],
): void => {
  const fd = call(context, process, 'memfd_create', [name, 0]);
  emit(
    context,
    'memfd_create',
    process,
    ...resultFields(fd),
    ['fd.num', 'untold'],
    ...MEMORY_FILE,
    argument('name', 'untold'),
    argument('flags', is('0')),
  );
  const written = call(context, process, 'write', [fd, '\x7fELF', 4]);
  emit(
    context,
    'write',
    process,
    ...resultFields(written),
    ['fd.num', 'untold'],
    ...MEMORY_FILE,
    intArgument('fd', fd),
    argument('count', is('4')),
  );
  process.fds.set(fd, { path: '', type: 'm' });
  const result = call(context, process, 'execveat', [fd, '', argv, env, 0x1000]);
  if (result < 0) throw new Error(`a program in memory was not run: ${result}`);
  delete process.thread;
  process.fromMemory = true;
  process.hasRing = false;
  process.exepath = `memfd:${name}`;
  process.name = commOf(`memfd:${name}`);
  process.argv = keptArgv(argv);
  process.env = env;
  process.isSeen = true;
  for (const open of process.fds.keys()) if (!process.task.fds.includes(open)) process.fds.delete(open);
  emit(
    context,
    'execve',
    process,
    ...resultFields(0),
    ['fs.path.name', 'unknown'],
    ['fs.path.nameraw', 'unknown'],
    argument('filename', 'unknown'),
  );
};

const MEMORY_FILE: readonly Field[] = ['fd.name', 'fd.directory', 'fd.filename', 'fd.typechar', 'fd.type'].map(
  (name) => [name, 'untold'],
);

/** Forks; returns the child. A sibling has its maker's parent. */
export const fork = (context: Context, process: Known, kind: 'fork' | 'vfork' | 'clone', sibling = false): Known => {
  const siblings = kind === 'clone' && sibling && process.parent !== undefined;
  const result = call(context, process, kind, siblings ? [CLONE_PARENT] : []);
  const task = context.host.task(result);
  if (task === undefined) throw new Error(`${kind} made no process`);
  const parent = siblings ? process.parent : process;
  const flags: Field[] = kind === 'clone' ? [intArgument('flags', siblings ? CLONE_PARENT : 0)] : [];
  const child: Known = { ...process, task, pid: result, vpid: result, parent, fds: new Map(process.fds) };
  delete child.thread;
  context.living.push(child);
  emit(context, kind, process, ...resultFields(result), ...flags);
  emit(context, kind, child, ...resultFields(0), ...flags);
  return child;
};

/** Starts a second thread, which shares everything with the first. */
export const startThread = (context: Context, process: Known): void => {
  const result = call(context, process, 'clone', [CLONE_THREAD]);
  const made = context.host.task(result);
  if (made !== undefined) process.thread = made;
  const flags = intArgument('flags', CLONE_THREAD);
  emit(context, 'clone', process, ...resultFields(result), flags);
  emit(context, 'clone', process, ...resultFields(0), flags);
};

/** Notes that a process is gone; its children are the first process's from then on. */
export const end = (context: Context, process: Known): void => {
  const { living, init } = context;
  if (!living.includes(process)) return;
  living.splice(living.indexOf(process), 1);
  emit(context, 'procexit', process, argument('status', 'unknown'));
  for (const other of living) if (other.parent === process) other.parent = init;
};

/** Ends a process by its own call. */
export const exit = (context: Context, process: Known): void => {
  context.story.push(`${process.pid} ${process.name}: exit_group`);
  context.host.call(process.task, 'exit_group', [0]);
  end(context, process);
};

/** Waits for a child that has ended, so that it is gone for good. */
export const wait = (context: Context, process: Known, child: Known): void => {
  const result = call(context, process, 'wait4', [child.pid, null, 1, null]);
  emit(context, 'wait4', process, ...resultFields(result), intArgument('pid', child.pid), intArgument('options', 1));
};

/** Sends a signal, which may end its target. */
export const kill = (context: Context, process: Known, target: Known, signal: number, name: string): void => {
  const result = call(context, process, 'kill', [target.pid, signal]);
  emit(context, 'kill', process, ...resultFields(result), argument('sig', is(name)), intArgument('pid', target.pid));
  if (!target.task.alive) end(context, target);
};

/** Changes who a process is, as far as it may; the raw call changes one thread only, so that processes with two are passed over. */
export const setId = (context: Context, process: Known, kind: 'setuid' | 'setgid', id: number): void => {
  if (process.thread?.alive) return;
  const result = call(context, process, kind, [id]);
  if (result === 0 && kind === 'setuid') process.uid = id;
  if (result === 0 && kind === 'setgid') process.gid = id;
  emit(context, kind, process, ...resultFields(result), intArgument(kind === 'setuid' ? 'uid' : 'gid', id));
};

/** PR_SET_NAME: the name that rules see stays as of exec. */
export const rename = (context: Context, process: Known, name: string): void => {
  const result = call(context, process, 'prctl', [15, name]);
  emit(context, 'prctl', process, ...resultFields(result));
};

/** Moves a process to another cgroup; that is no event. */
export const moveToCgroup = (context: Context, process: Known, cgroup: string): void => {
  context.host.moveToCgroup(process.task, cgroup);
  process.cgroup = cgroup;
  context.story.push(`${process.pid} ${process.name}: moved to ${cgroup}`);
};
