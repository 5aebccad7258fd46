import { spawn } from 'node:child_process';
import { ended } from './workload.ts';

/** What a process took. */
export interface Taken {
  /** The time that went by, or what all its threads used together where that is less, on a machine that does other things too. */
  readonly seconds: number;
  /** Of processor time, all threads together. */
  readonly busySeconds: number;
  /** The most memory that it had at once (VmHWM), in megabytes of 1,000,000 bytes. */
  readonly megabytes: number;
  readonly stdout: string;
}

/** Runs in the process itself, and says at its end what it took. */
const SAY = `
import { readFileSync, writeSync } from 'node:fs';
process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  const [, kilobytes] = /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
  writeSync(3, JSON.stringify({ busySeconds: (user + system) / 1e6, megabytes: (kilobytes * 1024) / 1e6 }));
});`;

/** Runs a program of Node's to its end. @throws Error with what it said where its exit code is not 0 */
export const run = async (program: string, args: readonly string[]): Promise<Taken> => {
  const begun = performance.now();
  const child = spawn(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(SAY)}`, program, ...args],
    { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
  );
  const [, ...pipes] = child.stdio;
  const said = pipes.map((pipe) => {
    const text = { all: '' };
    pipe?.on('data', (data: Buffer) => {
      text.all += data.toString();
    });
    return text;
  });
  await ended(child);
  const elapsed = (performance.now() - begun) / 1000;
  const [stdout = '', stderr = '', taken = ''] = said.map(({ all }) => all);
  if (child.exitCode !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${child.exitCode}: ${stderr}`);
  const { busySeconds, megabytes } = JSON.parse(taken) as Pick<Taken, 'busySeconds' | 'megabytes'>;
  return { seconds: Math.min(elapsed, busySeconds), busySeconds, megabytes, stdout };
};
