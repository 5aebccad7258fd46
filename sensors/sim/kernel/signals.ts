import { SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH } from '../uapi.ts';
import type { Task } from './tasks.ts';

/** Signals whose default effect does not end a process (signal(7)); stopping ones have no effect in the simulation. */
const HARMLESS = new Set([SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH]);

/**
 * Sends a signal to a process. One that ends it takes effect when its current call is over, or at once where it makes none:
 * the caller of this function sees to that. The first fatal one counts. The init process only gets what it asked for.
 */
export const sendSignal = (task: Task, signal: number): void => {
  if (signal === 0 || HARMLESS.has(signal) || task.isKernelThread || task.tgid === 1) return;
  if (signal !== SIGKILL && task.group.dispositions.has(signal)) return;
  task.group.fatalSignal ??= signal;
};
