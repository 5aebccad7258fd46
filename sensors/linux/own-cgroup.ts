import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { cgroupMount, childrenOf } from './cgroups.ts';

const PREFIX = 'shrike-watch-';
const POLL_MS = 20;
/** What forks while it is moved is moved the next time. */
const RELEASE_TRIES = 100;
/** How long killed processes may take to go. */
const KILL_MS = 5_000;

/** A cgroup that this process made for one command, below the one it is in. */
export interface OwnCgroup {
  /** Its cgroup v2 path. */
  readonly path: string;
  /** Its folder. */
  readonly folder: string;
  /** Processes in it and below it; zombies are none. */
  pids(): readonly number[];
  /** Resolves when no process is left. */
  empty(signal?: AbortSignal): Promise<void>;
  /** Puts all its processes into the cgroup that it was made in; gives those that went. */
  release(): readonly number[];
  /** Kills all its processes; resolves when they are gone. @throws Error where they stay */
  kill(): Promise<void>;
  /** Removes it, which must be empty. @throws Error */
  remove(): void;
}

/** The cgroup v2 path this process is in, by the line of /proc/self/cgroup that begins with `0::` (cgroups(7)). */
export const currentCgroup = (text = readFileSync('/proc/self/cgroup', 'utf8')): string => {
  const path = /^0::(\/.*)$/m.exec(text)?.[1] ?? '/';
  return path.startsWith('/..') ? '/' : path;
};

const REMEDY =
  'run as root, or where a cgroup is delegated: systemd-run --user --scope -p Delegate=yes shrike watch -- COMMAND';

/** Makes a cgroup below the one this process is in. @throws Error where there is no cgroup v2, or where it may not */
export function createOwnCgroup(): OwnCgroup {
  const mount = cgroupMount();
  if (mount === undefined)
    throw new Error('no cgroup v2 hierarchy is mounted; `mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified` mounts one');
  const parent = currentCgroup();
  const parentFolder = parent === '/' ? mount : `${mount}${parent}`;
  removeForgotten(parentFolder);
  const name = `${PREFIX}${process.pid}`;
  const folder = `${parentFolder}/${name}`;
  try {
    mkdirSync(folder);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw new Error(`a cgroup can't be made in ${parentFolder} (${code}); ${REMEDY}`);
  }
  const pids = (): readonly number[] => pidsIn(folder);
  return {
    path: parent === '/' ? `/${name}` : `${parent}/${name}`,
    folder,
    pids,
    async empty(signal) {
      while (pids().length > 0 && signal?.aborted !== true) await delay(POLL_MS);
    },
    release() {
      const released = new Set<number>();
      for (let tries = 0, left = pids(); left.length > 0 && tries < RELEASE_TRIES; tries++, left = pids())
        for (const pid of left) if (moved(pid, parentFolder)) released.add(pid);
      return [...released];
    },
    async kill() {
      const deadline = performance.now() + KILL_MS;
      for (let left = pids(); left.length > 0; left = pids()) {
        if (performance.now() > deadline)
          throw new Error(`processes ${left.join(', ')} in cgroup ${folder} don't end, though they were killed`);
        killAll(folder, left);
        await delay(POLL_MS);
      }
    },
    remove: () => removeAll(folder),
  };
}

function pidsIn(folder: string): number[] {
  let own: number[];
  try {
    own = readFileSync(`${folder}/cgroup.procs`, 'utf8').split('\n').map(Number);
  } catch {
    return [];
  }
  const living = own.filter((pid) => pid > 0);
  return [...living, ...childrenOf(folder).flatMap((name) => pidsIn(`${folder}/${name}`))];
}

function moved(pid: number, folder: string): boolean {
  try {
    writeFileSync(`${folder}/cgroup.procs`, String(pid));
    return true;
  } catch {
    return false;
  }
}

/** cgroup.kill kills all at once, those that are being forked included (Linux 5.14). */
function killAll(folder: string, pids: readonly number[]): void {
  try {
    writeFileSync(`${folder}/cgroup.kill`, '1');
  } catch {
    for (const pid of pids) kill(pid);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function removeAll(folder: string): void {
  for (const name of childrenOf(folder)) removeAll(`${folder}/${name}`);
  rmdirSync(folder);
}

/** Removes empty cgroups of agents that were killed. */
function removeForgotten(folder: string): void {
  for (const name of childrenOf(folder)) {
    const pid = Number(name.startsWith(PREFIX) ? name.slice(PREFIX.length) : Number.NaN);
    if (!Number.isInteger(pid) || isAlive(pid)) continue;
    try {
      removeAll(`${folder}/${name}`);
    } catch {}
  }
}

function isAlive(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}`).length > 0;
  } catch {
    return false;
  }
}
