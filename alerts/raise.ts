import { type Correlated, type EventRecord, type FieldSource, fanotifyName, type Rule } from '../rules/index.ts';
import { shortId } from '../sensors/containers/index.ts';
import { commandLine } from '../sensors/events/index.ts';
import type { ContainerAnswer, KnownProcess, Processes } from '../sensors/index.ts';
import type { Alert } from './alert.ts';
import { formatOutput, toJson } from './template.ts';
import { isoTime } from './time.ts';

/** What an alert is made of beside the event: who raises it, and the event's surroundings. */
export interface RaiseContext {
  readonly host: string;
  /** The kernel's name. */
  readonly kernel: string;
  /** SHA-256 of the rule's policy file. */
  readonly policyHash: string;
  /** Nanoseconds since the Unix epoch. */
  readonly wallTime: bigint;
  readonly processes: Processes;
  /** What is known of the container; left out where the cgroup isn't known. */
  readonly container?: ContainerAnswer | undefined;
  /** Fields whose values the alert did not wait for any longer; asked once all are read. */
  readonly pending?: () => ReadonlySet<string> | undefined;
  /** What the event and others before it came to; undefined where it stands alone. */
  readonly correlated?: Correlated | undefined;
}

type Ancestor = Alert['process']['ancestors'][number];

/** What alerts say of ancestors, which doesn't change: a process that does is another object. */
const described = new WeakMap<KnownProcess, Ancestor>();

const describe = (process: KnownProcess): Ancestor => {
  let known = described.get(process);
  if (known === undefined) {
    known = { pid: process.pid, exe: process.exepath ?? null, cmdline: commandLine(process) ?? null };
    described.set(process, known);
  }
  return known;
};

const describeContainer = (answer: ContainerAnswer | undefined): Pick<Alert, 'container'> | undefined => {
  if (answer === undefined || answer.state === 'host') return undefined;
  if (answer.state !== 'known') return { container: { id: shortId(answer.container.id) } };
  const { id, name, image, pod } = answer.facts;
  return {
    container: {
      id: shortId(id),
      name,
      ...(image && { image: image.name }),
      ...(pod && { pod: pod.name, namespace: pod.namespace }),
    },
  };
};

/** What an enforcing rule decided on this event, and whether it was carried out. */
const verdictOf = (rule: Rule, index: number, record: EventRecord): Pick<Alert, 'verdict' | 'enforced'> | undefined => {
  if (rule.action === 'alert') return undefined;
  if (!record.certain.has(index)) return { verdict: 'allow', enforced: false };
  const isDone = rule.action === 'deny' ? record.denied : record.guard === 'done';
  return { verdict: rule.action, enforced: rule.mode === 'enforce' && isDone };
};

/** What several events came to; `wallTime` turns nanoseconds since boot into those since the Unix epoch. */
const describeCorrelation = (
  correlated: Correlated | undefined,
  wallTime: (time: bigint) => bigint,
): Pick<Alert, 'correlation'> | undefined => {
  if (correlated === undefined) return undefined;
  const { kind, count, within, key, from, to, events } = correlated;
  const named = key.map(({ field: { name, argument }, value }) => [
    argument === undefined ? name : `${name}[${argument}]`,
    toJson(value),
  ]);
  return {
    correlation: {
      kind,
      count,
      within: Number(within),
      key: Object.fromEntries(named),
      from: isoTime(wallTime(from)),
      to: isoTime(wallTime(to)),
      events: events.map(({ number, time, event, pid }) => ({ number, time: isoTime(wallTime(time)), event, pid })),
    },
  };
};

/** An alert whose number is still to come. */
export type Unnumbered = Omit<Alert, 'id' | 'seq'> & { id: string; seq: number };

/** What an alert says beside the members that all have; undefined where it says no more, as most do. */
const restOf = (
  rule: Rule,
  index: number,
  record: EventRecord,
  { container, pending: asked, correlated, wallTime }: RaiseContext,
) => {
  const pending = asked?.();
  const verdict = verdictOf(rule, index, record);
  const where = describeContainer(container);
  if (verdict === undefined && where === undefined && correlated === undefined && (pending?.size ?? 0) === 0)
    return undefined;
  return {
    verdict,
    behind: {
      ...where,
      ...(pending !== undefined && pending.size > 0 && { pending: [...pending] }),
      ...describeCorrelation(correlated, (time) => wallTime + time - record.time),
    },
  };
};

/** The alert of a rule (the plan's `index`) that matched an event; its `id` and `seq` are empty. */
export const raiseAlert = (
  rule: Rule,
  index: number,
  record: EventRecord,
  fields: FieldSource,
  context: RaiseContext,
): Unnumbered => {
  const output = formatOutput(rule.output, fields, context.correlated?.step);
  const known = context.processes.get(record.pid, record.start);
  const process: Alert['process'] = {
    pid: record.pid,
    start: Number(record.start),
    exe: known?.exepath ?? null,
    cmdline: (known && commandLine(known)) ?? null,
    uid: record.uid,
    ancestors: context.processes.ancestors(record).map(describe),
  };
  const rest = restOf(rule, index, record, context);
  const { host, policyHash, kernel } = context;
  const { policy, name, priority, tags } = rule;
  const hook = record.via === undefined ? record.hook : fanotifyName(record.hook);
  const event = record.event?.type ?? record.kind;
  const time = isoTime(context.wallTime);
  const { text, fields: values, trust } = output;
  if (rest === undefined)
    return {
      v: 1,
      time,
      host,
      policy,
      policyHash,
      rule: name,
      priority,
      tags,
      hook,
      event,
      output: text,
      fields: values,
      trust,
      process,
      kernel,
      id: '',
      seq: 0,
    };
  return {
    ...{ v: 1, time, host, policy, policyHash, rule: name, priority, tags, hook, event },
    ...rest.verdict,
    ...{ output: text, fields: values, trust, process },
    ...rest.behind,
    ...{ kernel, id: '', seq: 0 },
  };
};
