import { readFileSync } from 'node:fs';
import { closeFd, openPid, signalPid } from './libc.ts';
import { ownPid } from './own-pid.ts';

const SIGKILL = 9;
const ESRCH = 3;
/** Nanoseconds of a tick in which /proc counts starts (USER_HZ is 100). */
const TICK = 10_000_000n;
/** Place of the start among the words behind the command of /proc/PID/stat (proc_pid_stat(5), field 22). */
const START = 19;

/** When a process started, in ticks since boot; undefined where there is none. */
const startOf = (pid: number): bigint | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return BigInt(words[START] ?? '0');
  } catch {
    return undefined;
  }
};

/**
 * Sends SIGKILL to a process by a descriptor of it, if it is the one that started then: the descriptor is opened first, and still a living process's after
 * /proc said when that one started, so that no other process of the same id can be meant. @param start nanoseconds since boot
 */
export const killProcess = (pid: number, start: bigint): 'killed' | 'gone' | 'refused' => {
  if (ownPid() !== process.pid) return 'refused';
  const fd = openPid(pid);
  if (fd < 0) return fd === -ESRCH ? 'gone' : 'refused';
  try {
    if (startOf(pid) !== start / TICK || signalPid(fd, 0) !== 0) return 'gone';
    const result = signalPid(fd, SIGKILL);
    if (result === 0) return 'killed';
    return result === -ESRCH ? 'gone' : 'refused';
  } finally {
    closeFd(fd);
  }
};
