import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
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

/** Nice value of this process meanwhile, and of all that it starts: what else the machine does is not to count. */
const NICE = -15;
/** That of the whole session, within which alone nice values count where the kernel groups tasks by session (sched(7)). */
const AUTOGROUP = '/proc/self/autogroup';

const sessionNice = (): string | undefined =>
  existsSync(AUTOGROUP) ? / nice (-?\d+)/.exec(readFileSync(AUTOGROUP, 'utf8'))?.[1] : undefined;

/** Takes precedence over other processes, where that is allowed (CAP_SYS_NICE); returns what takes that back. */
const takePrecedence = (): (() => void) => {
  const [own, session] = [getPriority(), sessionNice()];
  const set = (nice: number, ofSession: string): void => {
    try {
      setPriority(nice);
      if (session !== undefined) writeFileSync(AUTOGROUP, ofSession);
    } catch {
      return;
    }
  };
  set(NICE, String(NICE));
  return () => set(own, session ?? '');
};

/** The running kernel, watched in a cgroup that the suite makes: what a call costs under Shrike and its peers. */
export const live = async (samples: number): Promise<readonly Measurement[]> => {
  const reason = missing();
  if (reason !== undefined) {
    process.stderr.write(`bench: live is left out: ${reason}\n`);
    return [];
  }
  const giveBack = takePrecedence();
  const place = makePlace();
  try {
    return [...(await costOfCalls(place, samples)), ...(await floods(place))];
  } finally {
    place.close();
    giveBack();
  }
};
