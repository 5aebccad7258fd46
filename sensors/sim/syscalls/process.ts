import { E2BIG, EACCES, EINVAL, ENOMEM, EPERM, ESRCH } from '../../../engine/maps/index.ts';
import { execute } from '../kernel/exec.ts';
import type { Path } from '../kernel/mounts.ts';
import { NAMESPACE_FLAGS } from '../kernel/namespaces.ts';
import type { Task } from '../kernel/tasks.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  CLONE_FS,
  CLONE_PARENT,
  CLONE_SIGHAND,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
} from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';
import { refuseNamespaces } from './namespaces.ts';
import { numberFor, pidNumbered, taskNumbered } from './pid-numbers.ts';

const { mnt: CLONE_NEWNS, pid: CLONE_NEWPID, user: CLONE_NEWUSER } = NAMESPACE_FLAGS;

const clone = (call: SystemCall, flags: number): number => {
  if ((flags & (CLONE_NEWNS | CLONE_FS)) === (CLONE_NEWNS | CLONE_FS)) return -EINVAL;
  if ((flags & CLONE_THREAD) !== 0 && (flags & CLONE_SIGHAND) === 0) return -EINVAL;
  if ((flags & CLONE_SIGHAND) !== 0 && (flags & CLONE_VM) === 0) return -EINVAL;
  if ((flags & (CLONE_NEWUSER | CLONE_FS)) === (CLONE_NEWUSER | CLONE_FS)) return -EINVAL;
  const { task } = call;
  const children = task.namespaces.of.pid.pids;
  const isElsewhere = (flags & (CLONE_NEWUSER | CLONE_NEWPID)) !== 0 || children !== task.group.namespace;
  if ((flags & CLONE_THREAD) !== 0 && isElsewhere) return -EINVAL;
  if ((flags & CLONE_PARENT) !== 0 && task.group.namespace.numberOf(task.tgid) === 1 && !call.recorded) return -EINVAL;
  const refusal = refuseNamespaces(call, flags);
  if (refusal < 0) return refusal;
  if (children?.isOver === true) return -ENOMEM;
  const recorded = call.recorded?.result;
  if (recorded !== undefined) {
    const before = call.machine.tasks.get(recorded);
    if (before) replaceTask(call, before);
  }
  call.child = call.processes.fork(call.task, flags, recorded);
  return numberFor(call, call.child.pid);
};

/** The least and the most that struct clone_args takes. */
const LEAST_CLONE_ARGS = 64;
const MOST_CLONE_ARGS = 4096;
/** Bits of clone's flags that are no flags of clone3: the signal, and CLONE_DETACHED. */
const NO_CLONE3_FLAGS = 0x40_007f;
const CLONE_INTO_CGROUP = 2 ** 33;

const clone3: CallHandler = (call) => {
  if (call.raw(1) !== undefined && !call.recorded) {
    if (call.number(1) > MOST_CLONE_ARGS) return -E2BIG;
    if (call.number(1) < LEAST_CLONE_ARGS) return -EINVAL;
  }
  const flags = call.structure(0).flags ?? 0;
  if (!call.recorded && (flags >= 2 * CLONE_INTO_CGROUP || (flags & NO_CLONE3_FLAGS) !== 0)) return -EINVAL;
  return clone(call, flags >>> 0);
};

/** A recording gives out a pid again: whoever had it is gone. */
const replaceTask = (call: SystemCall, before: Task): void => {
  if (before.alive) call.processes.exitGroup(before, { status: 0 });
  if (call.machine.tasks.get(before.pid) === before) call.processes.reap(before);
};

const exec = (call: SystemCall, path: Path, filename: string, argvIndex: number, commFromFile = false): number => {
  const result = execute(call.machine, call.processes, call.task, {
    path,
    filename,
    commFromFile,
    argv: () => call.texts(argvIndex),
    env: () => call.texts(argvIndex + 1),
  });
  call.executed = result === 0;
  return result;
};

const execveat: CallHandler = (call) => {
  const flags = call.int(4);
  const text = (flags & AT_EMPTY_PATH) === 0 ? call.path(1) : call.pathOrNothing(1);
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) !== 0) return -EINVAL;
  const fd = call.int(0);
  if (text === '') {
    const path = fd === AT_FDCWD ? call.task.fs.cwd : call.anyFile(0).path;
    return exec(call, path, `/dev/fd/${fd}`, 2, true);
  }
  const path = call.find(1, 0, (flags & AT_SYMLINK_NOFOLLOW) === 0);
  const filename = text.startsWith('/') || fd === AT_FDCWD ? text : `/dev/fd/${fd}/${text}`;
  return exec(call, path, filename, 2);
};

const setsid: CallHandler = (call) => {
  const { pid } = call.task.leader;
  for (const task of call.machine.tasks.values()) if (task.group.pgid === pid) return -EPERM;
  call.task.group.sid = pid;
  call.task.group.pgid = pid;
  call.task.group.tty = undefined;
  return numberFor(call, pid);
};

const setpgid: CallHandler = (call) => {
  if (call.int(1) < 0) return -EINVAL;
  const pid = call.int(0) === 0 ? call.task.tgid : pidNumbered(call, call.int(0));
  const pgid = call.int(1) === 0 ? pid : pidNumbered(call, call.int(1));
  const target = pid === undefined ? undefined : call.machine.tasks.get(pid);
  if (!target) return -ESRCH;
  if (target.leader !== target) return -EINVAL;
  if (target !== call.task.leader && target.parent !== call.task.leader) return -ESRCH;
  if (target.group.sid !== call.task.group.sid) return -EPERM;
  if (target !== call.task.leader && target.hasExecuted) return -EACCES;
  if (target.group.sid === target.pid) return -EPERM;
  const exists =
    pgid === pid ||
    [...call.machine.tasks.values()].some((task) => task.group.pgid === pgid && task.group.sid === call.task.group.sid);
  if (!exists || pgid === undefined) return -EPERM;
  target.group.pgid = pgid;
  return 0;
};

/** The process with a pid, 0 being the caller's own. */
const processOf = (call: SystemCall): Task | undefined =>
  call.int(0) === 0 ? call.task : taskNumbered(call, call.int(0));

/** What a process tells of itself as a number, or that there is none. */
const numberOf = (call: SystemCall, of: (process: Task) => number): number => {
  const process = processOf(call);
  return process ? numberFor(call, of(process)) : -ESRCH;
};

/** Processes: coming, going, who is whose. */
export const processCalls: Readonly<Record<string, CallHandler>> = {
  fork: (call) => clone(call, 0),
  vfork: (call) => clone(call, CLONE_VFORK | CLONE_VM),
  clone: (call) => clone(call, call.unsigned(0)),
  clone3,
  execve: (call) => exec(call, call.find(0, undefined, true), call.text(0), 1),
  execveat,
  exit: (call) => {
    call.exited = true;
    call.processes.exitThread(call.task, { status: call.int(0) });
    return 0;
  },
  exit_group: (call) => {
    call.exited = true;
    call.processes.exitGroup(call.task, { status: call.int(0) });
    return 0;
  },
  getpid: (call) => numberFor(call, call.task.tgid),
  gettid: (call) => numberFor(call, call.task.pid),
  getppid: (call) => (call.task.parent ? numberFor(call, call.task.parent.pid) : 0),
  getpgrp: (call) => numberFor(call, call.task.group.pgid),
  getpgid: (call) => numberOf(call, ({ group }) => group.pgid),
  getsid: (call) => numberOf(call, ({ group }) => group.sid),
  setsid,
  setpgid,
};
