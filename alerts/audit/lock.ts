import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { lockFile } from './native.ts';

export const LOCK_FILE = 'lock';
const MODE = 0o600;
const ATTEMPTS = 5;

/** When a process started, in clock ticks since boot (proc(5), field 22 of stat); undefined where there is none. */
const startOf = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
};

/** The pid namespace of this process: pids of another mean other processes. */
const namespaceOf = (): string => {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
};

const readLock = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** Who holds a lock, as far as its content tells. */
interface Holder {
  readonly pid: number;
  /** `here`: it runs; `gone`: it doesn't, or its id is another's now; `elsewhere`: it is in another pid namespace, where ids mean nothing here. */
  readonly state: 'here' | 'gone' | 'elsewhere';
}

const holderOf = (content: string): Holder | undefined => {
  const [pid, start, namespace] = content.trim().split(' ');
  if (pid === undefined || !/^[1-9]\d*$/.test(pid)) return undefined;
  const isElsewhere = namespace !== undefined && namespace !== namespaceOf();
  const state = isElsewhere ? 'elsewhere' : startOf(Number(pid)) === start ? 'here' : 'gone';
  return { pid: Number(pid), state };
};

const inUse = (folder: string, holder: Holder | undefined): Error => {
  const where = holder?.state === 'elsewhere' ? ' of another container' : '';
  const who = holder === undefined ? 'another process' : `process ${holder.pid}${where}`;
  return new Error(`the audit log in ${folder} is in use by ${who}; stop it, or give this agent another folder`);
};

const isSameFile = (fd: number, path: string): boolean => {
  try {
    const [mine, there] = [fstatSync(fd), statSync(path)];
    return mine.ino === there.ino && mine.dev === there.dev;
  } catch {
    return false;
  }
};

const identity = (): string => `${process.pid} ${startOf(process.pid) ?? ''} ${namespaceOf()}\n`;

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

/** The lock where the system has no flock(2): that the file is there, and that its process runs. */
const lockByName = (folder: string, path: string): (() => void) => {
  const mine = identity();
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      writeFileSync(path, mine, { flag: 'wx', mode: MODE });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const content = readLock(path);
    if (content === undefined) continue;
    const holder = holderOf(content);
    if (holder?.state === 'elsewhere')
      throw new Error(
        `${inUse(folder, holder).message}; if that container is gone, remove ${path}: this file system has no locks that would tell`,
      );
    if (holder?.state === 'here') throw inUse(folder, holder);
    breakLock(path, content);
  }
  throw new Error(`the lock ${path} keeps changing hands; is another agent starting in this folder?`);
};

/**
 * Locks a folder for this process and returns how to release it; fails naming the process that has it. The lock is the kernel's (flock(2)) on the file
 * `lock`: it ends with the process, however that ends, and holds across pid namespaces. The file says who has it.
 */
export const lockFolder = (folder: string): (() => void) => {
  const path = join(folder, LOCK_FILE);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, MODE);
    const taken = lockFile(fd);
    if (taken === 'locked' && isSameFile(fd, path)) {
      ftruncateSync(fd);
      writeSync(fd, identity(), 0);
      return () => {
        if (isSameFile(fd, path)) rmSync(path, { force: true });
        closeSync(fd);
      };
    }
    const content = readLock(path) ?? '';
    closeSync(fd);
    if (taken === 'busy') throw inUse(folder, holderOf(content));
    if (taken === 'unsupported') return lockByName(folder, path);
  }
  throw new Error(`the lock ${path} keeps changing hands; is another agent starting in this folder?`);
};
