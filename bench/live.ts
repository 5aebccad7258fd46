import { spawnSync } from 'node:child_process';
import { bpfUnavailable } from '../sensors/index.ts';
import type { Measurement } from './harness.ts';
import { costOfCalls } from './live-cost.ts';
import { floods } from './live-rings.ts';
import { makePlace } from './workload.ts';

const PROGRAMS = ['gcc', 'strace', 'bpftrace'];

/** What of the live kernel's suite this machine lacks, in a sentence; undefined where it has all. */
const missing = (): string | undefined => {
  const reason = bpfUnavailable();
  if (reason !== undefined) return reason;
  const absent = PROGRAMS.filter((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error);
  return absent.length === 0
    ? undefined
    : `${absent.join(' and ')} ${absent.length === 1 ? 'is' : 'are'} missing (node scripts/setup.mjs --bench)`;
};

/** The running kernel, watched in a cgroup that the suite makes: what a call costs under Shrike and its peers. */
export const live = async (samples: number): Promise<readonly Measurement[]> => {
  const reason = missing();
  if (reason !== undefined) {
    process.stderr.write(`bench: live is left out: ${reason}\n`);
    return [];
  }
  const place = makePlace();
  try {
    return [...(await costOfCalls(place, samples)), ...(await floods(place))];
  } finally {
    place.close();
  }
};
