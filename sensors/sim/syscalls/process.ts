import { EACCES, ECHILD, EINVAL, ELOOP, ENOENT, EPERM, ERESTARTSYS, ESRCH } from '../../../engine/maps/index.ts';
import { CAP_SYS_ADMIN } from '../kernel/credentials.ts';
import { execute } from '../kernel/exec.ts';
import type { Path } from '../kernel/mounts.ts';
import type { Task } from '../kernel/tasks.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  CLONE_FS,
  CLONE_SIGHAND,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
  WNOHANG,
} from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';

/** include/uapi/linux/sched.h */
const CLONE_NEWNS = 0x20000;

const CLONE_NEWUSER = 0x1000_0000;
/** Mount, cgroup, UTS, IPC, pid and network namespaces. */
const NEW_NAMESPACES = 0x6e02_0000;

/** New namespaces are for CAP_SYS_ADMIN, unless a new user namespace gives it. They are not simulated beyond that. */
const mayMakeNamespaces = (call: SystemCall, flags: number): boolean =>
  (flags & NEW_NAMESPACES) === 0 ||
  (flags & CLONE_NEWUSER) !== 0 ||
  call.machine.permissions.capable(call.task.cred, CAP_SYS_ADMIN);

const clone = (call: SystemCall, flags: number): number => {
  if ((flags & (CLONE_NEWNS | CLONE_FS)) === (CLONE_NEWNS | CLONE_FS)) return -EINVAL;
  if ((flags & CLONE_THREAD) !== 0 && (flags & CLONE_SIGHAND) === 0) return -EINVAL;
  if ((flags & CLONE_SIGHAND) !== 0 && (flags & CLONE_VM) === 0) return -EINVAL;
  if (!mayMakeNamespaces(call, flags)) return -EPERM;
  const recorded = call.recorded?.result;
  if (recorded !== undefined) {
    const before = call.machine.tasks.get(recorded);
    if (before) replaceTask(call, before);
  }
  call.child = call.processes.fork(call.task, flags, recorded);
  return call.child.pid;
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
    argv: call.texts(argvIndex),
    env: call.texts(argvIndex + 1),
  });
  call.executed = result === 0;
  return result;
};

const execveat: CallHandler = (call) => {
  const text = call.text(1);
  const flags = call.int(4);
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) !== 0) return -EINVAL;
  const fd = call.int(0);
  if (text === '') {
    if ((flags & AT_EMPTY_PATH) === 0) return -ENOENT;
    const path = fd === AT_FDCWD ? call.task.fs.cwd : call.anyFile(0).path;
    return exec(call, path, `/dev/fd/${fd}`, 2, true);
  }
  const path = call.find(1, 0, (flags & AT_SYMLINK_NOFOLLOW) === 0);
  if (path.dentry.inode.isLink) return -ELOOP;
  const filename = text.startsWith('/') || fd === AT_FDCWD ? text : `/dev/fd/${fd}/${text}`;
  return exec(call, path, filename, 2);
};

/** Waits for a child that has died; without one the call would go on waiting. */
const wait4: CallHandler = (call) => {
  const pid = call.int(0);
  const { leader, group } = call.task;
  const wanted = [...leader.children].filter(
    (child) => pid === -1 || (pid > 0 ? child.pid === pid : child.group.pgid === (pid === 0 ? group.pgid : -pid)),
  );
  if (wanted.length === 0) return -ECHILD;
  const recorded = call.recorded?.result;
  const zombie = wanted.find((child) => child.group.live === 0 && (recorded === undefined || child.pid === recorded));
  if (!zombie) return (call.int(2) & WNOHANG) !== 0 ? 0 : -ERESTARTSYS;
  const status = zombie.killedBy ?? (zombie.exitStatus ?? 0) << 8;
  call.data = Uint8Array.of(status & 0xff, status >> 8, 0, 0);
  const { pid: reaped } = zombie;
  call.processes.reap(zombie);
  return reaped;
};

const setsid: CallHandler = (call) => {
  const { pid } = call.task.leader;
  for (const task of call.machine.tasks.values()) if (task.group.pgid === pid) return -EPERM;
  call.task.group.sid = pid;
  call.task.group.pgid = pid;
  call.task.group.tty = undefined;
  return pid;
};

const setpgid: CallHandler = (call) => {
  const pid = call.int(0) === 0 ? call.task.tgid : call.int(0);
  const pgid = call.int(1) === 0 ? pid : call.int(1);
  if (pgid < 0) return -EINVAL;
  const target = call.processes.living(pid);
  if (!target || (target.leader !== call.task.leader && target.parent !== call.task.leader)) return -ESRCH;
  if (target.leader !== target) return -EINVAL;
  if (target.group.sid !== call.task.group.sid) return -EPERM;
  if (target !== call.task.leader && target.hasExecuted) return -EACCES;
  if (target.group.sid === target.pid) return -EPERM;
  const exists =
    pgid === pid ||
    [...call.machine.tasks.values()].some((task) => task.group.pgid === pgid && task.group.sid === call.task.group.sid);
  if (!exists) return -EPERM;
  target.group.pgid = pgid;
  return 0;
};

/** The process with a pid, 0 being the caller's own. */
const processOf = (call: SystemCall): Task | undefined =>
  call.int(0) === 0 ? call.task : call.machine.tasks.get(call.int(0));

/** include/uapi/linux/prctl.h */
const PR_SET_NAME = 15;
const PR_SET_DUMPABLE = 4;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NO_NEW_PRIVS = 38;

const prctl: CallHandler = (call) => {
  switch (call.int(0)) {
    case PR_SET_NAME:
      call.task.comm = call.text(1);
      return 0;
    case PR_SET_DUMPABLE:
    case PR_SET_PDEATHSIG:
    case PR_SET_NO_NEW_PRIVS:
      return 0;
    default:
      return call.recorded ? 0 : -EINVAL;
  }
};

/** Processes: coming, going, who is whose. */
export const processCalls: Readonly<Record<string, CallHandler>> = {
  fork: (call) => clone(call, 0),
  vfork: (call) => clone(call, CLONE_VFORK | CLONE_VM),
  clone: (call) => clone(call, call.unsigned(0)),
  clone3: (call) => clone(call, call.structure(0).flags ?? 0),
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
  unshare: (call) => (mayMakeNamespaces(call, call.unsigned(0)) ? 0 : -EPERM),
  wait4,
  getpid: (call) => call.task.tgid,
  gettid: (call) => call.task.pid,
  getppid: (call) => call.task.parent?.pid ?? 0,
  getpgrp: (call) => call.task.group.pgid,
  getpgid: (call) => processOf(call)?.group.pgid ?? -ESRCH,
  getsid: (call) => processOf(call)?.group.sid ?? -ESRCH,
  setsid,
  setpgid,
  prctl,
};
