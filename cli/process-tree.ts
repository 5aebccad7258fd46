import type { EnforcementBody } from '../agent/index.ts';
import { type Alert, escapeControl, inPriority, verdictText } from '../alerts/index.ts';
import { ERRNO_NAMES, type EventRecord } from '../rules/index.ts';
import {
  commandLine,
  type KnownProcess,
  type ProcessTable,
  type ScenarioEvent,
  type StepOutcome,
} from '../sensors/index.ts';
import { elapsedText } from './elapsed.ts';
import { enforcementText } from './enforcement-text.ts';
import type { Output } from './output.ts';
import { count, cut } from './paint.ts';
import { createRounds } from './rounds.ts';

const BAR = '│  ';
const NODE = '├─ ';
const NUMBER_WIDTH = 4;

/** Prints processes as a tree that grows downwards, with what happened to each of them where it happens. */
export interface ProcessTree {
  /** For the agent's `onRecord`. */
  record(record: EventRecord, processes: ProcessTable): void;
  /** For the agent's `onAlert`. */
  alert(alert: Alert): void;
  /** For the agent's `onEnforcement`. */
  enforced(body: EnforcementBody): void;
  /** For a scenario's observer: what policies did to calls and processes. */
  observe(event: ScenarioEvent): void;
  /** Prints what still waits for its place. */
  end(): void;
}

/** The output of an alert without its list of fields in parentheses, which the tree shows by itself. */
export const shortOutput = (output: string): string => output.replace(/ \(\w+=.*\)$/, '');

/** Calls that tell where a story goes: they are shown though no rule is about them. */
const TELLING: ReadonlySet<string> = new Set(
  `accept accept4 connect bind listen memfd_create chmod fchmod fchmodat unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat
  setuid setresuid setreuid ptrace mount umount2 pivot_root unshare setns init_module finit_module delete_module bpf kill`.split(
    /\s+/,
  ),
);
const WRITES = /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/;
const OPENS: ReadonlySet<string> = new Set(['open', 'openat', 'openat2', 'creat']);
/** A wait that is worth a line, in nanoseconds. */
const LONG_WAIT = 1_000_000_000;

/** Whether a call is shown; one that opens a file only where it writes, or is refused. */
const isTelling = ({ call, text, result = 0 }: StepOutcome): boolean =>
  TELLING.has(call) || (OPENS.has(call) && (result < 0 || WRITES.test(text)));

const resultText = (result: number): string => ERRNO_NAMES.get(-result) ?? String(result);

const HEADING_WIDTH = 100;

/** A line with a text in it. */
const headingLine = (text: string, width: number): string => {
  const head = `── ${cut(text, width - 6)} `;
  return `${head}${'─'.repeat(Math.max(0, width - [...head].length))}`;
};

const keyOf = (pid: number, start: bigint): string => `${pid} ${start}`;

export interface ProcessTreeOptions {
  /** Also what begins where, how much later, and calls that no rule is about. */
  readonly story?: boolean;
}

export const createProcessTree = (whole: Output, { story = false }: ProcessTreeOptions = {}): ProcessTree => {
  const { paint, columns } = whole;
  const rounds = createRounds(whole);
  const output = rounds.output;
  const depths = new Map<string, number>();
  const latest = new Map<number, string>();
  let table: ProcessTable | undefined;
  let notes: (() => void)[] = [];
  let skipped = 0;
  /** What processes did that are not in the tree yet. */
  const early = new Map<number, string[]>();

  const indent = (depth: number): string => paint.dim(BAR.repeat(Math.max(0, depth)));
  const room = (depth: number, used: number): number => Math.max(20, columns - 3 * depth - used);

  const titleOf = (process: KnownProcess): string => {
    const uid = process.uid === 0 ? '' : ` uid ${process.uid}`;
    const command = process.argv?.join(' ') || commandLine(process) || process.name;
    return `${escapeControl(command)}\t pid ${process.pid}${uid}`;
  };

  const remark = (depth: number, text: string): void => {
    output.line(`${indent(depth)}${paint.dim(`· ${cut(escapeControl(text), room(depth, 2))}`)}`);
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
    for (const text of early.get(process.pid) ?? []) remark(depth, text);
    early.delete(process.pid);
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
    enforced: (body) => {
      rounds.outcome('outcome' in body ? body.outcome : '');
      const text = story ? enforcementText(body) : undefined;
      if (text === undefined) return;
      if ('pid' in body)
        output.line(`${indent(depthOf(body.pid))}${paint.yellow(`○ ${cut(text, room(depthOf(body.pid), 2))}`)}`);
      else output.line(paint.yellow(`   ${cut(text, columns - 3)}`));
    },
    observe: (event) => {
      switch (event.type) {
        case 'step': {
          flush();
          rounds.begin(event.step);
          if (!story) return;
          const { note: heading, action } = event.step;
          if (heading !== undefined)
            output.line(paint.bold(headingLine(escapeControl(heading), Math.min(columns, HEADING_WIDTH))));
          const { round } = event.step;
          if (round?.index === 1)
            output.line(paint.dim(`   ${count(round.times, 'time')}, every ${elapsedText(BigInt(round.everyNs))}`));
          if (action.kind === 'wait' && action.ns >= LONG_WAIT)
            output.line(paint.dim(`   ${elapsedText(BigInt(action.ns))} later`));
          if (action.kind === 'agent') output.line(paint.yellow(`   the agent ${action.hangs ? 'hangs' : 'goes on'}`));
          return;
        }
        case 'call': {
          const { pid, result = 0, text } = event.outcome;
          if (!story || pid === undefined || !isTelling(event.outcome)) return;
          const told = result < 0 ? `${text} = ${resultText(result)}` : text;
          if (latest.has(pid)) remark(depthOf(pid), told);
          else early.set(pid, [...(early.get(pid) ?? []), told]);
          return;
        }
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
      rounds.end();
      if (skipped > 0)
        output.line(paint.dim(`${skipped} later steps of the scenario could not happen because of this`));
    },
  };
};
