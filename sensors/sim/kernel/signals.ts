import { SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH } from '../uapi.ts';
import type { Task } from './tasks.ts';

/** Signals whose default effect does not end a process (signal(7)); stopping ones have no effect in the simulation. */
const HARMLESS = new Set([SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH]);

/** Whether a process is the first of its pid namespace, which gets only signals that it catches, and from outside those that nobody can. */
const isSpared = (task: Task, signal: number, sender: Task | undefined): boolean => {
  const { namespace, dispositions } = task.group;
  if (task.tgid === 1) return true;
  if (namespace.above === undefined || namespace.numberOf(task.tgid) !== 1) return false;
  const isOutside = sender === undefined || namespace.numberOf(sender.tgid) === undefined;
  return !(isOutside && signal === SIGKILL) && !dispositions.has(signal);
};

/**
 * Sends a signal to a process. One that ends it takes effect when its current call is over, or at once where it makes none:
 * the caller of this function sees to that. The first fatal one counts. @param sender undefined for the kernel
 */
export const sendSignal = (task: Task, signal: number, sender?: Task): void => {
  if (signal === 0 || HARMLESS.has(signal) || task.isKernelThread || isSpared(task, signal, sender)) return;
  if (signal !== SIGKILL && task.group.dispositions.has(signal)) return;
  task.group.fatalSignal ??= signal;
};
