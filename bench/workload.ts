import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageFolder } from '../policies/index.ts';
import { cgroupMount } from '../sensors/index.ts';

const COMPILER = 'gcc';
/** Runs its arguments from the second on in the cgroup of the first. */
const IN_CGROUP = 'echo $$ > "$1" && shift && exec "$@"';

/** A cgroup of this bench's own, and what it makes there; `close` removes both. */
export interface Place {
  /** Path under the unified hierarchy. */
  readonly cgroup: string;
  /** A folder of its own for programs and files. */
  readonly folder: string;
  close(): void;
}

/** Makes a cgroup and a temporary folder. @throws Error where this machine lets nobody make one */
export const makePlace = (): Place => {
  const mount = cgroupMount();
  if (mount === undefined) throw new Error('no cgroup v2 hierarchy is mounted');
  const cgroup = `/shrike-bench-${process.pid}`;
  mkdirSync(join(mount, cgroup));
  const folder = mkdtempSync(join(tmpdir(), 'shrike-bench-'));
  return {
    cgroup,
    folder,
    close() {
      rmSync(folder, { recursive: true });
      rmdirSync(join(mount, cgroup));
    },
  };
};

/** Compiles one of bench/workloads into the place's folder. @throws Error with what the compiler says */
export const compileWorkload = (place: Place, name: 'calls' | 'flood' | 'events'): string => {
  const program = join(place.folder, name);
  const source = packageFolder('bench', 'workloads', `${name}.c`);
  const { status, stderr, error } = spawnSync(COMPILER, ['-O2', '-pthread', '-o', program, source], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${COMPILER} can't compile ${source}: ${error?.message ?? stderr}`);
  return program;
};

/** A program that answers each line with a line. */
export interface Workload {
  readonly pid: number;
  ask(line: string): Promise<string>;
  /** Closes its standard input, and waits until it has ended. */
  close(): Promise<void>;
}

/** Starts a program, in the place's cgroup where there is one. */
export const startWorkload = (command: readonly string[], cgroup?: string): Workload => {
  const [program = '', ...args] = command;
  const child =
    cgroup === undefined
      ? spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
      : spawn('sh', ['-c', IN_CGROUP, 'sh', join(cgroupMount() ?? '', cgroup, 'cgroup.procs'), ...command], {
          stdio: ['pipe', 'pipe', 'inherit'],
        });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? 0,
    async ask(line) {
      child.stdin.write(`${line}\n`);
      const answer = await lines.next();
      if (answer.done) throw new Error(`${command.join(' ')} ended before it answered`);
      return answer.value;
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
};

/** Waits until a program has said `sign` on its standard output or error. @throws Error with all it said where it ends before that */
export const heard = (child: ChildProcess, sign: RegExp): Promise<void> =>
  new Promise((resolve, reject) => {
    let said = '';
    const listen = (data: Buffer): void => {
      said += data.toString();
      if (sign.test(said)) resolve();
    };
    child.stdout?.on('data', listen);
    child.stderr?.on('data', listen);
    child.once('close', () => reject(new Error(`${child.spawnfile} ended before it said ${sign}: ${said}`)));
  });

/** Waits until a process has ended. */
export const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('close', () => resolve()));

/** Writes a file into the place's folder. */
export const writeInto = (place: Place, name: string, text: string): string => {
  const path = join(place.folder, name);
  writeFileSync(path, text);
  return path;
};
