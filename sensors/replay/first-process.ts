import type { Recording } from './recording.ts';
import { textOf } from './value.ts';

/** What a recording shows of the process that it begins with. */
export interface FirstProcess {
  readonly pid: number;
  readonly line: number;
  /** The first thing that it does is to run a program. */
  readonly executes: boolean;
  readonly uid: number;
  readonly gid: number;
  readonly cwd: string;
  /** `pts/0`. */
  readonly tty: string | undefined;
}

/** The first result of a call by a process, before anything may have changed it. */
const firstResult = (recording: Recording, pid: number, names: readonly string[]): number | undefined => {
  for (const event of recording.events) {
    if (event.pid !== pid || event.kind !== 'call' || event.result.value === undefined) continue;
    if (event.name.startsWith('set')) return undefined;
    if (names.includes(event.name)) return Number(event.result.value);
  }
  return undefined;
};

/** The working directory in which a process starts: from -y's decoration of AT_FDCWD, or from getcwd. */
const workingDirectory = (recording: Recording, pid: number): string => {
  for (const event of recording.events) {
    if (event.pid !== pid || event.kind !== 'call') continue;
    if (event.name === 'chdir' || event.name === 'fchdir') return '/';
    if (event.name === 'getcwd' && event.result.errno === undefined) return textOf(event.arguments[0]?.value) ?? '/';
    for (const { value } of event.arguments) {
      if (value.kind === 'constant' && value.name === 'AT_FDCWD' && value.decoration?.startsWith('/')) {
        return value.decoration;
      }
    }
  }
  return '/';
};

/** The terminal that a process has as its standard descriptors, `pts/0`, where -y shows one. */
const terminalOf = (recording: Recording, pid: number): string | undefined => {
  for (const event of recording.events) {
    if (event.kind !== 'call' || event.pid !== pid) continue;
    for (const { value } of event.arguments) {
      const terminal =
        value.kind === 'number' && value.value <= 2n ? /^\/dev\/(pts\/\d+)/.exec(value.decoration ?? '') : null;
      if (terminal !== null) return terminal[1];
    }
    if (event.name.startsWith('dup') || event.name === 'close') return undefined;
  }
  return undefined;
};

/** Undefined where the recording is empty. */
export const firstProcessOf = (recording: Recording): FirstProcess | undefined => {
  const [first] = recording.events;
  if (first === undefined) return undefined;
  const { pid, line } = first;
  const uid = firstResult(recording, pid, ['geteuid', 'getuid']) ?? 0;
  return {
    pid,
    line,
    executes: first.kind === 'call' && first.name.startsWith('execve'),
    uid,
    gid: firstResult(recording, pid, ['getegid', 'getgid']) ?? uid,
    cwd: workingDirectory(recording, pid),
    tty: terminalOf(recording, pid),
  };
};
