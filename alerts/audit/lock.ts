import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LOCK_FILE = 'lock';

/** When a process started, in clock ticks since boot (proc(5), field 22 of stat); undefined where there is none. */
const startOf = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
};

const readLock = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** The process that holds a lock; undefined where it is gone, also when its id has been given to another. */
const holderOf = (content: string): number | undefined => {
  const [pid, start] = content.trim().split(' ');
  return pid !== undefined && /^[1-9]\d*$/.test(pid) && startOf(Number(pid)) === start ? Number(pid) : undefined;
};

/** Takes away a lock whose process is gone, unless another process has just replaced it. */
const breakLock = (path: string, content: string): void => {
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (readLock(aside) !== content) linkSync(aside, path);
  rmSync(aside, { force: true });
};

/** Locks a folder for this process and returns how to release it; fails naming the process that has it. */
export const lockFolder = (folder: string): (() => void) => {
  const path = join(folder, LOCK_FILE);
  const mine = `${process.pid} ${startOf(process.pid) ?? ''}\n`;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(path, mine, { flag: 'wx', mode: 0o600 });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const content = readLock(path);
    if (content === undefined) continue;
    const holder = holderOf(content);
    if (holder !== undefined) {
      throw new Error(
        `the audit log in ${folder} is in use by process ${holder}; stop it, or give this agent another folder`,
      );
    }
    breakLock(path, content);
  }
  throw new Error(`the lock ${path} keeps changing hands; is another agent starting in this folder?`);
};
