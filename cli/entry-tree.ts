import type { EnforcementBody } from '../agent/index.ts';
import {
  type Alert,
  escapeControl,
  happenedAt,
  inPriority,
  type LoggedTree,
  type TreeStep,
  verdictText,
} from '../alerts/index.ts';
import { attemptText } from './entry-text.ts';
import type { Output } from './output.ts';
import { count, cut } from './paint.ts';
import { shortOutput } from './process-tree.ts';

const BAR = '│  ';
const NODE = '├─ ';
const TIME_WIDTH = '00:00:00.000'.length;

type Named = LoggedTree['above'][number];

const nameOf = ({ cmdline, exe }: Named): string => escapeControl(cmdline ?? exe ?? 'unknown');

const detailOf = ({ pid, uid }: Named): string => ` pid ${pid}${uid === undefined || uid === 0 ? '' : ` uid ${uid}`}`;

/** Whether an attempt came to a denial or a kill. */
const isDone = (body: EnforcementBody): boolean =>
  'outcome' in body && (body.outcome === 'denied' || body.outcome === 'killed');

/** Prints what became of a process and of those that it started, downwards in time. */
export const printTree = ({ above, steps }: LoggedTree, output: Output): void => {
  const { paint, columns } = output;
  const blank = ' '.repeat(TIME_WIDTH);
  const room = (depth: number, used: number): number => Math.max(20, columns - TIME_WIDTH - 2 - 3 * depth - used);
  const indent = (depth: number): string => paint.dim(BAR.repeat(Math.max(0, depth)));
  const row = (time: string, rest: string): void => output.line(`${paint.dim(time)}  ${rest}`);

  const processRow = ({ depth, process, again }: TreeStep): void => {
    const detail = detailOf(process);
    const prefix = again === 'exec' ? 'now ' : again === 'branch' ? '… ' : '';
    const name = cut(`${prefix}${nameOf(process)}`, room(depth, detail.length));
    const branch = depth === 0 ? '' : NODE;
    row(
      blank,
      `${indent(depth - 1)}${paint.dim(branch)}${again === 'branch' ? paint.dim(name) : name}${paint.dim(detail)}`,
    );
  };

  const entryRow = ({ depth, entry }: TreeStep, time: string): void => {
    if (entry === undefined) return;
    const number = `#${entry.seq}`;
    if (entry.kind === 'alert') {
      const alert = entry.body as Alert;
      const verdict = verdictText(alert);
      const label = `${alert.priority}${verdict === undefined ? '' : ` [${verdict}]`}`;
      const said = `${escapeControl(alert.rule)}: ${escapeControl(shortOutput(alert.output))}`;
      const shown = cut(said, room(depth, number.length + label.length + 2));
      row(time, `${indent(depth)}${paint.dim(number)} ${inPriority(alert.priority, label, paint.colour)} ${shown}`);
      return;
    }
    const body = entry.body as EnforcementBody;
    const mark = isDone(body) ? '✗' : '○';
    const shown = cut(`${mark} ${attemptText(body)}`, room(depth, number.length + 3));
    row(time, `${indent(depth)}${paint.dim(number)} ${isDone(body) ? paint.alarm(` ${shown} `) : paint.yellow(shown)}`);
  };

  if (above.length > 0)
    output.line(paint.dim(`started by ${above.map((each) => `${nameOf(each)}[${each.pid}]`).join(' → ')}`));
  let date = '';
  let entries = 0;
  /** Processes whose date is that of the next entry. */
  let waiting: TreeStep[] = [];
  const flush = (): void => {
    for (const step of waiting) processRow(step);
    waiting = [];
  };
  for (const step of steps) {
    if (step.entry === undefined) {
      waiting.push(step);
      continue;
    }
    const iso = escapeControl(happenedAt(step.entry));
    if (iso.slice(0, 10) !== date) {
      date = iso.slice(0, 10);
      output.line(paint.bold(date));
    }
    flush();
    entries++;
    entryRow(step, iso.slice(11, 23));
  }
  flush();
  output.line(paint.dim(`${count(entries, 'entry', 'entries')}; times are UTC`));
};
