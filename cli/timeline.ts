import type { EnforcementBody } from '../agent/index.ts';
import { type Alert, escapeControl, inPriority, verdictText } from '../alerts/index.ts';
import type { ScenarioEvent } from '../sensors/index.ts';
import { elapsedText } from './elapsed.ts';
import { enforcementText } from './enforcement-text.ts';
import type { Output } from './output.ts';
import { count, cut } from './paint.ts';

/** What happened in a scenario and when, to be printed at its end. */
export interface Timeline {
  /** For a scenario's observer. */
  observe(event: ScenarioEvent): void;
  /** For the agent's `onAlert`. */
  alert(alert: Alert): void;
  /** For the agent's `onEnforcement`. */
  enforced(body: EnforcementBody): void;
  print(output: Output): void;
}

interface Entry {
  readonly time: bigint;
  /** How often it happened, one time a round, and when last. */
  times: number;
  last: bigint;
  readonly what:
    | { readonly kind: 'note'; readonly text: string }
    | { readonly kind: 'stopped'; readonly text: string }
    | { readonly kind: 'enforcement'; readonly text: string }
    | { readonly kind: 'alert'; readonly alert: Alert };
}

const TIME_WIDTH = 8;
/** Characters for an alert's priority and rule. */
const HEAD_WIDTH = 50;

/** Collects what a scenario comes to: where its parts begin, alerts, and what was denied or killed. */
export const createTimeline = (): Timeline => {
  const entries: Entry[] = [];
  let [start, now]: [bigint | undefined, bigint] = [undefined, 0n];
  /** What happened in this round of a step that is played several times, and in the one before. */
  let [round, before] = [new Map<string, Entry>(), new Map<string, Entry>()];
  const keyOf = (what: Entry['what']): string =>
    what.kind === 'alert' ? `${what.alert.rule} ${verdictText(what.alert)}` : `${what.kind} ${what.text}`;
  const add = (what: Entry['what']): void => {
    const key = keyOf(what);
    const again = before.get(key);
    const entry = again ?? { time: now, times: 0, last: now, what };
    if (again === undefined) entries.push(entry);
    entry.times++;
    entry.last = now;
    round.set(key, entry);
  };
  const alertText = (alert: Alert, output: Output): string => {
    const { paint } = output;
    const verdict = verdictText(alert);
    const label = alert.priority.padEnd(8);
    const rule = cut(escapeControl(alert.rule), HEAD_WIDTH - label.length - 1);
    const who = escapeControl(alert.process.cmdline ?? alert.process.exe ?? '');
    const head = `${label} ${rule}${verdict === undefined ? '' : ` [${verdict}]`}`;
    const room = output.columns - TIME_WIDTH - 4 - Math.max(head.length, HEAD_WIDTH) - 2;
    const tail = room < 12 ? '' : `${' '.repeat(Math.max(0, HEAD_WIDTH - head.length) + 2)}${cut(who, room)}`;
    const coloured = inPriority(alert.priority, label, paint.colour);
    return `${inPriority(alert.priority, '●', paint.colour)} ${coloured}${head.slice(label.length)}${paint.dim(tail)}`;
  };
  return {
    observe: (event) => {
      now = event.time;
      start ??= now;
      if (event.type === 'step') {
        before = (event.step.round?.index ?? 1) > 1 ? round : new Map();
        round = new Map();
      }
      if (event.type === 'step' && event.step.note !== undefined) add({ kind: 'note', text: event.step.note });
      if (event.type === 'denied')
        add({ kind: 'stopped', text: `✗ denied: ${event.outcome.by}: ${event.outcome.text}` });
      if (event.type === 'killed' && event.byPolicy) add({ kind: 'stopped', text: `✗ killed: ${event.name}` });
    },
    alert: (alert) => add({ kind: 'alert', alert }),
    enforced: (body) => {
      const text = enforcementText(body);
      if (text !== undefined) add({ kind: 'enforcement', text });
    },
    print: (output) => {
      const { paint, columns } = output;
      output.line(paint.bold('timeline'));
      for (const { time, times, last, what } of entries) {
        const at = elapsedText(time - (start ?? time)).padStart(TIME_WIDTH);
        const room = columns - TIME_WIDTH - 5;
        const text =
          what.kind === 'alert'
            ? alertText(what.alert, output)
            : what.kind === 'note'
              ? `${paint.dim('│')} ${paint.bold(cut(escapeControl(what.text), room))}`
              : what.kind === 'enforcement'
                ? `${paint.dim('│')} ${paint.yellow(cut(what.text, room))}`
                : `${paint.dim('│')} ${paint.alarm(` ${cut(escapeControl(what.text), room - 2)} `)}`;
        output.line(`${paint.dim(at)}  ${text}`);
        const until = elapsedText(last - (start ?? last));
        if (times > 1)
          output.line(
            `${' '.repeat(TIME_WIDTH)}  ${paint.dim(`│   and ${count(times - 1, 'more time')}, until ${until}`)}`,
          );
      }
    },
  };
};
