import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';

/** Exit codes of shells for commands that can't be started (POSIX, 2.8.2). */
export const NOT_EXECUTABLE = 126;
export const NOT_FOUND = 127;
/** A command that a signal ended has this plus the signal's number. */
const SIGNALLED = 128;

/** Signals that are passed on to the command. */
const FORWARDED = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
/** Those that a terminal sends to all its processes, the command included. */
const FROM_TERMINAL = ['SIGINT', 'SIGQUIT'] as const;

/** Joins the cgroup whose folder is the first argument and becomes the command; says so on descriptor 3 where it can't join. */
const SCRIPT = 'echo $$ > "$0/cgroup.procs" || { echo failed >&3; exit 1; }; exec "$@" 3>&-';

const found = (path: string): number => {
  try {
    if (statSync(path).isDirectory()) return NOT_EXECUTABLE;
    accessSync(path, constants.X_OK);
    return 0;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? NOT_FOUND : NOT_EXECUTABLE;
  }
};

/** 0 where a command can be started, else the exit code of a shell that can't: 126 or 127. */
export const commandProblem = (command: string, path = process.env.PATH ?? ''): number => {
  if (command.includes('/')) return found(command);
  const results = path.split(delimiter).map((folder) => found(join(folder || '.', command)));
  return results.includes(0) ? 0 : results.includes(NOT_EXECUTABLE) ? NOT_EXECUTABLE : NOT_FOUND;
};

/** A command that runs in a cgroup, with this process's stdin, stdout and stderr. */
export interface Command {
  readonly pid: number;
  /** Its exit code, or 128 and the number of the signal that ended it. @throws Error where it could not join the cgroup */
  readonly ended: Promise<number>;
}

/** Whether a terminal sends signals to this process: it has sent them to the command, too. */
const hasTerminal = (): boolean =>
  process.stdin.isTTY === true || process.stdout.isTTY === true || process.stderr.isTTY === true;

const forwardSignals = (child: ChildProcess): (() => void) => {
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  const leave = (): void => undefined;
  const listeners: [NodeJS.Signals, (signal: NodeJS.Signals) => void][] = [
    ...FORWARDED.map((signal): [NodeJS.Signals, typeof pass] => [signal, pass]),
    ...FROM_TERMINAL.map((signal): [NodeJS.Signals, typeof pass] => [signal, hasTerminal() ? leave : pass]),
  ];
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
};

/** Starts a command in a cgroup by its folder, by way of a shell that joins it first. Signals to this process are passed on until it ends. */
export const startCommand = (folder: string, command: readonly string[]): Command => {
  const child = spawn('/bin/sh', ['-c', SCRIPT, folder, ...command], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  });
  const release = forwardSignals(child);
  let said = '';
  (child.stdio[3] as Readable).setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (said !== '') reject(new Error(`the command can't join the cgroup ${folder}`));
      else resolve(signal === null ? (code ?? 0) : SIGNALLED + os.signals[signal]);
    });
  });
  return { pid: child.pid ?? 0, ended: ended.finally(release) };
};
