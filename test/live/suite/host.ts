import type { MapSpec, ProgramSpec } from '../../../engine/object/index.ts';
import type { Kernel, KernelMap, Link, LoadedProgram } from '../../../sensors/index.ts';

/** An argument of a call: text, bytes and lists of texts are passed as pointers to them; null is the null pointer. */
export type Argument = number | bigint | string | null | Uint8Array | readonly string[];

/** Which table a call's number is from. */
export type Abi = 'x86-64' | 'ia32';

/** A task that makes the calls it is told to. */
export interface Task {
  readonly pid: number;
  /** The process, which is `pid` but for further threads. */
  readonly tgid: number;
  /** Makes a call by its kernel name; the result is negative for an errno. Rejects where the call doesn't return. */
  call(name: string, args?: readonly Argument[], abi?: Abi): Promise<number>;
  /** Makes a call that ends its caller, or is ended by a program; resolves when the task is dead. */
  last(name: string, args?: readonly Argument[]): Promise<void>;
  /** A child, or a thread of the same process, that can be told to make calls too. */
  fork(how?: 'fork' | 'thread'): Promise<Task>;
  /** Whether it has not died yet. */
  alive(): boolean;
}

/** What a suite's host lacks, by what a case needs. */
export type Need =
  /** A program of this section's kind can be attached: `lsm/file_open`, `kprobe/`. */
  | `hook:${string}`
  /** Calls through int 0x80. */
  | 'ia32'
  /** What programs return or send is carried out: here no program may, in a guest it may. */
  | 'enforcement'
  /** Nobody but the suite makes calls, and the whole host may be the scope. */
  | 'own-machine'
  /** A shell that can be executed, and does what it is told. */
  | 'shell'
  /** The program level, `level:6.9`. */
  | `level:${string}`
  /** The simulated kernel, or Linux. */
  | 'sim'
  | 'linux'
  | 'root';

/** A kernel, and tasks that make calls in it: what a case runs on. */
export interface Host {
  readonly kind: 'sim' | 'linux';
  readonly kernel: Kernel;
  /** An empty folder that the tasks may write to, by its absolute path. */
  readonly folder: string;
  /** A program that goes on making calls when it is executed. */
  readonly program: string;
  /** Its bytes. */
  programBytes(): Uint8Array;
  /** The cgroup that programs confine themselves to. */
  readonly scope: string;
  /** A task in the scope. */
  readonly task: Task;
  /** A new task outside of the scope, in a cgroup beside it. */
  outsider(): Promise<Task>;
  /** A loopback port that a listener in the host answers on, and one that nobody does. */
  readonly ports: { readonly open: number; readonly closed: number };
  createMap(spec: MapSpec): KernelMap;
  /** Loads a program; what it is made of before relocation is what is compared between kernels. */
  load(spec: ProgramSpec<string>, maps?: readonly KernelMap[]): LoadedProgram;
  /** Attaches a program: to the scope's cgroup where hooks belong to cgroups. */
  attach(program: LoadedProgram): Link;
  /** Has the kernel count runs from now on, where it doesn't anyway. */
  countRuns(): void;
  /** Waits until a moment passed in which the kernel's clock went on by so many milliseconds. */
  sleep(milliseconds: number): Promise<void>;
}
