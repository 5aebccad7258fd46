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
  /** Where getdents64 goes on. */
  entriesRead = 0;
  #flags = 0;
  #users = 1;
  /** Whose call opened it; undefined where none did. */
  #openerCred: object | undefined;
  #openerGroup: object | undefined;

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

  /** Notes whose call opened it, where that is not known yet. */
  openedBy({ cred, group }: Opener): void {
    if (this.#openerCred !== undefined) return;
    this.#openerCred = cred;
    this.#openerGroup = group;
  }

  /** Whether somebody still has the credentials that it was opened with (f_cred). */
  wasOpenedBy({ cred, group }: Opener): boolean {
    return this.#openerCred === undefined || (this.#openerCred === cred && this.#openerGroup === group);
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

/** Descriptors below are kept in an array; the few above (bash has 255) apart, so that the array stays short. */
const LOW = 64;

/** A process's descriptors (struct files_struct with its struct fdtable). */
export class FilesStruct extends KernelObject {
  #low: (OpenFile | undefined)[] = [];
  #high: Map<number, OpenFile> | undefined;
  /** Descriptors that exec closes, a bit each. */
  #closeOnExec: number[] = [];
  readonly #table: FdTable;
  #users = 1;

  /** @param fds how many descriptors there must be room for */
  constructor(memory: Memory, fds = 0) {
    super(memory, FILES_STRUCT.size);
    this.#table = new FdTable(memory, fds);
    this.setPointer(FILES_STRUCT.fdt, this.#table.at);
    this.setU32(FILES_STRUCT.count, this.#users);
  }

  get(fd: number): OpenFile | undefined {
    return fd < LOW ? this.#low[fd] : this.#high?.get(fd);
  }

  /** The open descriptors in ascending order. */
  get fds(): number[] {
    const fds: number[] = [];
    for (const [fd, file] of this.#low.entries()) if (file) fds.push(fd);
    return this.#high === undefined ? fds : [...fds, ...[...this.#high.keys()].sort((one, other) => one - other)];
  }

  /** The lowest free descriptor from `from` on, or undefined at the limit. */
  lowest(from = 0): number | undefined {
    let fd = from;
    while (this.get(fd)) fd++;
    return fd < FD_LIMIT ? fd : undefined;
  }

  /** Puts a file at a descriptor, in the place of what was there. */
  install(fd: number, file: OpenFile, closeOnExec: boolean): void {
    this.close(fd);
    if (fd < LOW) {
      while (this.#low.length < fd) this.#low.push(undefined);
      this.#low[fd] = file;
    } else {
      if (this.#high === undefined) this.#high = new Map();
      this.#high.set(fd, file);
    }
    if (closeOnExec) this.setCloseOnExec(fd, true);
    this.#table.set(fd, file.at);
  }

  /** False where the descriptor is not open. */
  close(fd: number): boolean {
    const file = this.get(fd);
    if (!file) return false;
    if (fd < LOW) this.#low[fd] = undefined;
    else this.#high?.delete(fd);
    this.setCloseOnExec(fd, false);
    this.#table.set(fd, 0);
    file.release();
    return true;
  }

  closesOnExec(fd: number): boolean {
    return ((this.#closeOnExec[fd >>> 5] ?? 0) & (1 << (fd & 31))) !== 0;
  }

  setCloseOnExec(fd: number, close: boolean): void {
    const words = this.#closeOnExec;
    const at = fd >>> 5;
    if (!close && at >= words.length) return;
    while (words.length <= at) words.push(0);
    const word = words[at] as number;
    words[at] = close ? word | (1 << (fd & 31)) : word & ~(1 << (fd & 31));
  }

  /** What exec does to descriptors. */
  closeForExec(): void {
    for (let at = 0; at < this.#closeOnExec.length; at++) {
      if (this.#closeOnExec[at] === 0) continue;
      for (let fd = 32 * at; fd < 32 * at + 32; fd++) if (this.closesOnExec(fd)) this.close(fd);
    }
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
    let low = this.#low.length;
    while (low > 0 && this.#low[low - 1] === undefined) low--;
    let fds = low;
    for (const fd of this.#high?.keys() ?? []) fds = Math.max(fds, fd + 1);
    const copy = new FilesStruct(this.memory, fds);
    copy.#low = this.#low.slice(0, low);
    for (let fd = 0; fd < low; fd++) {
      const file = copy.#low[fd];
      if (file !== undefined) copy.#table.set(fd, file.share().at);
    }
    if (this.#high !== undefined && this.#high.size > 0) {
      copy.#high = new Map(this.#high);
      for (const [fd, file] of copy.#high) copy.#table.set(fd, file.share().at);
    }
    if (this.#closeOnExec.length > 0) copy.#closeOnExec = this.#closeOnExec.slice();
    return copy;
  }

  release(): void {
    this.setU32(FILES_STRUCT.count, --this.#users);
    if (this.#users > 0) return;
    for (let fd = 0; fd < this.#low.length; fd++) this.close(fd);
    if (this.#high !== undefined) for (const fd of this.#high.keys()) this.close(fd);
    this.#table.release();
    this.free();
  }
}

/** The array of struct file pointers; doubles as the kernel's does. */
class FdTable extends KernelObject {
  #capacity = 64;
  #array: number;

  constructor(memory: Memory, fds: number) {
    super(memory, FDTABLE.size);
    while (this.#capacity < fds) this.#capacity *= 2;
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
