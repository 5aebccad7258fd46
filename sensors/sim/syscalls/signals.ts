import { EINVAL, EPERM, ESRCH } from '../../../engine/maps/index.ts';
import { CAP_KILL, CAP_SYS_PTRACE } from '../kernel/credentials.ts';
import { sendSignal } from '../kernel/signals.ts';
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

/** Whether the caller may send a signal to a process (kill(2)). */
const maySignal = (call: SystemCall, target: Task, signal: number): boolean => {
  const { cred } = call.task;
  if (call.machine.permissions.capable(cred, CAP_KILL) || target.tgid === call.task.tgid) return true;
  const sameUser = [cred.euid, cred.uid].some((uid) => uid === target.cred.uid || uid === target.cred.suid);
  return sameUser || (signal === SIGCONT && target.group.sid === call.task.group.sid);
};

/** Delivers; what it ends goes once the call is over. A recording says by itself how everybody ends. */
const deliver = (call: SystemCall, target: Task, signal: number): number => {
  if (!maySignal(call, target, signal)) return -EPERM;
  if (call.recorded) return 0;
  sendSignal(target, signal);
  call.signalled ??= [];
  call.signalled.push(target);
  return 0;
};

/** To several processes: 0 if any could be signalled. */
const deliverToAll = (call: SystemCall, targets: readonly Task[], signal: number): number => {
  let result = -ESRCH;
  for (const target of targets) {
    const outcome = deliver(call, target, signal);
    if (outcome === 0 || result === -ESRCH) result = outcome;
    else if (result !== 0) result = outcome;
  }
  return result;
};

const processes = (call: SystemCall): Task[] => [...call.machine.tasks.values()].filter((task) => task.leader === task);

const kill: CallHandler = (call) => {
  const pid = call.int(0);
  const signal = call.int(1);
  if (signal < 0 || signal > SIGNALS) return -EINVAL;
  if (pid > 0) {
    const target = call.machine.tasks.get(pid);
    return target ? deliver(call, target.leader, signal) : -ESRCH;
  }
  if (pid === -1)
    return deliverToAll(
      call,
      processes(call).filter((task) => task.tgid !== 1 && task.tgid !== call.task.tgid),
      signal,
    );
  const pgid = pid === 0 ? call.task.group.pgid : -pid;
  return deliverToAll(
    call,
    processes(call).filter((task) => task.group.pgid === pgid),
    signal,
  );
};

const signalThread = (call: SystemCall, tgid: number | undefined, tid: number, signal: number): number => {
  if (tid <= 0 || (tgid !== undefined && tgid <= 0) || signal < 0 || signal > SIGNALS) return -EINVAL;
  const target = call.machine.tasks.get(tid);
  if (!target || (tgid !== undefined && target.tgid !== tgid)) return -ESRCH;
  return deliver(call, target, signal);
};

/** Whether the caller may trace a process (ptrace(2), "Ptrace access mode checking"). */
export const mayTrace = (call: SystemCall, target: Task): boolean => {
  const { cred } = call.task;
  const other = target.cred;
  if (call.machine.permissions.capable(cred, CAP_SYS_PTRACE)) return true;
  const sameUser = [other.uid, other.euid, other.suid].every((uid) => uid === cred.uid);
  return sameUser && [other.gid, other.egid, other.sgid].every((gid) => gid === cred.gid);
};

const trace = (tracer: Task, tracee: Task): number => {
  tracee.tracer = tracer;
  tracer.tracees.add(tracee);
  return 0;
};

const ptrace: CallHandler = (call) => {
  const request = call.int(0);
  const { task } = call;
  if (request === PTRACE_TRACEME) return task.tracer || !task.parent ? -EPERM : trace(task.parent, task);
  const target = call.machine.tasks.get(call.int(1));
  if (!target) return -ESRCH;
  if (request === PTRACE_ATTACH || request === PTRACE_SEIZE) {
    if (!target.alive || target.tgid === task.tgid || target.isKernelThread || target.tracer) return -EPERM;
    return mayTrace(call, target) ? trace(task, target) : -EPERM;
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
