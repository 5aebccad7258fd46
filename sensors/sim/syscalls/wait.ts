import { ECHILD, EFAULT, EINVAL, ERESTARTSYS, ESRCH } from '../../../engine/maps/index.ts';
import type { Task } from '../kernel/tasks.ts';
import { SIGCHLD, WNOHANG } from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';
import { numberFor, pidNumbered } from './pid-numbers.ts';

/** include/uapi/linux/wait.h */
const WUNTRACED = 2;
const WEXITED = 4;
const WCONTINUED = 8;
const WNOWAIT = 0x0100_0000;
/** __WNOTHREAD, __WALL, __WCLONE */
const CLONE_OPTIONS = 0xe000_0000;
const WCLONE = 0x8000_0000;
const WALL = 0x4000_0000;

const P_ALL = 0;
const P_PID = 1;
const P_PGID = 2;

/** INT_MIN has no positive counterpart. */
const LEAST = -0x8000_0000;

type Wanted = (child: Task) => boolean;

/** Which child to wait for, as wait4's pid says it. */
const wantedBy = (call: SystemCall, pid: number): Wanted => {
  if (pid === -1) return () => true;
  if (pid > 0) return (child) => child.pid === pidNumbered(call, pid);
  return wantedByGroup(call, -pid);
};

/** 0 stands for the caller's own group. */
const wantedByGroup = (call: SystemCall, number: number): Wanted => {
  const pgid = number === 0 ? call.task.group.pgid : pidNumbered(call, number);
  return (child) => child.group.pgid === pgid;
};

const isDead = (child: Task): boolean => child.group.live === 0;

/** Children that tell of their end by SIGCHLD, which all do in the simulation, are no "clone" children. */
const children = (call: SystemCall, wanted: Wanted, options: number): Task[] =>
  (options & (WCLONE | WALL)) >>> 0 === WCLONE ? [] : [...call.task.leader.children].filter(wanted);

const wait4: CallHandler = (call) => {
  const options = call.unsigned(2);
  if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | CLONE_OPTIONS)) !== 0) return -EINVAL;
  const pid = call.int(0);
  if (pid === LEAST) return -ESRCH;
  const own = children(call, wantedBy(call, pid), options);
  if (own.length === 0) return -ECHILD;
  const recorded = call.recorded?.result;
  const zombie = own.find((child) => isDead(child) && (recorded === undefined || child.pid === recorded));
  if (!zombie) return (options & WNOHANG) !== 0 ? 0 : -ERESTARTSYS;
  const { signal, status } = zombie.group.ending;
  call.data = Uint8Array.of(signal, status, 0, 0);
  const reaped = numberFor(call, zombie.pid);
  call.processes.reap(zombie);
  return call.isWild(1) ? -EFAULT : reaped;
};

/** si_code of SIGCHLD (include/uapi/asm-generic/siginfo.h). */
const CLD_EXITED = 1;
const CLD_KILLED = 2;
const SIGINFO_BYTES = 128;

/** What siginfo_t says of a child that ended. */
const siginfo = (call: SystemCall, child: Task): Uint8Array => {
  const bytes = new Uint8Array(SIGINFO_BYTES);
  const view = new DataView(bytes.buffer);
  const { signal, status } = child.group.ending;
  view.setInt32(0, SIGCHLD, true);
  view.setInt32(8, signal === 0 ? CLD_EXITED : CLD_KILLED, true);
  view.setInt32(16, numberFor(call, child.pid), true);
  view.setInt32(20, child.uid, true);
  view.setInt32(24, signal === 0 ? status : signal, true);
  return bytes;
};

const wantedById = (call: SystemCall, type: number, id: number): Wanted | undefined => {
  if (type === P_ALL) return wantedBy(call, -1);
  if (type === P_PID && id > 0) return wantedBy(call, id);
  if (type === P_PGID && id >= 0) return wantedByGroup(call, id);
  return undefined;
};

const doWaitid = (call: SystemCall): number => {
  const options = call.unsigned(3);
  if ((options & ~(WNOHANG | WNOWAIT | WEXITED | WUNTRACED | WCONTINUED | CLONE_OPTIONS)) !== 0) return -EINVAL;
  if ((options & (WEXITED | WUNTRACED | WCONTINUED)) === 0) return -EINVAL;
  const wanted = wantedById(call, call.int(0), call.int(1));
  if (!wanted) return -EINVAL;
  const own = children(call, wanted, options);
  if (own.length === 0) return -ECHILD;
  const zombie = (options & WEXITED) === 0 ? undefined : own.find(isDead);
  if (!zombie) return (options & WNOHANG) !== 0 ? 0 : -ERESTARTSYS;
  call.data = siginfo(call, zombie);
  if ((options & WNOWAIT) === 0) call.processes.reap(zombie);
  return 0;
};

/** waitid fills in its structure whatever comes of it. */
const waitid: CallHandler = (call) => {
  if (call.recorded) return 0;
  const result = doWaitid(call);
  if (result !== -ERESTARTSYS && call.isWild(2)) return -EFAULT;
  call.data ??= new Uint8Array(SIGINFO_BYTES);
  return result;
};

/** Waiting for children. */
export const waitCalls: Readonly<Record<string, CallHandler>> = { wait4, waitid };
