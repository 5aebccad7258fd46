import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

/** A process of Node.js that says lines of JSON, and is killed. */
export interface LiveProcess {
  /** SIGKILL; resolves when it is gone and all it said has been read. */
  kill(): Promise<void>;
}

/** Starts one; it ends with the running test. @param onLine takes what it says; `undefined` for what is no JSON */
export const startProcess = (
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onLine: (said: Readonly<Record<string, unknown>>) => void,
  onError: (text: string) => void,
): LiveProcess => {
  const child: ChildProcess = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  createInterface({ input: child.stdout! }).on('line', (line) => onLine(JSON.parse(line) as Record<string, unknown>));
  child.stderr!.setEncoding('utf8').on('data', onError);
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    async kill() {
      if (child.exitCode !== null) throw new Error(`${args.slice(0, 2).join(' ')} had ended by itself`);
      child.kill('SIGKILL');
      await closed;
    },
  };
};
