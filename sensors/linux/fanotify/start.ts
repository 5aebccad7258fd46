import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';
import { decodeLine, type ResponderLine, type ResponderTask } from './line.ts';

/** Where the process's program is: beside this file once built. */
const FILES = ['responder.js', '../../../dist/sensors/linux/fanotify/responder.js'];
/** Descriptors that a process has anyway. */
const STANDARD = 3;

/** How often it is looked whether somebody has stopped the process, in milliseconds. */
const LOOK_MS = 500;

/** Whether a process is stopped by a signal or a debugger (proc_pid_stat(5)). */
const isStopped = (pid: number | undefined): boolean => {
  try {
    return /\) [Tt] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
};

/** Starts a command with descriptors of this process, as its 3, 4 and so on, and pipes before them. */
export type StartResponder = (command: string, args: readonly string[], fds: readonly number[]) => ChildProcess;

const start: StartResponder = (command, args, fds) =>
  spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe', ...fds] });

/** The process that answers; while it does not run the kernel allows everything. */
export interface Responder {
  readonly process: ChildProcess;
  /** Resolves when it watches. Rejects with what it has against that. */
  readonly ready: Promise<void>;
  /** Resolves with a sentence when it has ended. */
  readonly ended: Promise<string>;
  close(): Promise<void>;
}

export interface ResponderOptions extends Omit<ResponderTask, 'maps' | 'program'> {
  /** Maps with their descriptors in this process. */
  readonly maps: ResponderTask['maps'];
  /** The program's descriptor in this process. */
  readonly program: number;
  /** For those that put another command in front. */
  readonly start?: StartResponder | undefined;
  readonly onLine: (line: Exclude<ResponderLine, { readonly kind: 'ready' }>) => void;
}

/** Starts the process that answers for opens and execs on some mounts. @throws Error where it has not been built */
export const startResponder = ({ onLine, start: by = start, maps, program, ...task }: ResponderOptions): Responder => {
  const file = FILES.map((name) => fileURLToPath(new URL(name, import.meta.url))).find(existsSync);
  if (file === undefined) throw new Error('the process that answers for fanotify has not been built (npm run build)');
  const child = by(process.execPath, [file], [program, ...maps.map(({ fd }) => fd)]);
  let complaint = '';
  child.stderr?.on('data', (part) => {
    complaint += part;
  });
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const why = (): string =>
    /^Error: (.*)$/m.exec(complaint)?.[1] ??
    (child.signalCode === null
      ? `it ended with status ${child.exitCode}: ${complaint}`
      : `${child.signalCode} ended it`);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', () => resolve(why()));
  });
  const ready = new Promise<void>((resolve, reject) => {
    void ended.then((reason) => reject(new Error(reason)));
    if (child.stdout)
      createInterface({ input: child.stdout }).on('line', (text) => {
        const line = decodeLine(text);
        if (line.kind === 'ready') resolve();
        else onLine(line);
      });
  });
  ready.catch(() => undefined);
  /** Stopped, it would keep callers waiting, and its watchdog with it; ended, it lets them go on. */
  const look = setInterval(() => {
    if (isStopped(child.pid)) child.kill('SIGKILL');
  }, LOOK_MS);
  look.unref();
  void ended.then(() => clearInterval(look));
  child.stdin?.on('error', () => undefined);
  const given: ResponderTask = {
    ...task,
    program: STANDARD,
    maps: maps.map(({ spec: { name, type, keySize, valueSize, maxEntries } }, index) => ({
      spec: { name, type, keySize, valueSize, maxEntries },
      fd: STANDARD + 1 + index,
    })),
  };
  child.stdin?.end(serialize(given));
  return {
    process: child,
    ready,
    ended,
    async close() {
      if (isRunning()) child.kill('SIGKILL');
      await ended;
    },
  };
};
