import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Sentinel, SentinelFinding } from '../../kernel.ts';
import { cgroupMount } from '../cgroups.ts';
import { currentCgroup } from '../own-cgroup.ts';
import { AFTER_CALL, comparable, FILES, isExecAsked, mountAsked, preparation, trials } from './calls.ts';
import { RESULT_BYTES, sentinelProgram } from './machine-code.ts';

const [EPERM, EBADF, EACCES] = [1, 9, 13];
/** How long a round may take on a machine that hardly moves, and how long the end, in milliseconds. */
const [ROUND_MS, END_MS] = [30_000, 2_000];
/** How often it is tried to remove the cgroup of processes that are ending, 10 ms apart. */
const REMOVE_TRIES = 100;

/** How often it is looked for results, in milliseconds. */
const POLL_MS = 2;

/** Reads results from the file that they are written to, 8 bytes each, in the order of rounds. */
const createReader = (fd: number, child: ChildProcess) => {
  let taken = 0;
  const take = (count: number): readonly number[] => {
    const bytes = Buffer.alloc(count * RESULT_BYTES);
    const length = readSync(fd, bytes, 0, bytes.length, taken * RESULT_BYTES);
    const found = Math.floor(length / RESULT_BYTES);
    return Array.from({ length: found }, (_, index) => Number(bytes.readBigInt64LE(index * RESULT_BYTES)));
  };
  /** So many results, or those that there are when the process has ended, or takes too long. */
  return async (count: number): Promise<readonly number[]> => {
    const deadline = Date.now() + ROUND_MS;
    for (;;) {
      const hasEnded = child.exitCode !== null || child.signalCode !== null;
      const results = take(count);
      if (results.length < count && !hasEnded && Date.now() < deadline) {
        await delay(POLL_MS);
        continue;
      }
      taken += results.length;
      return results;
    }
  };
};

/**
 * What the results of the two rounds say of a hook. Where there is no IPv6, there was no socket, and its hooks are asked by nobody; nor are those of execs on a
 * mount where nothing can be executed.
 */
const findingOf = (hook: string, before: number | undefined, after: number | undefined): SentinelFinding => {
  if (before === -EPERM) return { hook, proven: false, why: 'the call is refused without it, too' };
  if (hook.endsWith('6') && before === -EBADF) return { hook, proven: true };
  if (isExecAsked(hook) && before === -EACCES) return { hook, proven: true };
  if (after === undefined) return { hook, proven: false, why: 'the call could not be made' };
  if (after === -EPERM) return { hook, proven: true };
  return { hook, proven: false, why: 'its verdict had no effect: the call was made' };
};

/** Whether a cgroup is another or lies below it. */
const isBelow = (path: string, top: string): boolean => top === '/' || `${path}/`.startsWith(`${top}/`);

let count = 0;

