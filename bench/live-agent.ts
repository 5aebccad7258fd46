import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../policies/index.ts';
import { type Measurement, median } from './harness.ts';
import { ended, heard, type Place } from './workload.ts';

const MOST_MS = 1500;
const MOST_MB = 200;
const KB_IN_MB = 1024;

/** Shrike as people run it, watching the place's cgroup with all shipped policies. */
export interface RunningShrike {
  /** Milliseconds from its start until its programs were attached. */
  readonly startMs: number;
  /** Megabytes of memory that it holds now, and at most so far; what it shares with other processes counts in full. */
  memory(): { readonly now: number; readonly peak: number };
  stop(): Promise<void>;
}

/** Starts Shrike as a process of its own; returns when it says that its programs are attached. */
export const startShrike = async (place: Place): Promise<RunningShrike> => {
  const audit = mkdtempSync(join(place.folder, 'audit-'));
  const main = packageFolder('dist', 'cli', 'main.js');
  const start = process.hrtime.bigint();
  const options = ['--sensor', 'linux', '--scope', place.cgroup, '--json', '--audit', audit];
  const child = spawn(process.execPath, [main, 'run', ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  await heard(child, /"type":"start"/);
  const startMs = Number(process.hrtime.bigint() - start) / 1e6;
  return {
    startMs,
    memory: () => {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      const megabytes = (name: string): number =>
        Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / KB_IN_MB;
      return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') };
    },
    stop: async () => {
      child.kill('SIGINT');
      await ended(child);
    },
  };
};

/** What starting the agent takes, and the memory it needs, by what was seen of runs of it. */
export const agentRows = (
  runs: readonly { readonly startMs: number; readonly now: number; readonly peak: number }[],
): readonly Measurement[] => {
  const row = (name: string, unit: string, values: readonly number[], most: number): Measurement => {
    const middle = Number(median(values).toPrecision(4));
    const target = { most, of: 'median' } as const;
    return { suite: 'live', name, unit, median: middle, samples: values.length, target, met: middle <= most };
  };
  return [
    row(
      'the agent, from start to attached',
      'ms',
      runs.map(({ startMs }) => startMs),
      MOST_MS,
    ),
    row(
      'the agent, memory after a while of calls',
      'MB',
      runs.map(({ now }) => now),
      MOST_MB,
    ),
    row(
      'the agent, memory at most',
      'MB',
      runs.map(({ peak }) => peak),
      MOST_MB,
    ),
  ];
};
