import type { Alert } from '../../../alerts/index.ts';

/** Fields whose values are pids. */
const PID_FIELDS = ['evt.arg[pid]', 'proc.pid', 'proc.ppid', 'thread.tid'];

/** What several events of an alert came to, without their pids, times and numbers. */
const comparableCorrelation = ({ from: _from, to: _to, events, key, ...rest }: NonNullable<Alert['correlation']>) => ({
  ...rest,
  key: Object.fromEntries(
    Object.entries(key).map(([name, value]) => [name, PID_FIELDS.includes(name) ? '<pid>' : value]),
  ),
  events: events.map(({ number: _number, pid: _pid, time: _time, ...each }) => each),
});

/** An alert without what is another each time: pids, times, and the names of its kernel and number in the log. */
export const comparable = (alert: Alert) => {
  const { id: _id, seq: _seq, time: _time, kernel: _kernel, process, correlation, ...rest } = alert;
  let { output } = alert;
  const fields = { ...alert.fields };
  for (const name of PID_FIELDS) {
    if (!(name in fields)) continue;
    output = output.replace(` ${fields[name]} `, ' <pid> ');
    fields[name] = '<pid>';
  }
  const { pid: _pid, start: _start, ancestors, ...known } = process;
  return {
    ...rest,
    ...(correlation && { correlation: comparableCorrelation(correlation) }),
    output,
    fields,
    process: { ...known, ancestors: ancestors.map(({ pid: _, ...each }) => each) },
  };
};
