import { type Alert, escapeControl, inPriority, verdictText } from '../alerts/index.ts';
import type { ScenarioEvent } from '../sensors/index.ts';
import type { Output } from './output.ts';
import { cut } from './paint.ts';

/** What happened in a scenario and when, to be printed at its end. */
export interface Timeline {
  /** For a scenario's observer. */
  observe(event: ScenarioEvent): void;
  /** For the agent's `onAlert`. */
  alert(alert: Alert): void;
  print(output: Output): void;
}

interface Entry {
  readonly time: bigint;
  readonly what:
    | { readonly kind: 'note'; readonly text: string }
    | { readonly kind: 'stopped'; readonly text: string }
    | { readonly kind: 'alert'; readonly alert: Alert };
}

/** Nanoseconds as people read them: `4.2 s`, `1:20`, `2:00:05`. */
export const elapsedText = (ns: bigint): string => {
  const seconds = Number(ns) / 1e9;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number: number): string => String(number).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
};

const TIME_WIDTH = 8;
/** Characters for an alert's priority and rule. */
const HEAD_WIDTH = 50;

/** Collects what a scenario comes to: where its parts begin, alerts, and what was denied or killed. */
export const createTimeline = (): Timeline => {
  const entries: Entry[] = [];
  let [start, now]: [bigint | undefined, bigint] = [undefined, 0n];
  const add = (what: Entry['what']): void => void entries.push({ time: now, what });
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
      if (event.type === 'step' && event.step.note !== undefined) add({ kind: 'note', text: event.step.note });
      if (event.type === 'denied')
        add({ kind: 'stopped', text: `✗ denied: ${event.outcome.by}: ${event.outcome.text}` });
      if (event.type === 'killed' && event.byPolicy) add({ kind: 'stopped', text: `✗ killed: ${event.name}` });
    },
    alert: (alert) => add({ kind: 'alert', alert }),
    print: (output) => {
      const { paint, columns } = output;
      output.line(paint.bold('timeline'));
      for (const { time, what } of entries) {
        const at = elapsedText(time - (start ?? time)).padStart(TIME_WIDTH);
        const room = columns - TIME_WIDTH - 5;
        const text =
          what.kind === 'alert'
            ? alertText(what.alert, output)
            : what.kind === 'note'
              ? `${paint.dim('│')} ${paint.bold(cut(escapeControl(what.text), room))}`
              : `${paint.dim('│')} ${paint.alarm(` ${cut(escapeControl(what.text), room - 2)} `)}`;
        output.line(`${paint.dim(at)}  ${text}`);
      }
    },
  };
};
