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

/** Starts a compiled program of dist/cli in the repository, its state in a temporary folder; it ends with the running test. */
export const startProgram = (
  program: 'main' | 'start',
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Running => {
  const rest = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('NATS_') && name !== 'SHRIKE_LOG'),
  );
  const child = spawn(process.execPath, [at(`dist/cli/${program}.js`), ...args], {
    cwd: at('.'),
    env: { ...rest, XDG_STATE_HOME: temporaryFolder(), ...env },
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

/** Runs the compiled `shrike` command to its end. */
export const shrike = (...args: readonly string[]): Promise<Finished> => startProgram('main', args).finished;

/** The lines of `--json`. */
export const jsonLines = (stdout: string): readonly unknown[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
