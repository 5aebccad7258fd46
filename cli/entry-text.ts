import type { EnforcementBody } from '../agent/index.ts';
import { type Alert, type AuditEntry, escapeControl, happenedAt, inPriority, verdictText } from '../alerts/index.ts';
import { enforcementText } from './enforcement-text.ts';
import { count, type Paint } from './paint.ts';

type Body = Readonly<Record<string, unknown>>;

const KIND_WIDTH = 'enforcement'.length;
const PRIORITY_WIDTH = 'critical'.length;

const text = (value: unknown): string =>
  escapeControl(typeof value === 'string' ? value : (JSON.stringify(value) ?? 'unknown'));

const whoText = (exe: unknown, pid: unknown, uid: unknown): string =>
  `${text(exe ?? 'unknown')}[${text(pid)}]${uid === undefined ? '' : ` uid ${text(uid)}`}`;

const alertText = (alert: Alert, paint: Paint): string => {
  const { priority, rule, output, process, policy, container } = alert;
  const verdict = verdictText(alert);
  const inside = container === undefined ? '' : ` in ${text(container.name ?? container.id)}`;
  const who = process.pid === 0 ? '' : `; ${whoText(process.exe, process.pid, process.uid)}${inside}`;
  return [
    inPriority(priority, priority.padEnd(PRIORITY_WIDTH), paint.colour),
    ...(verdict === undefined ? [] : [paint.yellow(`[${verdict}]`)]),
    paint.bold(`${text(rule)}:`),
    text(output),
    paint.dim(`(${text(policy)}${who})`),
  ].join(' ');
};

/** What enforcement did or left, to whom, and by which rule, for people. */
export const attemptText = (body: EnforcementBody): string => {
  if (!('outcome' in body)) return enforcementText(body) ?? '';
  const { outcome, denied, rule, policy, mode, event, exe, pid } = body;
  const { file, path, path2, address, argv } = body.arguments;
  const isDone = outcome === 'killed' || (outcome === 'denied' && denied === true);
  const done = isDone ? outcome : `${denied === true ? 'denied, but not killed' : 'left alone'}: ${outcome}`;
  const named = file ?? path;
  const asked = [named, path2, address, named === undefined ? argv?.join(' ') : undefined]
    .filter((each) => each !== undefined && each !== null)
    .map(text);
  return `${[done, whoText(exe, pid, undefined), event, ...asked].join(' ')}, by the rule "${text(rule)}" of ${text(policy)} (${mode})`;
};

/** Members and their values, for records whose members tell what they are. */
const membersText = (body: Body): string =>
  Object.entries(body)
    .map(([name, value]) => `${text(name)} ${text(value)}`)
    .join(', ');

const policyText = ({ name, hash, mode, rules, ended, rotated }: Body): string => {
  if (typeof rotated === 'object' && rotated !== null)
    return `the log's key was changed: ${membersText(rotated as Body)}`;
  return ended === true
    ? `${text(name)} ended, sha256 ${text(hash)}`
    : `${text(name)}: ${text(mode)}, ${count(Number(rules), 'rule')}, sha256 ${text(hash)}`;
};

const startText = ({ host, kernel, enforce }: Body): string =>
  `the agent started on ${text(host)}, kernel ${text(kernel)}, enforcement ${enforce === true ? 'on' : 'off'}`;

const stopText = ({ events, alerts }: Body): string =>
  `the agent stopped after ${count(Number(events), 'event')} and ${count(Number(alerts), 'alert')}`;

const shedText = (body: Body): string => {
  const { segment, from, to, reason, first, last, limit, rule, cgroup, records } = body;
  if (segment !== undefined)
    return `${text(segment)} was removed by its ${text(reason)}: entries ${text(from)} to ${text(to)}, ${text(first)} to ${text(last)}`;
  if (limit !== undefined)
    return `${count(Number(records), 'match', 'matches')} of ${text(rule)} held back in ${text(cgroup)} by ${limit === 'rule' ? 'its own limit' : '--rate-limit'}`;
  return membersText(body);
};

const lossText = (body: Body): string => {
  const { hook, ring, records, received, missed, missing, after, unsealed, from, reason } = body;
  if (unsealed === true) return `entries from ${text(from)} on are not signed: ${text(reason)}`;
  if (missed !== undefined) return `${count(Number(missed), 'run')} left out by the kernel at ${text(hook)}`;
  if (hook !== undefined && records !== undefined)
    return `${count(Number(records), 'record')} lost at ${text(hook)}, ring ${text(ring)}; ${text(received)} were received`;
  if (missing !== undefined)
    return `${count(Number(missing), 'committed entry', 'committed entries')} gone after entry ${text(after)}`;
  return membersText(body);
};

/** What an entry says, in one line. */
export const entryText = (entry: AuditEntry, paint: Paint): string => {
  const body = entry.body as Body;
  switch (entry.kind) {
    case 'alert':
      return alertText(entry.body as Alert, paint);
    case 'enforcement':
      return paint.yellow(attemptText(entry.body as EnforcementBody));
    case 'policy':
      return policyText(body);
    case 'start':
      return startText(body);
    case 'stop':
      return stopText(body);
    case 'shed':
      return paint.yellow(shedText(body));
    case 'loss':
      return paint.red(lossText(body));
  }
};

/** When an entry happened, in milliseconds, UTC: `2026-01-02T03:04:05.678Z`, as --since takes it. */
export const timeText = (iso: string): string => `${escapeControl(iso).slice(0, 23)}Z`;

/** An entry as people read it: number, time, kind and what. */
export const entryLine = (entry: AuditEntry, paint: Paint): string =>
  [
    paint.dim(`#${entry.seq}`.padEnd(4)),
    paint.dim(timeText(happenedAt(entry))),
    entry.kind.padEnd(KIND_WIDTH),
    entryText(entry, paint),
  ].join('  ');
