import type { Priority } from '../rules/index.ts';
import type { Alert } from './alert.ts';
import { escapeControl } from './escape.ts';

/** Select graphic rendition codes (ECMA-48, 8.3.117). */
const PRIORITY_COLOURS: Readonly<Record<Priority, string>> = {
  emergency: '1;97;41',
  alert: '1;97;41',
  critical: '1;31',
  error: '31',
  warning: '33',
  notice: '36',
  informational: '32',
  debug: '2',
};
const VERDICT_COLOUR = '1;35';
const DIM = '2';
const BOLD = '1';
const PRIORITY_WIDTH = 'informational'.length;

/** Whether to colour what goes to a stream: a terminal, without NO_COLOR (https://no-color.org). */
export const wantsColour = (
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean => stream.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';

export interface AlertTextOptions {
  readonly colour: boolean;
  /** Whether to name the host; default false. */
  readonly host?: boolean;
}

const painted = (code: string, text: string, colour: boolean): string =>
  colour ? `\x1b[${code}m${text}\x1b[0m` : text;

/** A text in the colour of a priority. */
export const inPriority = (priority: Priority, text: string, colour: boolean): string =>
  painted(PRIORITY_COLOURS[priority], text, colour);

/** What enforcement did, in a word; undefined for a rule that only alerts. */
export const verdictText = ({ verdict, enforced }: Alert): string | undefined => {
  if (verdict === undefined || verdict === 'allow') return undefined;
  const done = verdict === 'deny' ? 'denied' : 'killed';
  return enforced === true ? done : `would be ${done}`;
};

/** An alert in one line, without newline: `12:00:00.000 critical [denied] Rule: output (policy)`. */
export const formatAlert = (alert: Alert, { colour, host }: AlertTextOptions): string => {
  const paint = (code: string, text: string) => painted(code, text, colour);
  const verdict = verdictText(alert);
  const pending = alert.pending === undefined ? '' : `; not yet known: ${alert.pending.join(', ')}`;
  const origin = (host === true ? `${alert.policy} on ${alert.host}` : alert.policy) + pending;
  return [
    paint(DIM, escapeControl(alert.time.slice(11, 23))),
    inPriority(alert.priority, alert.priority.padEnd(PRIORITY_WIDTH), colour),
    ...(verdict === undefined ? [] : [paint(VERDICT_COLOUR, `[${verdict}]`)]),
    `${paint(BOLD, `${escapeControl(alert.rule)}:`)} ${escapeControl(alert.output)}`,
    paint(DIM, `(${escapeControl(origin)})`),
  ].join(' ');
};
