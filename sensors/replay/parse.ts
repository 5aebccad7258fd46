import { createClock } from './clock.ts';
import { readLine, type StraceLine } from './line.ts';
import { type Source, wholeLines } from './lines.ts';
import { createPidResolver } from './pids.ts';
import type { OnProblem, RecordedEvent, Recording, RecordingProblem } from './recording.ts';
import { ScanError, scanCall } from './scan.ts';

/** Lines that a file may open with before it has to have shown that it is a log of strace's. */
const FIRST_LINES = 10;
const STRACE_LINE = 'a line of strace: name(arguments) = result, --- SIGNAL ---, or +++ exited with 0 +++';

interface NumberedLine {
  readonly number: number;
  /** False for a last line without a line feed. */
  readonly complete: boolean;
  /** What the line says, or why it can't be read. */
  readonly read: StraceLine | { readonly problem: string };
}

const excerpt = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);

const midLine = (text: string): string => `the recording ends in the middle of this line: ${excerpt(text)}`;

const read = (text: string, complete: boolean): NumberedLine['read'] => {
  if (text.includes('\0')) return { problem: `expected ${STRACE_LINE}; found binary data (a zero byte)` };
  const line = readLine(text);
  if (line !== undefined) return line;
  return { problem: complete ? `expected ${STRACE_LINE}; found ${excerpt(text)}` : midLine(text) };
};

/** Reads all lines, or says why this is no log of strace's. */
const readLines = (source: Source): readonly NumberedLine[] | RecordingProblem => {
  const lines: NumberedLine[] = [];
  let recognised = false;
  let foreign: RecordingProblem | undefined;
  for (const { number, text, complete } of wholeLines(source)) {
    const line = { number, complete, read: read(text, complete) };
    lines.push(line);
    if (recognised) continue;
    if (!('problem' in line.read)) recognised = line.read.body.kind !== 'remark';
    else if (text.includes('\0')) {
      return { line: line.number, message: 'this is a binary file; expected the text that strace -f -o FILE writes' };
    } else foreign ??= { line: line.number, message: `this is no log of strace's; ${line.read.problem}` };
    if (!recognised && lines.length >= FIRST_LINES && foreign !== undefined) return foreign;
  }
  if (recognised) return lines;
  return foreign ?? { line: 0, message: 'the recording is empty; expected the text that strace -f -o FILE writes' };
};

interface Unfinished {
  readonly line: number;
  readonly name: string;
  readonly text: string;
}

/**
 * Reads an strace log: with or without -f, with the times of -t, -tt, -ttt or -r or none, with or without the decorations of -y
 * and -yy. Calls are put together from their unfinished and resumed parts and come in the order of their completion. What can't
 * be read becomes a problem that names the line; a file that is no such log has one problem and no events.
 */
export const parseStrace = (source: Source, onProblem: OnProblem = 'skip'): Recording => {
  const lines = readLines(source);
  if (!('length' in lines)) return { events: [], problems: [lines], start: undefined };

  const events: RecordedEvent[] = [];
  const problems: RecordingProblem[] = [];
  const unfinished = new Map<number, Unfinished>();
  const abis = new Map<number, 'x86-64' | 'ia32'>();
  const running = new Set<number>();
  const clock = createClock();
  const pidOf = createPidResolver(lines.flatMap((line) => ('problem' in line.read ? [] : [line.read])));

  /** Takes one line in; what it returns is a problem's message. */
  const accept = ({ number, complete, read: line }: NumberedLine): string | undefined => {
    if ('problem' in line) return line.problem;
    if (line.body.kind === 'remark') return undefined;
    const { body } = line;
    const pid = pidOf(line);
    const at = { line: number, pid, time: clock.read(line.time) };

    const finish = (begin: number, text: string): string | undefined => {
      try {
        const { name, arguments: args, result } = scanCall(text);
        events.push({ kind: 'call', ...at, begin, abi: abis.get(pid) ?? 'x86-64', name, arguments: args, result });
        return undefined;
      } catch (error) {
        if (!(error instanceof ScanError)) throw error;
        if (!complete) return midLine(text);
        const found = text.slice(error.column - 1);
        return `expected ${error.message}; found ${found === '' ? 'the end of the line' : excerpt(found)}`;
      }
    };

    switch (body.kind) {
      case 'call':
        running.add(pid);
        return finish(number, body.text);
      case 'unfinished': {
        running.add(pid);
        const name = body.text.slice(0, body.text.indexOf('('));
        unfinished.set(pid, { line: number, name, text: body.text });
        return undefined;
      }
      case 'resumed': {
        running.add(pid);
        const start = unfinished.get(pid);
        unfinished.delete(pid);
        if (start?.name === body.name) return finish(start.line, start.text + body.text);
        const instead = start === undefined ? 'has no call under way' : `is in ${start.name} since line ${start.line}`;
        return `${body.name} resumes, but process ${pid} ${instead}: its first part is missing`;
      }
      case 'superseded': {
        const start = unfinished.get(body.by);
        unfinished.delete(body.by);
        running.delete(body.by);
        if (start !== undefined) unfinished.set(pid, start);
        events.push({ kind: 'superseded', ...at, by: body.by });
        return undefined;
      }
      case 'exited':
      case 'killed':
        running.delete(pid);
        unfinished.delete(pid);
        abis.delete(pid);
        if (body.kind === 'exited') events.push({ kind: 'exited', ...at, status: body.status });
        else events.push({ kind: 'killed', ...at, signal: body.signal });
        return undefined;
      case 'signal':
        events.push({ kind: 'signal', ...at, signal: body.signal });
        return undefined;
      case 'mode':
        abis.set(pid, body.abi);
        return undefined;
      case 'attached':
        return undefined;
    }
  };

  for (const line of lines) {
    const message = accept(line);
    if (message === undefined) continue;
    problems.push({ line: line.number, message });
    if (onProblem === 'stop') return { events, problems, start: clock.start };
  }
  const last = lines.at(-1)?.number ?? 0;
  if (running.size > 0 && problems.at(-1)?.line !== last) {
    const pids = [...running].sort((a, b) => a - b);
    const who = pids.length === 1 ? `process ${pids[0]} still runs` : `processes ${pids.join(', ')} still run`;
    problems.push({
      line: last,
      message: `the recording ends while ${who}: it was cut off here, or strace was stopped`,
    });
  }
  return { events, problems, start: clock.start };
};
