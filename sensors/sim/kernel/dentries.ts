import type { Memory } from '../../../engine/vm/index.ts';
import type { Inode, SuperBlock } from './inodes.ts';
import { encodeText, isPlain, KernelObject } from './kernel-object.ts';
import { DENTRY } from './structs.ts';

/** A name in a directory (struct dentry). There are no negative ones: a name that isn't there has no dentry. */
export class Dentry extends KernelObject {
  readonly superBlock: SuperBlock;
  readonly inode: Inode;
  /** Of a directory, its entries in the order they came. */
  readonly children: Map<string, Dentry> | undefined;
  /** Mounts that sit on it. */
  mounts = 0;
  /** Still in its directory; false once it is unlinked. */
  linked = true;
  /** It had another name or place. */
  renamed = false;
  /** It comes and goes by itself (/proc/PID). */
  isFleeting = false;
  #name = '';
  #parent: Dentry;
  #pins = 0;
  #longName: { readonly at: number; readonly size: number } | undefined;

  /** @param parent undefined for a root and for anonymous files: it is then its own parent. */
  constructor(memory: Memory, name: string, parent: Dentry | undefined, inode: Inode) {
    super(memory, DENTRY.size);
    this.superBlock = inode.superBlock;
    this.inode = inode;
    this.children = inode.isDirectory ? new Map() : undefined;
    this.#parent = parent ?? this;
    this.setPointer(DENTRY.inode, inode.at);
    this.setPointer(DENTRY.sb, inode.superBlock.at);
    this.parent = this.#parent;
    this.name = name;
    inode.dentries++;
  }

  get name(): string {
    return this.#name;
  }

  /** As the kernel does, a short name lies in the dentry itself and a long one outside. */
  set name(name: string) {
    this.#name = name;
    this.#freeLongName();
    if (name.length < DENTRY.inlineNameSize && isPlain(name)) {
      const { bytes } = this.memory;
      const start = this.at + DENTRY.inlineName;
      for (let index = 0; index < name.length; index++) bytes[start + index] = name.charCodeAt(index);
      bytes[start + name.length] = 0;
      this.setPointer(DENTRY.name, start);
      this.setU32(DENTRY.nameLength, name.length);
      return;
    }
    const bytes = encodeText(name);
    let at = this.at + DENTRY.inlineName;
    if (bytes.length >= DENTRY.inlineNameSize) {
      const size = bytes.length + 1;
      at = this.memory.allocate(size);
      this.#longName = { at, size };
    }
    this.memory.bytes.set(bytes, at);
    this.memory.bytes[at + bytes.length] = 0;
    this.setPointer(DENTRY.name, at);
    this.setU32(DENTRY.nameLength, bytes.length);
  }

  get parent(): Dentry {
    return this.#parent;
  }

  set parent(parent: Dentry) {
    this.#parent = parent;
    this.setPointer(DENTRY.parent, parent.at);
  }

  /** Something (an open file, a working directory, a mount) refers to it from now on. */
  pin(): void {
    this.#pins++;
  }

  unpin(): void {
    this.#pins--;
    this.release();
  }

  /** Frees it once it is unlinked and nothing refers to it. */
  release(): void {
    if (this.linked || this.#pins > 0) return;
    this.#freeLongName();
    this.inode.dentries--;
    this.inode.release();
    this.free();
  }

  #freeLongName(): void {
    if (!this.#longName) return;
    this.memory.free(this.#longName.at, this.#longName.size);
    this.#longName = undefined;
  }
}
