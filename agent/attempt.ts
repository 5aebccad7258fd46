import { type Attempt, guardedOutcome, isoTime, type Outcome } from '../alerts/index.ts';
import { type EventRecord, fanotifyName, type RecordString, type Rule, tierOf } from '../rules/index.ts';
import type { Processes } from '../sensors/index.ts';

/** What became of what a rule that denies or kills wanted. */
const outcomeOf = (rule: Rule, certain: boolean, { guard, denied }: EventRecord): Outcome => {
  if (!certain) return 'not certain';
  if (rule.mode !== 'enforce') return 'would have';
  if (rule.action === 'deny' && denied) return 'denied';
  if (guard !== 'done') return guardedOutcome(guard);
  return rule.action === 'deny' ? 'denied' : 'killed';
};

/** A string of the record; null where it could not be read, undefined where there is none. */
const textOf = (record: EventRecord, name: RecordString): string | null | undefined => {
  const found = record.string(name);
  if (found === undefined || found.state === 'absent') return undefined;
  return found.state === 'unknown' ? null : found.text;
};

const argumentsOf = (record: EventRecord): Attempt['arguments'] => {
  const [file, path, path2, argv] = (['file', 'path', 'path2', 'argv'] as const).map((name) => textOf(record, name));
  const { remote, local, flags } = record;
  const end = record.event?.type === 'bind' ? local : remote;
  return {
    ...(file !== undefined && { file }),
    ...(path !== undefined && { path }),
    ...(path2 !== undefined && { path2 }),
    ...(flags !== 0 && record.via === undefined && { flags }),
    ...(argv !== undefined && { argv: argv === null ? null : argv.split('\0').slice(0, -1) }),
    ...(end !== undefined && {
      address: end.family === 'ipv6' ? `[${end.address}]:${end.port}` : `${end.address}:${end.port}`,
    }),
  };
};

export interface AttemptContext {
  readonly policyHash: string;
  readonly wallTime: bigint;
  readonly processes: Processes;
  /** Path of the process's cgroup; undefined where there is none any more. */
  readonly cgroup: string | undefined;
  readonly fields: Attempt['fields'];
}

/** The audit record of a rule (the plan's `index`) that would deny or kill on this event. */
export const attemptOf = (rule: Rule, index: number, record: EventRecord, context: AttemptContext): Attempt => {
  const { policyHash, wallTime, processes, cgroup, fields } = context;
  const hook = record.via === undefined ? record.hook : fanotifyName(record.hook);
  const outcome = outcomeOf(rule, record.certain.has(index), record);
  return {
    rule: rule.name,
    policy: rule.policy,
    policyHash,
    mode: rule.mode,
    action: rule.action === 'kill' ? 'kill' : 'deny',
    hook,
    tier: tierOf(hook) ?? null,
    event: record.event?.type ?? record.kind,
    time: isoTime(wallTime),
    pid: record.pid,
    start: Number(record.start),
    exe: processes.get(record.pid, record.start)?.exepath ?? null,
    cgroup: cgroup ?? null,
    arguments: argumentsOf(record),
    fields,
    outcome,
    ...(record.denied && { denied: true }),
  };
};
