import type { AgentSummary } from '../agent/index.ts';
import type { Alert } from '../alerts/index.ts';
import { PRIORITIES } from '../rules/index.ts';
import { count, type Paint } from './paint.ts';
import type { Published, SessionResult } from './session.ts';

/** The last line of `shrike run --json`. */
export interface RunRecord {
  readonly type: 'summary';
  readonly kernel: string;
  /** Left out with --sensor linux, which counts none. */
  readonly calls?: number;
  readonly events: number;
  readonly alerts: number;
  readonly byPriority: AgentSummary['byPriority'];
  readonly byRule: Readonly<Record<string, number>>;
  readonly residualDropped: number;
  /** Matches that raised no alert since an earlier rule did: with --rule-matching first. */
  readonly hidden: number;
  /** Matches that alerts of storms and of rules with aggregate count; left out where there are none. */
  readonly aggregated?: number;
  readonly denied: number;
  readonly killed: number;
  /** Records that found no room in a ring buffer, by hook. */
  readonly lost: Readonly<Record<string, number>>;
  /** With --sensor linux: runs of programs that the kernel left out, by hook. */
  readonly missed?: Readonly<Record<string, number>>;
  readonly heldBack?: AgentSummary['heldBack'];
  readonly processes?: number;
  readonly problems: readonly string[];
  readonly auditFolder: string;
  readonly published?: number;
  readonly pending?: number;
}

export const runRecord = ({ summary, auditFolder, nats }: SessionResult): RunRecord => ({
  type: 'summary',
  kernel: summary.kernel,
  ...(summary.sensor === 'linux'
    ? { processes: summary.processes, missed: Object.fromEntries(summary.missed), heldBack: summary.heldBack }
    : { calls: summary.calls }),
  events: summary.events,
  alerts: summary.alerts,
  byPriority: summary.byPriority,
  byRule: Object.fromEntries(summary.byRule),
  residualDropped: summary.residualDropped,
  hidden: summary.hidden,
  ...(summary.aggregated > 0 && { aggregated: summary.aggregated }),
  denied: summary.denied,
  killed: summary.killed,
  lost: Object.fromEntries(summary.lost),
  problems: summary.problems,
  auditFolder,
  ...(nats && { published: nats.published, pending: nats.pending }),
});

const prioritiesText = ({ byPriority }: AgentSummary): string =>
  PRIORITIES.flatMap((priority) =>
    byPriority[priority] === undefined ? [] : `${byPriority[priority]} ${priority}`,
  ).join(', ');

/** What enforcing rules decided and did not do, counted as alerts come. */
export interface Refrained {
  count(alert: Alert): void;
  readonly denials: number;
  readonly kills: number;
}

export const createRefrained = (): Refrained => {
  const refrained = {
    denials: 0,
    kills: 0,
    count: ({ verdict, enforced }: Alert): void => {
      if (enforced === true) return;
      if (verdict === 'deny') refrained.denials++;
      if (verdict === 'kill') refrained.kills++;
    },
  };
  return refrained;
};

const enforcementText = (summary: AgentSummary, { denials, kills }: Refrained, enforce: boolean): string => {
  const would = `${count(denials, 'call')} denied and ${count(kills, 'process', 'processes')} killed`;
  if (!enforce) return denials + kills === 0 ? 'off' : `off; with --enforce: ${would}`;
  const done = `${count(summary.denied, 'call')} denied and ${count(summary.killed, 'process', 'processes')} killed`;
  return denials + kills === 0 ? done : `${done}; guards kept back ${denials + kills} more`;
};

const publishedText = ({ servers, published, pending, refused, stream }: Published): string => {
  const to = `to ${servers}${stream ? ' (JetStream)' : ''}`;
  const large = refused === 0 ? '' : `; ${refused} larger than the server takes, in the audit log only`;
  if (pending === 0) return `${count(published, 'alert')} ${to}${large}`;
  return `${count(published, 'alert')} ${to}; ${pending} not acknowledged, they wait in the audit log${large}`;
};

const share = (part: number, whole: number): string => {
  const percent = (100 * part) / whole;
  return percent >= 0.1 ? `${percent.toFixed(1)} %` : 'less than 0.1 %';
};

/** What was lost, as shares of what there was at the same hook. */
const lostText = ({ lost, missed, rings }: AgentSummary): string => {
  const all = (hook: string): number =>
    rings.reduce((sum, each) => (each.hook === hook ? sum + each.received + each.lost : sum), 0);
  const parts = [...lost].map(
    ([hook, records]) => `${records.toLocaleString('en-US')} lost at ${hook} (${share(records, all(hook))})`,
  );
  for (const [hook, runs] of missed) parts.push(`${count(runs, 'run')} left out by the kernel at ${hook}`);
  return parts.length === 0 ? 'none lost' : parts.join(', ');
};

const seenText = (summary: AgentSummary): string =>
  summary.sensor === 'linux'
    ? `${count(summary.processes, 'new process', 'new processes')}, ${count(summary.events, 'record')} from Linux ${summary.kernel}`
    : `${count(summary.calls, 'call')} in ${summary.kernel}, ${count(summary.events, 'record')} to user space`;

const heldBackText = ({ heldBack }: AgentSummary): string => {
  const records = heldBack.reduce((sum, each) => sum + each.records, 0);
  const rules = new Set(heldBack.map(({ rule }) => rule));
  const limits = new Set(heldBack.map(({ limit }) => (limit === 'rule' ? 'their own limits' : '--rate-limit')));
  return `${count(records, 'match', 'matches')} of ${[...rules].join(', ')}, by ${[...limits].join(' and ')}`;
};

/** A run's end in a few lines, for people. @param refrained undefined where nothing could be enforced */
export const summaryLines = (
  { summary, auditFolder, nats }: SessionResult,
  refrained: Refrained | undefined,
  enforce: boolean,
  paint: Paint,
): readonly string[] => {
  const row = (label: string, text: string): string => `${paint.bold(label.padEnd(12))}${text}`;
  const priorities = summary.alerts === 0 ? '' : `: ${prioritiesText(summary)}`;
  const rules = summary.alerts === 0 ? '' : `; from ${count(summary.byRule.size, 'rule')}`;
  const hidden =
    summary.hidden === 0
      ? ''
      : `; ${count(summary.hidden, 'match', 'matches')} of later rules hidden by an earlier one's`;
  const aggregated =
    summary.aggregated === 0 ? '' : `; ${count(summary.aggregated, 'more match', 'more matches')} counted in them`;
  return [
    row('events', `${seenText(summary)}, ${lostText(summary)}`),
    row('alerts', `${summary.alerts}${priorities}${rules}${aggregated}${hidden}`),
    ...(summary.heldBack.length === 0 ? [] : [row('held back', heldBackText(summary))]),
    ...(refrained === undefined ? [] : [row('enforcement', enforcementText(summary, refrained, enforce))]),
    ...(nats === undefined ? [] : [row('published', publishedText(nats))]),
    row('audit log', auditFolder),
  ];
};
