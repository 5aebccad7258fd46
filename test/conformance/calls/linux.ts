import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cgroupMount } from '../../../sensors/linux/index.ts';
import { clangSkip } from '../../support/clang.ts';
import { linuxData } from './data.ts';
import { encodeProgram, type Outcome, type Step } from './step.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const BUILT = fileURLToPath(new URL('../../../.tmp/calls', import.meta.url));
/** Freestanding: no library and no header of the machine's goes in. */
const OPTIONS = ['-O1', '-Wall', '-Wextra', '-Werror', '-nostdlib', '-static', '-fno-stack-protector', '-fno-builtin'];

const compile = (name: string, sources: readonly string[], flags: readonly string[]): string => {
  mkdirSync(BUILT, { recursive: true });
  const output = join(BUILT, `${name}-${process.pid}`);
  const files = sources.map((source) => join(FOLDER, source));
  const { status, stderr } = spawnSync('clang-19', [...OPTIONS, ...flags, ...files, '-o', output], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`clang-19 refuses ${sources.join(', ')}:\n${stderr}`);
  return output;
};

export interface Driver {
  readonly path: string;
  /** The ELF file of what the processes of a sequence execute. */
  readonly actor: Uint8Array;
}

export const buildDriver = (): Driver => ({
  path: compile('driver', ['driver.c', 'actor.c'], []),
  actor: new Uint8Array(readFileSync(compile('actor', ['actor.c'], ['-DPROGRAM']))),
});

/** What the driver's processes may take together. */
const MOST_PIDS = 64;
const MOST_MEMORY = 512 * 1024 * 1024;

const controllers = (folder: string): string =>
  existsSync(`${folder}/cgroup.controllers`) ? readFileSync(`${folder}/cgroup.controllers`, 'utf8') : '';

/** Where this process is in a hierarchy of cgroup v1, undefined where there is none. */
const ownFolder = (controller: string): string | undefined => {
  const line = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .find((entry) => entry.split(':')[1]?.split(',').includes(controller));
  const folder = line && `/sys/fs/cgroup/${controller}${line.split(':')[2]}`;
  return folder !== undefined && existsSync(`${folder}/cgroup.procs`) ? folder : undefined;
};

/** Makes the cgroups that limit the driver: one of version 2, or one of version 1 for each controller. */
const makeCgroups = (): readonly string[] => {
  const name = `shrike-calls-${process.pid}`;
  const mount = cgroupMount();
  const made = (parent: string, limits: Readonly<Record<string, number>>): string => {
    const folder = `${parent}/${name}`;
    mkdirSync(folder);
    for (const [file, limit] of Object.entries(limits)) writeFileSync(`${folder}/${file}`, String(limit));
    return folder;
  };
  if (mount !== undefined && ['pids', 'memory'].every((one) => controllers(mount).includes(one))) {
    writeFileSync(`${mount}/cgroup.subtree_control`, '+pids +memory');
    return [made(mount, { 'pids.max': MOST_PIDS, 'memory.max': MOST_MEMORY })];
  }
  const [pids, memory] = [ownFolder('pids'), ownFolder('memory')];
  if (pids === undefined || memory === undefined) throw new Error('no cgroup limits processes and memory here');
  return [made(pids, { 'pids.max': MOST_PIDS }), made(memory, { 'memory.limit_in_bytes': MOST_MEMORY })];
};

/** A sysctl of /proc/sys; undefined where the kernel has none. */
const sysctl = (name: string): string | undefined =>
  existsSync(`/proc/sys/${name}`) ? readFileSync(`/proc/sys/${name}`, 'utf8').trim() : undefined;

/** Settings that the simulation stands for. */
const SETTINGS: Readonly<Record<string, string>> = {
  'fs/protected_fifos': '0',
  'fs/protected_hardlinks': '1',
  'fs/protected_regular': '0',
  'fs/protected_symlinks': '0',
  'fs/suid_dumpable': '0',
};

