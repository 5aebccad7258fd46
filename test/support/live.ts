import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { assemble, call, exit, type Item, jeq, label, lddw, mov, R0, R1, R6 } from '../../engine/isa/index.ts';
import { helperByName } from '../../engine/vm/index.ts';
import { bpfUnavailable, cgroupLevel, cgroupMount, openLinuxKernel } from '../../sensors/linux/index.ts';

/** How a process in a test's cgroup ended. */
export interface Ran {
  readonly pid: number;
  /** Exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A cgroup of its own for one test: what the test attaches passes over every task outside of it. */
export interface TestCgroup {
  /** `/shrike-test-1234-1`. */
  readonly path: string;
  readonly folder: string;
  readonly id: bigint;
  /** Depth below the root, whose level is 0. */
  readonly level: number;
  /** Starts a process inside and waits until it has ended. */
  run(command: string, args?: readonly string[], options?: SpawnOptions): Promise<Ran>;
  /** Starts a process inside; its pid stays the same from the shell that enters the cgroup to the command. */
  start(command: string, args?: readonly string[], options?: SpawnOptions): ChildProcess;
  /** A cgroup below this one, removed with it. */
  child(name: string): TestCgroup;
  /**
   * A hand-written program's items behind the test that every one must begin with: it returns `outside` for a task that is not in
   * this cgroup or below. r1 is the context again afterwards, as is r6; r0 to r5 are lost. For hooks whose task is the current one.
   */
  confine(items: readonly Item[], outside?: number): Item[];
  /** Kills what is left in it by pid, and removes it. */
  remove(): Promise<void>;
}

const made = new Set<string>();
let count = 0;

process.on('exit', () => {
  for (const folder of made) for (let tries = 0; tries < 50 && !removedNow(folder); tries++) pause(10);
});

const pause = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

function removedNow(folder: string): boolean {
  killIn(folder);
  try {
    removeFolders(folder);
    return true;
  } catch {
    return false;
  }
}

/** Pids in a cgroup and those below it. */
function pidsIn(folder: string): number[] {
  try {
    const own = readFileSync(`${folder}/cgroup.procs`, 'utf8').split('\n').map(Number);
    return [...own.filter((pid) => pid > 0), ...foldersIn(folder).flatMap(pidsIn)];
  } catch {
    return [];
  }
}

const foldersIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${folder}/${entry.name}`);

function killIn(folder: string): void {
  for (const pid of pidsIn(folder)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {}
  }
}

function removeFolders(folder: string): void {
  for (const child of foldersIn(folder)) removeFolders(child);
  rmdirSync(folder);
}

const REMOVE_MS = 5_000;

async function remove(folder: string): Promise<void> {
  const deadline = Date.now() + REMOVE_MS;
  while (!removedNow(folder)) {
    if (Date.now() > deadline) throw new Error(`cgroup ${folder} can't be removed; processes in it don't end`);
    await delay(10);
  }
  made.delete(folder);
}

const ancestor = (): Item => {
  const found = helperByName('bpf_get_current_ancestor_cgroup_id');
  if (!found) throw new Error('no helper is called bpf_get_current_ancestor_cgroup_id');
  return call(found.id);
};

function open(folder: string, path: string): TestCgroup {
  const id = statSync(folder, { bigint: true }).ino;
  const level = cgroupLevel(path);
  const start = (command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess =>
    spawn('/bin/sh', ['-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', folder, command, ...args], options);
  return {
    path,
    folder,
    id,
    level,
    start,
    run: (command, args, options) =>
      new Promise((resolve, reject) => {
        const child = start(command, args, options);
        const output = { stdout: '', stderr: '' };
        child.stdout?.on('data', (part) => (output.stdout += part));
        child.stderr?.on('data', (part) => (output.stderr += part));
        child.on('error', reject);
        child.on('close', (code, signal) => resolve({ pid: child.pid ?? 0, code, signal, ...output }));
      }),
    child(name) {
      mkdirSync(`${folder}/${name}`);
      return open(`${folder}/${name}`, `${path}/${name}`);
    },
    confine: (items, outside = 0) => [
      mov(R6, R1),
      mov(R1, level),
      ancestor(),
      lddw(R1, id),
      jeq(R0, R1, 'confine.inside'),
      mov(R0, outside),
      exit(),
      label('confine.inside'),
      mov(R1, R6),
      ...items,
    ],
    remove: () => remove(folder),
  };
}

/** Makes a cgroup under the cgroup v2 mount. @throws Error where there is none, or where it can't be made */
export function testCgroup(): TestCgroup {
  const mount = cgroupMount();
  if (mount === undefined) throw new Error('no cgroup v2 hierarchy is mounted');
  const path = `/shrike-test-${process.pid}-${++count}`;
  const folder = `${mount}${path}`;
  mkdirSync(folder);
  made.add(folder);
  return open(folder, path);
}

let unavailable: { readonly reason: string | undefined } | undefined;

/**
 * Why programs can't be attached here to processes of a test's cgroup, for `describe.skipIf`; undefined where they can. Found once, by attaching
 * a program that passes over all tasks but those of an empty cgroup, and printed once.
 */
export function liveUnavailable(): string | undefined {
  if (unavailable === undefined) {
    unavailable = { reason: probe() };
    const { reason } = unavailable;
    if (reason !== undefined) console.warn(`skipped: tests that attach to the running kernel: ${reason}`);
  }
  return unavailable.reason;
}

function probe(): string | undefined {
  const reason = bpfUnavailable();
  if (reason !== undefined) return reason;
  if (process.getuid?.() !== 0) return 'cgroups of tests are made by root only';
  if (cgroupMount() === undefined) return 'no cgroup v2 hierarchy is mounted';
  let cgroup: TestCgroup;
  try {
    cgroup = testCgroup();
  } catch (error) {
    return `a cgroup can't be made here: ${error instanceof Error ? error.message : String(error)}`;
  }
  try {
    const kernel = openLinuxKernel({ scope: cgroup.path });
    try {
      const items = cgroup.confine([mov(R0, 0), exit()]);
      const hook = 'tp_btf/sched_process_exec';
      const program = { name: 'live', hook, instructions: assemble(items).instructions, relocations: [], lines: [] };
      kernel.attach(kernel.loadProgram(program, new Map()));
    } finally {
      kernel.close();
    }
    return undefined;
  } catch (error) {
    return `programs can't be attached here: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    rmdirSync(cgroup.folder);
    made.delete(cgroup.folder);
  }
}
