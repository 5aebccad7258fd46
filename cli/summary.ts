import type { AgentSummary } from '../agent/index.ts';
import type { Alert } from '../alerts/index.ts';
import { PRIORITIES } from '../rules/index.ts';
import { count, type Paint } from './paint.ts';
import type { Published, SessionResult } from './session.ts';

/** The last line of `shrike run --json`. */
export interface RunRecord {
  readonly type: 'summary';
  readonly kernel: string;
  readonly calls: number;
  readonly events: number;
  readonly alerts: number;
  readonly byPriority: AgentSummary['byPriority'];
  readonly byRule: Readonly<Record<string, number>>;
  readonly residualDropped: number;
  readonly denied: number;
  readonly killed: number;
  readonly lost: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
  readonly auditFolder: string;
  readonly published?: number;
  readonly pending?: number;
}

export const runRecord = ({ summary, auditFolder, nats }: SessionResult): RunRecord => ({
  type: 'summary',
  kernel: summary.kernel,
  calls: summary.calls,
  events: summary.events,
  alerts: summary.alerts,
  byPriority: summary.byPriority,
  byRule: Object.fromEntries(summary.byRule),
  residualDropped: summary.residualDropped,
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

const enforcementText = (summary: AgentSummary, alerts: readonly Alert[], enforce: boolean): string => {
  const refrained = alerts.filter(({ verdict, enforced }) => verdict !== undefined && verdict !== 'allow' && !enforced);
  const denials = refrained.filter(({ verdict }) => verdict === 'deny').length;
  const kills = refrained.length - denials;
  const would = `${count(denials, 'call')} denied and ${count(kills, 'process', 'processes')} killed`;
  if (!enforce) return refrained.length === 0 ? 'off' : `off; with --enforce: ${would}`;
  const done = `${count(summary.denied, 'call')} denied and ${count(summary.killed, 'process', 'processes')} killed`;
  return refrained.length === 0 ? done : `${done}; guards kept back ${refrained.length} more`;
};

const publishedText = ({ servers, published, pending, refused, stream }: Published): string => {
  const to = `to ${servers}${stream ? ' (JetStream)' : ''}`;
  const large = refused === 0 ? '' : `; ${refused} larger than the server takes, in the audit log only`;
  if (pending === 0) return `${count(published, 'alert')} ${to}${large}`;
  return `${count(published, 'alert')} ${to}; ${pending} not acknowledged, they wait in the audit log${large}`;
};

const lostText = ({ lost }: AgentSummary): string => {
  const total = [...lost.values()].reduce((sum, records) => sum + records, 0);
  return total === 0 ? 'none lost' : `${[...lost].map(([hook, records]) => `${records} lost at ${hook}`).join(', ')}`;
};

/** A run's end in a few lines, for people. */
export const summaryLines = (
  { summary, auditFolder, nats }: SessionResult,
  alerts: readonly Alert[],
  enforce: boolean,
  paint: Paint,
): readonly string[] => {
  const row = (label: string, text: string): string => `${paint.bold(label.padEnd(12))}${text}`;
  const priorities = summary.alerts === 0 ? '' : `: ${prioritiesText(summary)}`;
  const rules = summary.alerts === 0 ? '' : `; from ${count(summary.byRule.size, 'rule')}`;
  return [
    row(
      'events',
      `${count(summary.calls, 'call')} in ${summary.kernel}, ${count(summary.events, 'record')} to user space, ${lostText(summary)}`,
    ),
    row('alerts', `${summary.alerts}${priorities}${rules}`),
    row('enforcement', enforcementText(summary, alerts, enforce)),
    ...(nats === undefined ? [] : [row('published', publishedText(nats))]),
    row('audit log', auditFolder),
  ];
};
