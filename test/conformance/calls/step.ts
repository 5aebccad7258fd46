import { EVENT_TYPES } from '../../../rules/index.ts';
import type { SimArgument } from '../../../sensors/index.ts';

/** One argument of a call that is made on Linux and in the simulation. Strings and bytes are passed as pointers to them. */
export type Argument =
  | number
  | string
  | null
  | Uint8Array
  | readonly string[]
  /** A buffer of so many bytes that the call writes to. */
  | { readonly out: number }
  /** A process id as the sequence's own pid namespace numbers it. */
  | { readonly pid: number }
  | { readonly how: { readonly flags: number; readonly mode?: number; readonly resolve?: number } }
  | { readonly clone: { readonly flags: number } }
  /** The header of capget and capset. */
  | { readonly capabilitiesOf: { readonly version: number; readonly pid: number } }
  /** A pointer to nowhere. */
  | { readonly bad: true };

/** One call of a sequence. */
export interface Step {
  /** The slot of the task that makes it: 0 is root's, 1 and 2 are those of uid 1000 and 1001. */
  readonly by: number;
  readonly call: string;
  readonly args: readonly Argument[];
  /** The slot of the task that it makes. */
  readonly child?: number;
}

/** What a call came to, as both kernels tell it. */
export interface Outcome {
  /** Negative is -errno. `ended`: the caller did not come back; `waits`: it would go on waiting; `gone`: it is dead. */
  readonly result: number | 'ended' | 'waits' | 'gone';
  /** What the call wrote, as text that tells what matters; undefined where the call failed or writes nothing. */
  readonly data: string | undefined;
  /** The slots whose tasks live afterwards. */
  readonly living: readonly number[];
}

export const SLOTS = 32;
export const ACTORS = 3;

/** Pids of the sequence's pid namespace count up from 2, and so do those of the simulation, from somewhere else. */
export const toSimPid = (pid: number, offset: number): number =>
  pid >= 2 ? pid + offset : pid <= -2 ? pid - offset : pid;
export const fromSimPid = (pid: number, offset: number): number => (pid > offset ? pid - offset : pid);

/** Calls that give the number of a process. */
export const GIVES_PID: ReadonlySet<string> = new Set(
  'fork clone clone3 wait4 getpid gettid getppid getpgrp getpgid getsid setsid'.split(' '),
);

/** Where the simulation is told that a buffer is. */
const BUFFER = 0x7f00_0000_1000;

export const simArgument = (argument: Argument, pidOffset: number): SimArgument => {
  if (typeof argument !== 'object' || argument === null || argument instanceof Uint8Array) return argument;
  if ('out' in argument) return BUFFER;
  if ('pid' in argument) return toSimPid(argument.pid, pidOffset);
  if ('how' in argument) return argument.how;
  if ('clone' in argument) return argument.clone;
  if ('capabilitiesOf' in argument) {
    const { version, pid } = argument.capabilitiesOf;
    return capabilityHeader(version, toSimPid(pid, pidOffset));
  }
  if ('bad' in argument) return 1;
  return argument;
};

const SIGCHLD = 17;
const CLONE_THREAD = 0x10000;

/** The bytes behind a pointer to a structure, as 64-bit Linux lays it out. */
const structure = (words: readonly number[]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(8 * words.length));
  for (const [index, word] of words.entries()) view.setBigInt64(8 * index, BigInt(word), true);
  return new Uint8Array(view.buffer);
};

/** struct __user_cap_header_struct */
const capabilityHeader = (version: number, pid: number): Uint8Array =>
  new Uint8Array(Int32Array.of(version, pid).buffer);

const SETTLES = 1;
const STARTS = 2;
const EXECS: ReadonlySet<string> = new Set(['execve', 'execveat']);
const SIGNALS: ReadonlySet<string> = new Set(['kill', 'tkill', 'tgkill', 'exit', 'exit_group', 'execve', 'execveat']);

/** Lays out a program for driver.c. */
export const encodeProgram = (setUp: readonly Step[], sequences: readonly (readonly Step[])[]): Uint8Array => {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const put = (part: Uint8Array): void => {
    parts.push(part);
    bytes += part.length;
  };
  const putNumber = (value: number, size: 1 | 2 | 4 | 8): void => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigInt64(0, BigInt(value), true);
    put(new Uint8Array(view.buffer, 0, size));
  };
  const putBytes = (tag: number, content: Uint8Array): void => {
    putNumber(tag, 1);
    putNumber(content.length, 4);
    put(content);
  };
  const text = (value: string): Uint8Array => Buffer.from(`${value}\0`);
  const putInteger = (value: number): void => {
    putNumber(0, 1);
    putNumber(value, 8);
  };
  const putArgument = (argument: Argument): void => {
    if (argument === null) putInteger(0);
    else if (typeof argument === 'number') putInteger(argument);
    else if (typeof argument === 'string') putBytes(1, text(argument));
    else if (argument instanceof Uint8Array) putBytes(1, argument);
    else if ('out' in argument) {
      putNumber(2, 1);
      putNumber(argument.out, 4);
    } else if ('pid' in argument) putInteger(argument.pid);
    else if ('how' in argument)
      putBytes(1, structure([argument.how.flags, argument.how.mode ?? 0, argument.how.resolve ?? 0]));
    else if ('clone' in argument) {
      const { flags } = argument.clone;
      putBytes(1, structure([flags, 0, 0, 0, (flags & CLONE_THREAD) !== 0 ? 0 : SIGCHLD, 0, 0, 0, 0, 0, 0]));
    } else if ('capabilitiesOf' in argument)
      putBytes(1, capabilityHeader(argument.capabilitiesOf.version, argument.capabilitiesOf.pid));
    else if ('bad' in argument) putInteger(1);
    else {
      putNumber(3, 1);
      putNumber(argument.length, 4);
      for (const entry of argument) {
        const content = text(entry);
        putNumber(content.length, 4);
        put(content);
      }
    }
  };
  const putStep = (step: Step): void => {
    const number = EVENT_TYPES.get(step.call)?.nr;
    if (number === undefined || number < 0) throw new Error(`there is no system call "${step.call}"`);
    putNumber(step.by, 1);
    putNumber(step.child ?? 255, 1);
    putNumber((SIGNALS.has(step.call) ? SETTLES : 0) | (EXECS.has(step.call) ? STARTS : 0), 1);
    putNumber(number, 2);
    putNumber(step.args.length, 1);
    for (const argument of step.args) putArgument(argument);
  };
  putNumber(setUp.length, 4);
  for (const step of setUp) putStep(step);
  putNumber(ACTORS, 4);
  putNumber(sequences.length, 4);
  for (const steps of sequences) {
    const length = new Uint8Array(4);
    put(length);
    const before = bytes;
    putNumber(steps.length, 4);
    for (const step of steps) putStep(step);
    new DataView(length.buffer).setUint32(0, bytes - before, true);
  }
  return Buffer.concat(parts);
};
