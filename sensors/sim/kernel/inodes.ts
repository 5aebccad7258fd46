import type { Memory } from '../../../engine/vm/index.ts';
import type { Clock } from '../clock.ts';
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../uapi.ts';
import type { Dentry } from './dentries.ts';
import { KernelObject } from './kernel-object.ts';
import type { Path } from './mounts.ts';
import type { Namespace } from './namespaces.ts';
import type { Pipe } from './pipes.ts';
import type { Socket } from './sockets.ts';
import { INODE, SUPER_BLOCK } from './structs.ts';

/** A file system (struct super_block). */
export class SuperBlock extends KernelObject {
  /** `ext4`, `tmpfs`, `proc`. */
  readonly type: string;
  /** Device number as the kernel encodes it: major << 20 | minor. */
  readonly dev: number;
  /** That its files' times are from; undefined where they are not known. */
  readonly clock: Clock | undefined;
  readOnly = false;
  #root: Dentry | undefined;
  #nextInode = 2;

  constructor(memory: Memory, type: string, dev: number, magic: number, clock: Clock | undefined) {
    super(memory, SUPER_BLOCK.size);
    this.type = type;
    this.dev = dev;
    this.clock = clock;
    this.setU32(SUPER_BLOCK.dev, dev);
    this.setU64(SUPER_BLOCK.magic, magic);
  }

  get root(): Dentry {
    if (!this.#root) throw new Error(`the ${this.type} file system has no root yet`);
    return this.#root;
  }

  set root(root: Dentry) {
    this.#root = root;
    this.setPointer(SUPER_BLOCK.root, root.at);
  }

  nextInode(): number {
    return this.#nextInode++;
  }
}

const EMPTY = new Uint8Array(0);
/** Bytes of the pointer behind the inode of an overlay's file. */
const UPPER_BYTES = 8;

/** A file (struct inode), whatever names it has. */
export class Inode extends KernelObject {
  readonly ino: number;
  readonly superBlock: SuperBlock;
  /** Dentries there are of it, unlinked ones included. */
  dentries = 0;
  /** Made by O_TMPFILE: it may get a first name. */
  linkable = false;
  /** Files that are open on it for writing. */
  writers = 0;
  /** A symbolic link's target. */
  target = '';
  /** Of a symbolic link: a path was found through it. */
  followed = false;
  /** Of a magic link (/proc/PID/exe): where it leads, whatever its text, and the text. */
  magic: { readonly follow: () => Path | undefined; readonly text: () => string } | undefined;
  /** Of a file whose content is made when it is read (/proc). */
  generate: (() => string) | undefined;
  /** Of a directory whose names come and go by themselves (/proc): the entry of a name, made if it is missing. */
  lookup: ((name: string) => Dentry | undefined) | undefined;
  /** The same for all names there are. */
  populate: (() => void) | undefined;
  /** The Unix socket that is bound to it. */
  socket: Socket | undefined;
  pipe: Pipe | undefined;
  /** What a file of nsfs stands for. */
  namespace: Namespace | undefined;
  #data: Uint8Array = EMPTY;
  /** The content is bytes that others have, too: they are copied before they are changed. */
  #isShared = false;

  constructor(memory: Memory, superBlock: SuperBlock, mode: number, uid: number, gid: number) {
    super(memory, superBlock.type === 'overlay' ? INODE.size + UPPER_BYTES : INODE.size);
    this.superBlock = superBlock;
    this.ino = superBlock.nextInode();
    this.setU64(INODE.ino, this.ino);
    this.setPointer(INODE.sb, superBlock.at);
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.nlink = 1;
    this.#changed(true);
  }

  /** Type and permission bits. */
  get mode(): number {
    return this.u16(INODE.mode);
  }

  set mode(mode: number) {
    this.setU16(INODE.mode, mode);
    this.#changed(false);
  }

  get uid(): number {
    return this.u32(INODE.uid);
  }

  set uid(uid: number) {
    this.setU32(INODE.uid, uid);
    this.#changed(false);
  }

  get gid(): number {
    return this.u32(INODE.gid);
  }

  set gid(gid: number) {
    this.setU32(INODE.gid, gid);
  }

  get nlink(): number {
    return this.u32(INODE.nlink);
  }

