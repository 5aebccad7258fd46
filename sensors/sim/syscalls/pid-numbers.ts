import type { Task } from '../kernel/tasks.ts';
import type { SystemCall } from './call.ts';

/** The number that a host's pid has in the caller's pid namespace; 0 where that doesn't see it (task_pid_vnr). */
export const numberFor = (call: SystemCall, pid: number): number => call.task.group.namespace.numberOf(pid) ?? 0;

/** The host's pid with a number in the caller's pid namespace; undefined where there is none. */
export const pidNumbered = (call: SystemCall, number: number): number | undefined =>
  call.task.group.namespace.pidOf(number);

/** The task with a number in the caller's pid namespace, living or not (find_task_by_vpid). */
export const taskNumbered = (call: SystemCall, number: number): Task | undefined => {
  const pid = pidNumbered(call, number);
  return pid === undefined ? undefined : call.machine.tasks.get(pid);
};
