import type { Memory } from '../../../engine/vm/index.ts';
import { O_ACCMODE, O_PATH } from '../uapi.ts';
import type { Inode } from './inodes.ts';
import type { Ring } from './io-uring.ts';
import { KernelObject, writePointer } from './kernel-object.ts';
import { type Path, writePath } from './mounts.ts';
import type { Pipe } from './pipes.ts';
import type { Socket } from './sockets.ts';
import { FDTABLE, FILE, FILES_STRUCT } from './structs.ts';

/** include/linux/fs.h */
const FMODE_READ = 1;
const FMODE_WRITE = 2;

/** A named pipe may be opened for both. */
type PipeEnd = 'read' | 'write' | 'both';

/** RLIMIT_NOFILE's usual soft limit: file descriptors lie below it. */
export const FD_LIMIT = 1024;

/** Credentials are a process's own, even where those of another one are the same (kernel/cred.c, copy_creds). */
interface Opener {
  readonly cred: object;
  readonly group: object;
}

/** An open file (struct file), shared by the descriptors that were duplicated from one open. */
export class OpenFile extends KernelObject {
  readonly path: Path;
  readonly inode: Inode;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Which end of a pipe it is, and the pipe. */
  readonly pipe: { readonly pipe: Pipe; readonly end: PipeEnd } | undefined;
  socket: Socket | undefined;
  ring: Ring | undefined;
  /** Whose call opened it; undefined where none did. */
  opener: Opener | undefined;
  /** Where getdents64 goes on. */
  entriesRead = 0;
  #flags = 0;
  #users = 1;

  /** @param flags of open; those of creation (O_CREAT, O_EXCL, O_TRUNC) are not kept. */
  constructor(memory: Memory, path: Path, flags: number, pipe?: { readonly pipe: Pipe; readonly end: PipeEnd }) {
    super(memory, FILE.size);
    this.path = path;
    this.inode = path.dentry.inode;
    const access = (flags & O_PATH) === 0 ? (flags + 1) & O_ACCMODE : 0;
    this.readable = (access & FMODE_READ) !== 0;
    this.writable = (access & FMODE_WRITE) !== 0;
    this.pipe = pipe;
    this.flags = flags;
    writePath(memory, this.at + FILE.path, path);
    this.setPointer(FILE.inode, this.inode.at);
    this.setU32(FILE.mode, (this.readable ? FMODE_READ : 0) | (this.writable ? FMODE_WRITE : 0));
    path.dentry.pin();
    if (pipe) {
      if (pipe.end !== 'write') pipe.pipe.readers++;
      if (pipe.end !== 'read') pipe.pipe.writers++;
    }
    if (this.#countsAsWriter) this.inode.writers++;
  }

  get flags(): number {
    return this.#flags;
  }

  set flags(flags: number) {
    this.#flags = flags;
    this.setU32(FILE.flags, flags);
  }

  get position(): number {
    return this.u64(FILE.position);
  }

  set position(position: number) {
    this.setU64(FILE.position, position);
  }

  /** Whether somebody still has the credentials that it was opened with (f_cred). */
  wasOpenedBy({ cred, group }: Opener): boolean {
    return this.opener === undefined || (this.opener.cred === cred && this.opener.group === group);
  }

  attachSocket(socket: Socket): void {
    this.socket = socket;
    this.setPointer(FILE.privateData, socket.at);
  }

  /** What has it open for writing keeps a file from being executed, unless it never was opened by name (a memfd). */
  get #countsAsWriter(): boolean {
    const { dentry } = this.path;
    return this.writable && dentry.parent !== dentry;
  }

  /** Another descriptor refers to it too. */
  share(): OpenFile {
    this.#users++;
    return this;
  }

