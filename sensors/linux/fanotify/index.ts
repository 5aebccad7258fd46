import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';
import type { ResponderLine, ResponderTask } from './responder.ts';

export { fanotifyRules } from './decide.ts';
export type { ResponderLine, ResponderTask } from './responder.ts';

/** Where the process's program is: beside this file once built. */
const FILES = ['responder.js', '../../../dist/sensors/linux/fanotify/responder.js'];

/** The command that starts the process which answers for opens and execs on some mounts or files. @throws Error where it has not been built */
export const responderCommand = (task: ResponderTask): readonly [command: string, args: readonly string[]] => {
  const file = FILES.map((name) => fileURLToPath(new URL(name, import.meta.url))).find(existsSync);
  if (file === undefined) throw new Error('the process that answers for fanotify has not been built (npm run build)');
  return [process.execPath, [file, serialize(task).toString('base64')]];
};

/** The process that answers; while it does not run the kernel allows everything. */
export interface Responder {
  readonly process: ChildProcess;
  /** Resolves when it watches. Rejects with what it has against that. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** Starts that process. @param start spawns a command, for those that put another in front */
export const startResponder = (
  task: ResponderTask,
  onLine: (line: ResponderLine & { readonly kind: 'denied' | 'late' }) => void,
  start: (command: string, args: readonly string[]) => ChildProcess = (command, args) =>
    spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'] }),
): Responder => {
  const child = start(...responderCommand(task));
  let complaint = '';
  child.stderr?.on('data', (part) => {
    complaint += part;
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ready = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => reject(new Error(/^Error: (.*)$/m.exec(complaint)?.[1] ?? `it has ended: ${complaint}`)));
    if (child.stdout)
      createInterface({ input: child.stdout }).on('line', (text) => {
        const line = JSON.parse(text) as ResponderLine;
        if (line.kind === 'ready') resolve();
        else onLine(line);
      });
  });
  ready.catch(() => undefined);
  return {
    process: child,
    ready,
    async close() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
};
