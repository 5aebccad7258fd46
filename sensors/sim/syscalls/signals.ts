import { EINVAL, EIO, EPERM, ESRCH } from '../../../engine/maps/index.ts';
import { CAP_KILL, CAP_SYS_PTRACE, isWithin } from '../kernel/credentials.ts';
import { Loan } from '../kernel/loan.ts';
import { askSecurity, isAsked } from '../kernel/security.ts';
import { sendSignal } from '../kernel/signals.ts';
import { SIGINFO } from '../kernel/structs.ts';
import type { Task } from '../kernel/tasks.ts';
import {
  PTRACE_ATTACH,
  PTRACE_DETACH,
  PTRACE_KILL,
  PTRACE_SEIZE,
  PTRACE_TRACEME,
  SIGCONT,
  SIGKILL,
  SIGNALS,
  SIGSTOP,
} from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';
import { numberFor, pidNumbered, taskNumbered } from './pid-numbers.ts';

/** Whether the caller may send a signal to a process (kill(2)). */
const maySignal = (call: SystemCall, target: Task, signal: number): boolean => {
  const { cred } = call.task;
  if (call.machine.permissions.capable(cred, CAP_KILL) || target.tgid === call.task.tgid) return true;
  const sameUser = [cred.euid, cred.uid].some((uid) => uid === target.cred.uid || uid === target.cred.suid);
  return sameUser || (signal === SIGCONT && target.group.sid === call.task.group.sid);
};

/** si_code of a signal that a call sent to a process, and to a thread (include/uapi/asm-generic/siginfo.h). */
const SI_USER = 0;
const SI_TKILL = -6;

/** Asks lsm/task_kill, which may be asked about any signal, 0 too (check_kill_permission of kernel/signal.c). */
const askKill = (call: SystemCall, target: Task, signal: number, code: number): number => {
  const { machine, task } = call;
  if (!isAsked(machine, 'task_kill')) return 0;
  const loan = new Loan(machine.memory);
  const info = loan.take(SIGINFO.size);
  const { view } = machine.memory;
  view.setInt32(info + SIGINFO.signo, signal, true);
  view.setInt32(info + SIGINFO.code, code, true);
  view.setInt32(info + SIGINFO.pid, target.group.namespace.numberOf(task.tgid) ?? 0, true);
  view.setUint32(info + SIGINFO.uid, task.uid, true);
  const verdict = askSecurity(machine, 'task_kill', [target, { at: info }, signal, 0]);
  loan.end();
  return verdict;
};

/** Delivers; what it ends goes once the call is over. A recording says by itself how everybody ends. */
const deliver = (call: SystemCall, target: Task, signal: number, code = SI_USER): number => {
  if (signal < 0 || signal > SIGNALS) return -EINVAL;
  if (!maySignal(call, target, signal)) return -EPERM;
  const verdict = askKill(call, target, signal, code);
  if (verdict < 0) return verdict;
  if (call.recorded) return 0;
  sendSignal(target, signal, call.task);
  call.signalled ??= [];
  call.signalled.push(target);
  return 0;
};

/** To the processes of a group: 0 if any could be signalled, else why the last one couldn't (__kill_pgrp_info of kernel/signal.c). */
const deliverToGroup = (call: SystemCall, pgid: number, signal: number): number => {
  let result = -ESRCH;
  for (const target of processes(call)) {
    if (target.group.pgid !== pgid) continue;
    const outcome = deliver(call, target, signal);
    if (result !== 0) result = outcome;
  }
  return result;
};

/** To all but the caller's own process and init; that some may not be signalled is no error (kill_something_info of kernel/signal.c). */
const deliverToAll = (call: SystemCall, signal: number): number => {
  const targets = processes(call).filter((task) => numberFor(call, task.tgid) > 1 && task.tgid !== call.task.tgid);
  let result = targets.length > 0 ? 0 : -ESRCH;
  for (const target of targets) {
    const outcome = deliver(call, target, signal);
    if (outcome !== -EPERM) result = outcome;
  }
  return result;
};

/** The processes that the caller's pid namespace sees. */
const processes = (call: SystemCall): Task[] =>
  [...call.machine.tasks.values()].filter((task) => task.leader === task && numberFor(call, task.pid) > 0);

/** Stands for no process group: its negation is no number of an int. */
const INT_MIN = -0x8000_0000;

