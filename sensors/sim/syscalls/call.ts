import { EBADF, EMFILE, ENAMETOOLONG, ENOTDIR } from '../../../engine/maps/index.ts';
import type { Abi, EventType } from '../../../rules/index.ts';
import type { OpenFile } from '../kernel/files.ts';
import type { Ring } from '../kernel/io-uring.ts';
import type { Machine } from '../kernel/machine.ts';
import { isSamePath, type Path } from '../kernel/mounts.ts';
import { type Entry, isLongName } from '../kernel/path-walk.ts';
import type { Processes } from '../kernel/processes.ts';
import type { Task } from '../kernel/tasks.ts';
import type { Recorded, SimAddress } from '../sim-host.ts';
import { AT_FDCWD, O_PATH } from '../uapi.ts';
import { CallArguments, CallError } from './call-arguments.ts';
import type { KnownPath, PreparedCall } from './prepared.ts';

export { CallError } from './call-arguments.ts';

/** What makes a call happen; negative results are errnos. */
export type CallHandler = (call: SystemCall) => number;

/** Takes a ring's next entry for a task. */
type RingServer = (task: Task, ring: Ring) => void;

/** A system call under way: who makes it, with what, and what it gives back beside its result. */
export class SystemCall extends CallArguments {
  readonly machine: Machine;
  readonly processes: Processes;
  task: Task;
  prepared: PreparedCall;
  /** It may be made again, and nobody asks what it gives back, so that it need not be made up. */
  isRepeated = false;
  /** What the call wrote to its caller's memory. */
  data: Uint8Array | undefined;
  fds: readonly [number, number] | undefined;
  /** Who sent what it received. */
  from: SimAddress | undefined;
  /** The task that the call made, which returns from it too. */
  child: Task | undefined;
  /** The registers were cleared: a new program runs. */
  executed = false;
  /** The caller does not return. */
  exited = false;
  private readonly server: RingServer | undefined;
  /** The call's path, where it is known to lead somewhere. */
  known: KnownPath | undefined;
  /** A process that the call's signal ended. */
  signalled: Task[] | undefined;

  /** @param server serves rings whose entries the call has taken; left out, nobody does */
  constructor(machine: Machine, processes: Processes, task: Task, prepared: PreparedCall, server?: RingServer) {
    super(prepared.arguments);
    this.machine = machine;
    this.processes = processes;
    this.task = task;
    this.prepared = prepared;
    this.server = server;
  }

  /** Makes it another call, of which nothing is known yet: objects with so many members are dear to make anew for each of millions. */
  become(task: Task, prepared: PreparedCall): void {
    this.given = prepared.arguments;
    this.task = task;
    this.prepared = prepared;
    this.data = undefined;
    this.fds = undefined;
    this.from = undefined;
    this.child = undefined;
    this.executed = false;
    this.exited = false;
    this.known = undefined;
    this.signalled = undefined;
  }

  get event(): EventType {
    return this.prepared.event;
  }

  get abi(): Abi {
    return this.prepared.abi;
  }

  get recorded(): Recorded | undefined {
    return this.prepared.recorded;
  }

  get name(): string {
    return this.event.type;
  }

  /** Takes a ring's next entry and does what it asks for. */
  serve(ring: Ring): void {
    this.server?.(this.task, ring);
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

  /** What a path is known to lead to, links followed; undefined where that isn't known. @param start where a relative one begins */
  foundAt(start: Path, text: string): Path | undefined {
    const { known } = this;
    if (known === undefined || known.text !== text) return undefined;
    return known.isAbsolute || (known.start !== undefined && isSamePath(known.start, start)) ? known.found : undefined;
  }

  /** The file that a path argument names. @throws CallError with path_resolution(7)'s errnos */
  find(pathIndex: number, directoryIndex: number | undefined, follow: boolean): Path {
    const text = this.path(pathIndex);
    const start = this.start(directoryIndex, text);
    const found =
      (follow ? this.foundAt(start, text) : undefined) ?? this.machine.walk.find(this.task, start, text, follow);
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
    file.openedBy(this.task);
    this.task.files.install(fd, file, closeOnExec);
    return fd;
  }
}
