import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from './folder.ts';

/** A path of the repository. */
export const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  readonly finished: Promise<Finished>;
}

/** The environment without what changes what the command does, with its state in a temporary folder, and with `more`. */
export const programEnvironment = (more: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('NATS_') && name !== 'SHRIKE_LOG'),
  ),
  XDG_STATE_HOME: temporaryFolder(),
  ...more,
});

/** Starts a compiled program of dist/cli in the repository, its state in a temporary folder; it ends with the running test. */
export const startProgram = (
  program: 'main' | 'start',
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Running => {
  const child = spawn(process.execPath, [at(`dist/cli/${program}.js`), ...args], {
    cwd: at('.'),
    env: programEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { process: child, finished };
};

/** The lines of `--json`. */
export const jsonLines = (stdout: string): readonly unknown[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