/** A file on a mount that may be executed and is no program. @throws Error */
const makeFile = (mount: string): string => {
  const path = join(mount, `.shrike-sentinel-${process.pid}-${count}`);
  try {
    writeFileSync(path, 'sentinel', { mode: 0o700, flag: 'wx' });
  } catch (error) {
    throw new Error(`no file can be made in ${mount} (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
  return path;
};

/** A new cgroup below the scope; where that may not be, below this process's own, if it is in the scope. @throws Error */
const makeCgroup = (mount: string, scope: string): string => {
  const own = currentCgroup();
  const name = `shrike-sentinel-${process.pid}-${++count}`;
  let failed: unknown;
  for (const parent of [scope, ...(isBelow(own, scope) ? [own] : [])]) {
    const folder = `${mount}${parent === '/' ? '' : parent}/${name}`;
    try {
      mkdirSync(folder);
      return folder;
    } catch (error) {
      failed = error;
    }
  }
  const { code = '' } = failed as NodeJS.ErrnoException;
  throw new Error(`a cgroup can't be made below ${scope} (${code})`);
};

/** Ends what is left in a cgroup; what a kernel before 5.14 leaves ends by itself. */
const endAll = (folder: string): void => {
  try {
    writeFileSync(join(folder, 'cgroup.kill'), '1');
  } catch {
    // Not there, or not to be written: removing it waits for them.
  }
};

/**
 * Starts a process in a cgroup of its own below `scope`, which makes a call for each hook: once before anything is enforced, then again for `provoke`. It touches
 * files in a private folder, its own child, and ports of the loopback address that nobody listens on. Results go to a file, not a pipe: Node's pipes are sockets, and writing to
 * one is a call that may be tried. @throws Error where it can't be made
 */
export async function openSentinel(scope: string, hooks: readonly string[]): Promise<Sentinel> {
  const mount = cgroupMount();
  if (mount === undefined) throw new Error('no cgroup v2 hierarchy is mounted');
  const cgroupFolder = makeCgroup(mount, scope);
  const folder = mkdtempSync(join(tmpdir(), 'shrike-sentinel-'));
  let child: ChildProcess | undefined;
  let output: number | undefined;
  const asked = new Map<string, string>();
  const close = async (): Promise<void> => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child?.once('close', resolve));
      child.stdin?.end();
      const late = setTimeout(() => child?.kill('SIGKILL'), END_MS);
      await ended;
      clearTimeout(late);
    }
    if (output !== undefined) closeSync(output);
    output = undefined;
    rmSync(folder, { recursive: true, force: true });
    for (const path of asked.values()) rmSync(path, { force: true });
    endAll(cgroupFolder);
    for (let tries = 0; tries < REMOVE_TRIES; tries++) {
      try {
        rmdirSync(cgroupFolder);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
        await delay(10);
      }
    }
  };
  const file = join(folder, 'file');
  const arrange = (): void => {
    for (const name of ['.to', '.link', '.symlink']) rmSync(`${file}${name}`, { force: true });
    for (const name of FILES) writeFileSync(`${file}${name}`, 'sentinel', { mode: 0o600 });
  };
  try {
    arrange();
    for (const mount of new Set(hooks.flatMap((hook) => mountAsked(hook) ?? []))) asked.set(mount, makeFile(mount));
    const calls = trials(hooks, file, process.getuid?.() ?? 0, asked);
    const compared = comparable(calls);
    const program = join(folder, 'sentinel');
    writeFileSync(program, sentinelProgram(preparation(file), [compared, calls]), { mode: 0o700 });
    output = openSync(join(folder, 'results'), 'w+', 0o600);
    child = spawn('/bin/sh', ['-c', 'echo $$ > "$0/cgroup.procs" && exec "$1"', cgroupFolder, program], {
      stdio: ['pipe', output, 'ignore'],
      env: {},
      cwd: '/',
    });
    const running = child;
    running.on('error', () => undefined);
    running.stdin?.on('error', () => undefined);
    const read = createReader(output, running);
    const round = async (count: number): Promise<readonly number[]> => {
      running.stdin?.write('x');
      return read(count);
    };
    const [hello] = await read(1);
    const first = hello === undefined ? [] : await round(compared.length);
    if (hello === undefined || first.length < compared.length) throw new Error('a program of its own could not be run');
    arrange();
    const before = new Map(compared.map(({ name }, index) => [name, first[index]]));
    return {
      cgroup: statSync(cgroupFolder, { bigint: true }).ino,
      async provoke() {
        const results = await round(calls.length);
        const isKilled = async (): Promise<boolean> => {
          if (results.length < calls.length && running.signalCode === null && running.exitCode === null)
            await Promise.race([new Promise((resolve) => running.once('close', resolve)), delay(END_MS)]);
          return running.signalCode === 'SIGKILL';
        };
        const known = new Set(calls.map(({ name }) => name));
        const findings: SentinelFinding[] = [];
        for (const hook of hooks) {
          if (hook === AFTER_CALL) {
            findings.push(
              (await isKilled())
                ? { hook, proven: true }
                : { hook, proven: false, why: 'its verdict had no effect: the process goes on' },
            );
            continue;
          }
          if (!known.has(hook)) {
            findings.push({ hook, proven: false, why: 'there is no harmless call to try it with' });
            continue;
          }
          const after = results[calls.findIndex(({ name }) => name === hook)];
          if (hook === 'tp_btf/sched_process_exec')
            findings.push(
              (await isKilled())
                ? { hook, proven: true }
                : { hook, proven: false, why: 'its verdict had no effect: the program ran' },
            );
          else findings.push(findingOf(hook, before.get(hook), after));
        }
        return findings;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
