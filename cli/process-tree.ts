import { type Alert, escapeControl, inPriority, verdictText } from '../alerts/index.ts';
import type { EventRecord } from '../rules/index.ts';
import { commandLine, type KnownProcess, type ProcessTable, type ScenarioEvent } from '../sensors/index.ts';
import type { Output } from './output.ts';
import { cut } from './paint.ts';

const BAR = '│  ';
const NODE = '├─ ';
const NUMBER_WIDTH = 4;

/** Prints processes as a tree that grows downwards, with what happened to each of them where it happens. */
export interface ProcessTree {
  /** For the agent's `onRecord`. */
  record(record: EventRecord, processes: ProcessTable): void;
  /** For the agent's `onAlert`. */
  alert(alert: Alert): void;
  /** For a scenario's observer: what policies did to calls and processes. */
  observe(event: ScenarioEvent): void;
  /** Prints what still waits for its place. */
  end(): void;
}

/** The output of an alert without its list of fields in parentheses, which the tree shows by itself. */
const shortOutput = (output: string): string => output.replace(/ \(\w+=.*\)$/, '');

const keyOf = (pid: number, start: bigint): string => `${pid} ${start}`;

export const createProcessTree = (output: Output): ProcessTree => {
  const { paint, columns } = output;
  const depths = new Map<string, number>();
  const latest = new Map<number, string>();
  let table: ProcessTable | undefined;
  let notes: (() => void)[] = [];
  let skipped = 0;

  const indent = (depth: number): string => paint.dim(BAR.repeat(Math.max(0, depth)));
  const room = (depth: number, used: number): number => Math.max(20, columns - 3 * depth - used);

  const titleOf = (process: KnownProcess): string => {
    const uid = process.uid === 0 ? '' : ` uid ${process.uid}`;
    const command = process.argv?.join(' ') || commandLine(process) || process.name;
    return `${escapeControl(command)}\t pid ${process.pid}${uid}`;
  };

  const node = (process: KnownProcess, depth: number, verb = ''): void => {
    const [command = '', detail = ''] = titleOf(process).split('\t');
    const branch = depth === 0 ? '' : NODE;
    const text = cut(`${verb}${command}`, room(depth, detail.length));
    output.line(`${indent(depth - 1)}${paint.dim(branch)}${text}${paint.dim(detail)}`);
  };

  /** The depth of a process, after printing it and its ancestors where they aren't yet. */
  const show = (process: KnownProcess): number => {
    const key = keyOf(process.pid, process.start);
    const known = depths.get(key);
    if (known !== undefined) return known;
    const parent = table?.get(process.parentPid, process.parentStart);
    const depth = parent === undefined ? 0 : show(parent) + 1;
    depths.set(key, depth);
    latest.set(process.pid, key);
    node(process, depth);
    return depth;
  };

  const depthOf = (pid: number): number => depths.get(latest.get(pid) ?? '') ?? 0;

  const flush = (): void => {
    for (const print of notes) print();
    notes = [];
  };

  const note = (pid: number, text: string): void => {
    notes.push(() => {
      const depth = depthOf(pid);
      output.line(`${indent(depth)}${paint.alarm(` ${cut(text, room(depth, 2))} `)}`);
    });
  };

  return {
    record: (record, processes) => {
      table = processes;
      if (record.kind !== 'exec') return;
      const process = processes.get(record.pid, record.start);
      if (process === undefined) return;
      const known = depths.get(keyOf(process.pid, process.start));
      if (known === undefined) show(process);
      else node(process, known, 'now ');
    },
    alert: (alert) => {
      const process = table?.get(alert.process.pid, BigInt(alert.process.start));
      const depth = process === undefined ? 0 : show(process);
      const number = `#${alert.seq}`.padEnd(NUMBER_WIDTH);
      const verdict = verdictText(alert);
      const label = `${alert.priority}${verdict === undefined ? '' : ` [${verdict}]`}`;
      const text = cut(
        `${escapeControl(alert.rule)}: ${escapeControl(shortOutput(alert.output))}`,
        room(depth, NUMBER_WIDTH + label.length + 2),
      );
      output.line(`${indent(depth)}${paint.dim(number)} ${inPriority(alert.priority, label, paint.colour)} ${text}`);
    },
    observe: (event) => {
      switch (event.type) {
        case 'step':
          flush();
          return;
        case 'denied':
          note(event.outcome.pid ?? 0, `✗ DENIED: ${escapeControl(event.outcome.text)} = -1 EPERM`);
          return;
        case 'killed':
          if (event.byPolicy) note(event.pid, '✗ KILLED: SIGKILL before its first instruction');
          return;
        case 'skipped':
          skipped++;
          return;
        default:
          return;
      }
    },
    end: () => {
      flush();
      if (skipped > 0)
        output.line(paint.dim(`${skipped} later steps of the scenario could not happen because of this`));
    },
  };
};