  set nlink(nlink: number) {
    this.setU32(INODE.nlink, nlink);
    this.#changed(false);
  }

  get rdev(): number {
    return this.u32(INODE.rdev);
  }

  set rdev(rdev: number) {
    this.setU32(INODE.rdev, rdev);
  }

  get size(): number {
    return this.u64(INODE.fileSize);
  }

  /** Of a file of an overlay: it lies in the upper layer (struct ovl_inode has the upper dentry behind the inode). */
  set upper(upper: boolean) {
    if (this.superBlock.type === 'overlay') this.setPointer(INODE.size, upper ? this.at : 0);
  }

  get layer(): 'upper' | 'lower' | 'none' {
    if (this.superBlock.type !== 'overlay') return 'none';
    return this.u32(INODE.size) === 0 ? 'lower' : 'upper';
  }

  /** When it and its content were last changed: nanoseconds since 1970. */
  get times(): { readonly changed: bigint; readonly modified: bigint } {
    const time = (seconds: number, nanoseconds: number): bigint =>
      BigInt(this.u64(seconds)) * 1_000_000_000n + BigInt(this.u32(nanoseconds));
    return {
      changed: time(INODE.changed, INODE.changedNs),
      modified: time(INODE.modified, INODE.modifiedNs),
    };
  }

  get type(): number {
    return this.mode & S_IFMT;
  }

  get isDirectory(): boolean {
    return this.type === S_IFDIR;
  }

  get isRegular(): boolean {
    return this.type === S_IFREG;
  }

  get isLink(): boolean {
    return this.type === S_IFLNK;
  }

  get isPipe(): boolean {
    return this.type === S_IFIFO;
  }

  get isSocket(): boolean {
    return this.type === S_IFSOCK;
  }

  /** A view of the content. */
  get data(): Uint8Array {
    return this.#data.subarray(0, this.size);
  }

  /** A view of its first bytes. */
  head(length: number): Uint8Array {
    return this.#data.subarray(0, Math.min(length, this.size));
  }

  /** Whether the content begins with a text. @param text ASCII */
  startsWith(text: string): boolean {
    if (this.size < text.length) return false;
    for (let index = 0; index < text.length; index++) if (this.#data[index] !== text.charCodeAt(index)) return false;
    return true;
  }

  /** Writes into the content, with zeros in a gap before it. */
  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length;
    if (end > this.#data.length || this.#isShared) this.#copy(Math.max(end, this.#data.length * 2, 64));
    this.#data.set(bytes, position);
    if (end > this.size) this.setU64(INODE.fileSize, end);
    this.upper = true;
    this.#changed(true);
  }

  /** Cuts the content, or fills it up with zeros. */
  truncate(length: number): void {
    const size = this.size;
    if (length === 0) {
      this.#data = EMPTY;
      this.#isShared = false;
    } else if (length < size) {
      if (this.#isShared) this.#copy(size);
      this.#data.fill(0, length, size);
    } else if (length > this.#data.length) {
      this.#copy(length);
    }
    this.setU64(INODE.fileSize, length);
    this.upper = true;
    this.#changed(true);
  }

  /** Takes bytes that nobody changes for its content, instead of a copy of them. */
  share(bytes: Uint8Array): void {
    this.#data = bytes;
    this.#isShared = true;
    this.setU64(INODE.fileSize, bytes.length);
    this.upper = true;
    this.#changed(true);
  }

  /** Has the content in bytes of its own, with room for so many. */
  #copy(capacity: number): void {
    const bytes = new Uint8Array(capacity);
    bytes.set(this.data);
    this.#data = bytes;
    this.#isShared = false;
  }

  /** Notes when it was changed, or its content was. */
  #changed(content: boolean): void {
    const { clock } = this.superBlock;
    if (clock === undefined) return;
    const { seconds, nanoseconds } = clock.now;
    this.setU64(INODE.changed, seconds);
    this.setU32(INODE.changedNs, nanoseconds);
    if (!content) return;
    this.setU64(INODE.modified, seconds);
    this.setU32(INODE.modifiedNs, nanoseconds);
  }

  /** Frees it once it has no name and no dentry. */
  release(): void {
    if (this.dentries === 0 && this.nlink === 0) this.free();
  }
}