/** The first kernel whose pidfds tell of single threads (PIDFD_THREAD). */
const OLDEST = [6, 9];

const kernelReason = (): string | undefined => {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const [oldest = 0, oldestMinor = 0] = OLDEST;
  if (major < oldest || (major === oldest && minor < oldestMinor)) return 'the kernel is older than 6.9';
  if (sysctl('user/max_user_namespaces') === '0') return 'user namespaces are off';
  if ((sysctl('kernel/yama/ptrace_scope') ?? '0') !== '0') return 'kernel.yama.ptrace_scope is not 0';
  for (const [name, value] of Object.entries(SETTINGS))
    if (sysctl(name) !== value) return `${name.replace('/', '.')} is not ${value}`;
  return undefined;
};

/** Why sequences can't be played on Linux here, for `describe.skipIf`; undefined where they can. */
export const linuxSkip = (): string | undefined => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'this is no 64-bit x86 Linux';
  if (process.getuid?.() !== 0) return 'ids are mapped by root only';
  const reason = kernelReason() ?? clangSkip();
  if (reason !== undefined) return reason;
  try {
    for (const folder of makeCgroups()) rmdirSync(folder);
    return undefined;
  } catch (error) {
    return `cgroups can't be made here: ${error instanceof Error ? error.message : String(error)}`;
  }
};

const RESULTS: Readonly<Record<number, 'ended' | 'waits' | 'gone'>> = { 1: 'ended', 2: 'waits', 3: 'gone' };
const UNIT = 2 ** 40;

const decode = (bytes: Uint8Array, sequences: readonly (readonly Step[])[]): Outcome[][] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const number = (): number => {
    at += 8;
    return Number(view.getBigInt64(at - 8, true));
  };
  const word = (): number => {
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const outcome = (step: Step): Outcome => {
    const value = number();
    const mask = number();
    const buffers = Array.from({ length: word() }, () => {
      const size = word();
      at += size;
      return bytes.subarray(at - size, at);
    });
    return {
      result: (value % UNIT === 0 && RESULTS[value / UNIT]) || value,
      data: value < UNIT ? linuxData(step, value, buffers) : undefined,
      living: Array.from({ length: 32 }, (_, slot) => slot).filter((slot) => ((mask >>> slot) & 1) === 1),
    };
  };
  return sequences.map((steps) => {
    const outcomes: Outcome[] = [];
    for (const step of steps) {
      const last = outcome(step);
      outcomes.push(last);
      if (last.result === 'waits') break;
    }
    return outcomes;
  });
};

/** How long sequences may take where the machine is busy. */
const PLAY_MS = 60_000;
const SEQUENCE_MS = 150;

/** Makes the calls of sequences on Linux. A sequence of which a call goes on waiting ends there. @throws Error where the driver fails */
export const playOnLinux = (
  driver: Driver,
  setUp: readonly Step[],
  sequences: readonly (readonly Step[])[],
): Outcome[][] => {
  const cgroups = makeCgroups();
  try {
    const { status, stdout, stderr, error } = spawnSync(
      driver.path,
      cgroups.map((folder) => `${folder}/cgroup.procs`),
      {
        input: encodeProgram(setUp, sequences),
        maxBuffer: 2 ** 30,
        timeout: PLAY_MS + SEQUENCE_MS * sequences.length,
        killSignal: 'SIGKILL',
        env: {},
      },
    );
    if (status !== 0) throw new Error(`the driver failed: ${error?.message ?? ''}${stderr}`);
    return decode(stdout, sequences);
  } finally {
    for (const folder of cgroups) removeWhenEmpty(folder);
  }
};

/** Its last processes may still be on their way out. */
const removeWhenEmpty = (folder: string): void => {
  for (let tries = 0; ; tries++) {
    try {
      rmdirSync(folder);
      return;
    } catch (error) {
      if (tries === 100) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
};
