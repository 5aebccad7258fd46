import { EBADF, EFAULT, EMFILE, ENAMETOOLONG, ENOENT, ENOTDIR } from '../../../engine/maps/index.ts';
import type { Abi, EventType } from '../../../rules/index.ts';
import { encodeSockaddr } from '../kernel/addresses.ts';
import type { OpenFile } from '../kernel/files.ts';
import type { Ring } from '../kernel/io-uring.ts';
import { decodeText, encodeText } from '../kernel/kernel-object.ts';
import type { Machine } from '../kernel/machine.ts';
import type { Path } from '../kernel/mounts.ts';
import { type Entry, isLongName } from '../kernel/path-walk.ts';
import type { Processes } from '../kernel/processes.ts';
import type { Task } from '../kernel/tasks.ts';
import type { CloneArguments, OpenHow, Recorded, SimAddress, SimArgument } from '../sim-host.ts';
import { AT_FDCWD, O_PATH } from '../uapi.ts';

/** Thrown inside a call that ends with an errno. */
export class CallError extends Error {
  /** Positive. */
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.name = 'CallError';
    this.errno = errno;
  }
}

/** What makes a call happen; negative results are errnos. */
export type CallHandler = (call: SystemCall) => number;

const isAddress = (argument: object): argument is SimAddress => 'address' in argument || 'path' in argument;

/** A system call under way: who makes it, with what, and what it gives back beside its result. */
export class SystemCall {
  readonly machine: Machine;
  readonly processes: Processes;
  readonly task: Task;
  readonly event: EventType;
  readonly abi: Abi;
  readonly recorded: Recorded | undefined;
  readonly #arguments: readonly SimArgument[];
  /** What the call wrote to its caller's memory. */
  data: Uint8Array | undefined;
  fds: readonly [number, number] | undefined;
  /** The task that the call made, which returns from it too. */
  child: Task | undefined;
  /** The registers were cleared: a new program runs. */
  executed = false;
  /** The caller does not return. */
  exited = false;
  /** Takes a ring's next entry and does what it asks for. */
  serve: ((ring: Ring) => void) | undefined;
  /** A process that the call's signal ended. */
  signalled: Task[] | undefined;

  constructor(
    machine: Machine,
    processes: Processes,
    task: Task,
    event: EventType,
    args: readonly SimArgument[],
    abi: Abi,
    recorded: Recorded | undefined,
  ) {
    this.machine = machine;
    this.processes = processes;
    this.task = task;
    this.event = event;
    this.abi = abi;
    this.recorded = recorded;
    this.#arguments = args;
  }

  get name(): string {
    return this.event.type;
  }

  raw(index: number): SimArgument | undefined {
    return this.#arguments[index];
  }

  /** A numeric argument, 0 where it was left out. Pointers to numbers have no value. */
  number(index: number): number {
    const argument = this.#arguments[index];
    return typeof argument === 'number' ? argument : typeof argument === 'bigint' ? Number(argument) : 0;
  }

  /** An int: the low 32 bits, signed. */
  int(index: number): number {
    return this.number(index) | 0;
  }

  /** An unsigned int. */
  unsigned(index: number): number {
    return this.number(index) >>> 0;
  }

  isNull(index: number): boolean {
    const argument = this.#arguments[index];
    return argument === null || argument === undefined || argument === 0 || argument === 0n;
  }

  /** A string argument. @throws CallError EFAULT for another pointer or none */
  text(index: number): string {
    const argument = this.#arguments[index];
    if (typeof argument === 'string') return argument;
    if (argument instanceof Uint8Array) {
      const nul = argument.indexOf(0);
      return decodeText(nul < 0 ? argument : argument.subarray(0, nul));
    }
    throw new CallError(EFAULT);
  }

  /** A path argument. @throws CallError EFAULT, ENOENT where it is empty */
  path(index: number): string {
    const text = this.text(index);
    if (text === '') throw new CallError(ENOENT);
    return text;
  }

  /** The bytes that a pointer points to. @throws CallError EFAULT where it points nowhere */
  bytes(index: number): Uint8Array {
    const argument = this.#arguments[index];
    if (argument instanceof Uint8Array) return argument;
    if (typeof argument === 'string') return encodeText(argument);
    if (typeof argument === 'object' && argument !== null && isAddress(argument)) return encodeSockaddr(argument);
    throw new CallError(EFAULT);
  }

  /** A list of strings; the null pointer is the empty list, as execve takes it. @throws CallError EFAULT */
  texts(index: number): readonly string[] {
    const argument = this.#arguments[index];
    if (this.isNull(index)) return [];
    if (Array.isArray(argument)) return argument;
    throw new CallError(EFAULT);
  }

  /** openat2's or clone3's structure. @throws CallError EFAULT */
  structure(index: number): Partial<OpenHow & CloneArguments> {
    const argument = this.#arguments[index];
    if (typeof argument === 'object' && argument !== null && 'flags' in argument) return argument;
    throw new CallError(EFAULT);
  }

  /** An open file that was not opened with O_PATH. @throws CallError EBADF */
  file(index: number): OpenFile {
    const file = this.anyFile(index);
    if ((file.flags & O_PATH) !== 0) throw new CallError(EBADF);
    return file;
  }

  /** An open file, as the calls take it that only look at what it names. @throws CallError EBADF */
  anyFile(index: number): OpenFile {
    const file = this.task.files.get(this.int(index));
    if (!file) throw new CallError(EBADF);
    return file;
  }

  /** Where a relative path starts. @throws CallError EBADF or ENOTDIR */
  start(directoryIndex: number | undefined, text: string): Path {
    const fd = directoryIndex === undefined ? AT_FDCWD : this.int(directoryIndex);
    if (fd === AT_FDCWD || text.startsWith('/')) return this.task.fs.cwd;
    const file = this.task.files.get(fd);
    if (!file) throw new CallError(EBADF);
    if (!file.inode.isDirectory && text !== '') throw new CallError(ENOTDIR);
    return file.path;
  }

  /** The file that a path argument names. @throws CallError with path_resolution(7)'s errnos */
  find(pathIndex: number, directoryIndex: number | undefined, follow: boolean): Path {
    const text = this.path(pathIndex);
    const found = this.machine.walk.find(this.task, this.start(directoryIndex, text), text, follow);
    if (typeof found === 'number') throw new CallError(-found);
    return found;
  }

  /** The directory entry that a path argument names, there or not. @throws CallError */
  entry(pathIndex: number, directoryIndex: number | undefined): Entry {
    const text = this.path(pathIndex);
    const found = this.machine.walk.entry(this.task, this.start(directoryIndex, text), text);
    if (typeof found === 'number') throw new CallError(-found);
    return found;
  }

  /** What an entry's name stands for; undefined where it is free. @throws CallError ENAMETOOLONG */
  childOf(entry: Entry): Path | undefined {
    if (isLongName(entry.name)) throw new CallError(ENAMETOOLONG);
    return this.machine.walk.child(entry.parent, entry.name);
  }

  /** Puts a file at the lowest free descriptor, or where the recording has it. Releases the file where there is no room. */
  install(file: OpenFile, closeOnExec: boolean, at = this.recorded?.result): number {
    const fd = at ?? this.task.files.lowest();
    if (fd === undefined) {
      file.release();
      return -EMFILE;
    }
    this.task.files.install(fd, file, closeOnExec);
    return fd;
  }
}
