import type { Alert } from '../../../alerts/index.ts';

/** Fields whose values are pids. */
const PID_FIELDS = ['evt.arg[pid]', 'proc.pid', 'proc.ppid', 'thread.tid'];

/** An alert without what is another each time: pids, times, and the names of its kernel and number in the log. */
export const comparable = (alert: Alert) => {
  const { id: _id, seq: _seq, time: _time, kernel: _kernel, process, ...rest } = alert;
  let { output } = alert;
  const fields = { ...alert.fields };
  for (const name of PID_FIELDS) {
    if (!(name in fields)) continue;
    output = output.replace(` ${fields[name]} `, ' <pid> ');
    fields[name] = '<pid>';
  }
  const { pid: _pid, start: _start, ancestors, ...known } = process;
  return { ...rest, output, fields, process: { ...known, ancestors: ancestors.map(({ pid: _, ...each }) => each) } };
};
