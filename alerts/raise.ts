import type { Correlated, EventRecord, FieldSource, Rule } from '../rules/index.ts';
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
  readonly container?: ContainerAnswer;
  /** Fields whose values the alert did not wait for any longer. */
  readonly pending?: ReadonlySet<string>;
  /** What the event and others before it came to; undefined where it stands alone. */
  readonly correlated?: Correlated | undefined;
}

const describe = (process: KnownProcess) => ({
  pid: process.pid,
  exe: process.exepath ?? null,
  cmdline: commandLine(process) ?? null,
});

const describeContainer = (answer: ContainerAnswer | undefined): Pick<Alert, 'container'> => {
  if (answer === undefined || answer.state === 'host') return {};
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
const verdictOf = (rule: Rule, index: number, record: EventRecord): Pick<Alert, 'verdict' | 'enforced'> => {
  if (rule.action === 'alert') return {};
  if (!record.certain.has(index)) return { verdict: 'allow', enforced: false };
  const isDone = rule.action === 'deny' ? record.denied : record.guard === 'done';
  return { verdict: rule.action, enforced: rule.mode === 'enforce' && isDone };
};

/** What several events came to; `wallTime` turns nanoseconds since boot into those since the Unix epoch. */
const describeCorrelation = (
  correlated: Correlated | undefined,
  wallTime: (time: bigint) => bigint,
): Pick<Alert, 'correlation'> => {
  if (correlated === undefined) return {};
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

/** The alert of a rule (the plan's `index`) that matched an event, ready to be numbered. */
export const raiseAlert = (
  rule: Rule,
  index: number,
  record: EventRecord,
  fields: FieldSource,
  context: RaiseContext,
): Omit<Alert, 'id' | 'seq'> => {
  const { correlated } = context;
  const output = formatOutput(rule.output, fields, correlated?.step);
  const process = context.processes.get(record.pid, record.start);
  const pending = [...(context.pending ?? [])];
  return {
    v: 1,
    time: isoTime(context.wallTime),
    host: context.host,
    policy: rule.policy,
    policyHash: context.policyHash,
    rule: rule.name,
    priority: rule.priority,
    tags: rule.tags,
    hook: record.hook,
    event: record.event?.type ?? record.kind,
    ...verdictOf(rule, index, record),
    output: output.text,
    fields: output.fields,
    trust: output.trust,
    process: {
      pid: record.pid,
      start: Number(record.start),
      exe: process?.exepath ?? null,
      cmdline: (process && commandLine(process)) ?? null,
      uid: record.uid,
      ancestors: context.processes.ancestors(record).map(describe),
    },
    ...describeContainer(context.container),
    ...(pending.length > 0 && { pending }),
    ...describeCorrelation(correlated, (time) => context.wallTime + time - record.time),
    kernel: context.kernel,
  };
};