const kill: CallHandler = (call) => {
  const pid = call.int(0);
  const signal = call.int(1);
  if (pid > 0) {
    const target = taskNumbered(call, pid);
    return target ? deliver(call, target.leader, signal) : -ESRCH;
  }
  if (pid === INT_MIN) return -ESRCH;
  if (pid === -1) return deliverToAll(call, signal);
  return deliverToGroup(call, pid === 0 ? call.task.group.pgid : (pidNumbered(call, -pid) ?? 0), signal);
};

const signalThread = (call: SystemCall, tgid: number | undefined, tid: number, signal: number): number => {
  if (tid <= 0 || (tgid !== undefined && tgid <= 0)) return -EINVAL;
  const target = taskNumbered(call, tid);
  if (!target || (tgid !== undefined && numberFor(call, target.tgid) !== tgid)) return -ESRCH;
  return deliver(call, target, signal, SI_TKILL);
};

/** Of ptrace access checks (include/linux/ptrace.h): as whom, and how much. */
export const PTRACE_MODE_ATTACH_REALCREDS = 0x12;
const PTRACE_MODE_FSCREDS = 0x08;

/** Whether the caller may look into a process: 0 or -EPERM (ptrace(2), "Ptrace access mode checking"; __ptrace_may_access of kernel/ptrace.c). */
export const mayTrace = (call: SystemCall, target: Task, mode: number): number => {
  const { cred } = call.task;
  if (target.tgid === call.task.tgid) return 0;
  const other = target.cred;
  const [uid, gid] = (mode & PTRACE_MODE_FSCREDS) !== 0 ? [cred.fsuid, cred.fsgid] : [cred.uid, cred.gid];
  const isSame =
    [other.uid, other.euid, other.suid].every((each) => each === uid) &&
    [other.gid, other.egid, other.sgid].every((each) => each === gid);
  const isClosed = target.mm?.dumpable === false || !isWithin(other.permitted, cred.permitted);
  if ((!isSame || isClosed) && !call.machine.permissions.capable(cred, CAP_SYS_PTRACE)) return -EPERM;
  return askSecurity(call.machine, 'ptrace_access_check', [target, mode]);
};

const trace = (tracer: Task, tracee: Task): number => {
  tracee.tracer = tracer;
  tracer.tracees.add(tracee);
  return 0;
};

/** PTRACE_O_MASK (include/uapi/linux/ptrace.h) */
const PTRACE_OPTIONS = 0x0030_00ff;

const ptrace: CallHandler = (call) => {
  const request = call.int(0);
  const { task } = call;
  if (request === PTRACE_TRACEME) return task.tracer || !task.parent ? -EPERM : trace(task.parent, task);
  const target = taskNumbered(call, call.int(1));
  if (!target) return -ESRCH;
  if (request === PTRACE_ATTACH || request === PTRACE_SEIZE) {
    const options = call.number(3);
    if (request === PTRACE_SEIZE && (call.number(2) !== 0 || (options & ~PTRACE_OPTIONS) !== 0)) return -EIO;
    if (target.tgid === task.tgid || target.isKernelThread) return -EPERM;
    const verdict = mayTrace(call, target, PTRACE_MODE_ATTACH_REALCREDS);
    if (verdict < 0) return verdict;
    return target.alive && !target.tracer ? trace(task, target) : -EPERM;
  }
  if (target.tracer !== task) return -ESRCH;
  if (request === PTRACE_DETACH) {
    target.tracer = undefined;
    task.tracees.delete(target);
  }
  return request === PTRACE_KILL ? deliver(call, target, SIGKILL) : 0;
};

const SIG_IGN = 1;

/** rt_sigaction(signal, action): the action's first 8 bytes are the handler; 0 the default, 1 ignoring, else caught. */
const rtSigaction: CallHandler = (call) => {
  const signal = call.int(0);
  if (signal < 1 || signal > SIGNALS) return -EINVAL;
  if (call.isNull(1)) return 0;
  if (signal === SIGKILL || signal === SIGSTOP) return -EINVAL;
  const action = call.raw(1);
  const handler =
    action instanceof Uint8Array && action.length >= 4
      ? new DataView(action.buffer, action.byteOffset).getUint32(0, true)
      : 2;
  const { dispositions } = call.task.group;
  if (handler === 0) dispositions.delete(signal);
  else dispositions.set(signal, handler === SIG_IGN ? 'ignored' : 'caught');
  return 0;
};

/** Signals and tracing. */
export const signalCalls: Readonly<Record<string, CallHandler>> = {
  kill,
  tkill: (call) => signalThread(call, undefined, call.int(0), call.int(1)),
  tgkill: (call) => signalThread(call, call.int(0), call.int(1), call.int(2)),
  rt_sigaction: rtSigaction,
  ptrace,
};