  /** A descriptor no longer refers to it; the last one closes it. */
  release(): void {
    if (--this.#users > 0) return;
    const { pipe } = this;
    if (pipe) {
      if (pipe.end !== 'write') pipe.pipe.readers--;
      if (pipe.end !== 'read') pipe.pipe.writers--;
    }
    if (this.#countsAsWriter) this.inode.writers--;
    this.socket?.close();
    const { dentry } = this.path;
    this.free();
    dentry.unpin();
  }
}

/** A process's descriptors (struct files_struct with its struct fdtable). */
export class FilesStruct extends KernelObject {
  #files: (OpenFile | undefined)[] = [];
  readonly #closeOnExec = new Set<number>();
  readonly #table: FdTable;
  #users = 1;

  constructor(memory: Memory) {
    super(memory, FILES_STRUCT.size);
    this.#table = new FdTable(memory);
    this.setPointer(FILES_STRUCT.fdt, this.#table.at);
    this.setU32(FILES_STRUCT.count, this.#users);
  }

  get(fd: number): OpenFile | undefined {
    return this.#files[fd];
  }

  /** The open descriptors in ascending order. */
  get fds(): number[] {
    const fds: number[] = [];
    for (const [fd, file] of this.#files.entries()) if (file) fds.push(fd);
    return fds;
  }

  /** The lowest free descriptor from `from` on, or undefined at the limit. */
  lowest(from = 0): number | undefined {
    let fd = from;
    while (this.#files[fd]) fd++;
    return fd < FD_LIMIT ? fd : undefined;
  }

  /** Puts a file at a descriptor, in the place of what was there. */
  install(fd: number, file: OpenFile, closeOnExec: boolean): void {
    this.close(fd);
    while (this.#files.length < fd) this.#files.push(undefined);
    this.#files[fd] = file;
    if (closeOnExec) this.#closeOnExec.add(fd);
    this.#table.set(fd, file.at);
  }

  /** False where the descriptor is not open. */
  close(fd: number): boolean {
    const file = this.#files[fd];
    if (!file) return false;
    this.#files[fd] = undefined;
    this.#closeOnExec.delete(fd);
    this.#table.set(fd, 0);
    file.release();
    return true;
  }

  closesOnExec(fd: number): boolean {
    return this.#closeOnExec.has(fd);
  }

  setCloseOnExec(fd: number, close: boolean): void {
    if (close) this.#closeOnExec.add(fd);
    else this.#closeOnExec.delete(fd);
  }

  /** What exec does to descriptors. */
  closeForExec(): void {
    if (this.#closeOnExec.size > 0) for (const fd of this.#closeOnExec) this.close(fd);
  }

  get shared(): boolean {
    return this.#users > 1;
  }

  share(): FilesStruct {
    this.setU32(FILES_STRUCT.count, ++this.#users);
    return this;
  }

  /** The copy that fork makes. */
  copy(): FilesStruct {
    const copy = new FilesStruct(this.memory);
    copy.#files = this.#files.slice();
    for (let fd = 0; fd < this.#files.length; fd++) {
      const file = this.#files[fd];
      if (file === undefined) continue;
      file.share();
      copy.#table.set(fd, file.at);
    }
    if (this.#closeOnExec.size > 0) for (const fd of this.#closeOnExec) copy.#closeOnExec.add(fd);
    return copy;
  }

  release(): void {
    this.setU32(FILES_STRUCT.count, --this.#users);
    if (this.#users > 0) return;
    for (let fd = 0; fd < this.#files.length; fd++) this.close(fd);
    this.#table.release();
    this.free();
  }
}

/** The array of struct file pointers; doubles as the kernel's does. */
class FdTable extends KernelObject {
  #capacity = 64;
  #array: number;

  constructor(memory: Memory) {
    super(memory, FDTABLE.size);
    this.#array = memory.allocate(this.#capacity * 8);
    this.#point();
  }

  set(fd: number, file: number): void {
    if (fd >= this.#capacity) this.#grow(fd);
    writePointer(this.memory, this.#array + fd * 8, file);
  }

  release(): void {
    this.memory.free(this.#array, this.#capacity * 8);
    this.free();
  }

  #grow(fd: number): void {
    const before = this.#capacity;
    while (this.#capacity <= fd) this.#capacity *= 2;
    const array = this.memory.allocate(this.#capacity * 8);
    this.memory.bytes.copyWithin(array, this.#array, this.#array + before * 8);
    this.memory.free(this.#array, before * 8);
    this.#array = array;
    this.#point();
  }

  #point(): void {
    this.setU32(FDTABLE.maxFds, this.#capacity);
    this.setPointer(FDTABLE.fd, this.#array);
  }
}
