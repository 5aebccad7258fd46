import type { Memory } from '../../../engine/vm/index.ts';
import type { Dentry } from './dentries.ts';
import type { SuperBlock } from './inodes.ts';
import { KernelObject, writePointer } from './kernel-object.ts';
import { MNT_NAMESPACE, MOUNT, PATH } from './structs.ts';

/** The mounts that a task sees as one tree (struct mnt_namespace). */
export class MountNamespace extends KernelObject {
  /** Where the tree begins. */
  root: Mount | undefined;

  constructor(memory: Memory) {
    super(memory, MNT_NAMESPACE.size);
  }
}

/** Where a file system's tree is attached (struct mount with its struct vfsmount). */
export class Mount extends KernelObject {
  readonly id: number;
  readonly superBlock: SuperBlock;
  readonly root: Dentry;
  /** What mount(2) was told to mount. */
  readonly source: string;
  readonly namespace: MountNamespace;
  readonly children = new Map<Dentry, Mount>();
  #parent: Mount = this;
  #mountpoint: Dentry;
  #readOnly = false;

  constructor(
    memory: Memory,
    id: number,
    root: Dentry,
    where: Path | undefined,
    options: { readonly namespace: MountNamespace; readonly readOnly?: boolean; readonly source?: string },
  ) {
    super(memory, MOUNT.size);
    this.id = id;
    this.superBlock = root.superBlock;
    this.root = root;
    this.source = options.source ?? root.superBlock.type;
    this.namespace = options.namespace;
    this.#mountpoint = root;
    this.setU32(MOUNT.id, id);
    this.setPointer(MOUNT.mntRoot, root.at);
    this.setPointer(MOUNT.mntSb, root.superBlock.at);
    this.setPointer(MOUNT.namespace, options.namespace.at);
    this.readOnly = options.readOnly ?? false;
    root.pin();
    this.#attach(where);
  }

  /** Itself at the top of the tree and for file systems that are mounted nowhere. */
  get parent(): Mount {
    return this.#parent;
  }

  /** A dentry of the parent's; its own root where it has no parent. */
  get mountpoint(): Dentry {
    return this.#mountpoint;
  }

  get readOnly(): boolean {
    return this.#readOnly;
  }

  set readOnly(readOnly: boolean) {
    this.#readOnly = readOnly;
    this.setU32(MOUNT.mntFlags, readOnly ? MNT_READONLY : 0);
  }

  /** Offset in memory of the embedded struct vfsmount, which paths point to. */
  get vfsAt(): number {
    return this.at + MOUNT.mnt;
  }

  /** Takes it out of the tree (umount_tree of fs/namespace.c). Its structure stays: files that are open on it still point there. */
  detach(): void {
    if (this.#parent === this) return;
    this.#leave();
    this.#attach(undefined);
    this.setPointer(MOUNT.namespace, 0);
  }

  /** Attaches it, with all below it, at another place; undefined makes it the top of its tree. */
  moveTo(where: Path | undefined): void {
    if (this.#parent !== this) this.#leave();
    this.#attach(where);
  }

  #leave(): void {
    this.#parent.children.delete(this.#mountpoint);
    this.#mountpoint.mounts--;
    this.#mountpoint.unpin();
  }

  #attach(where: Path | undefined): void {
    this.#parent = where?.mount ?? this;
    this.#mountpoint = where?.dentry ?? this.root;
    this.setPointer(MOUNT.parent, this.#parent.at);
    this.setPointer(MOUNT.mountpoint, this.#mountpoint.at);
    if (!where) return;
    where.mount.children.set(where.dentry, this);
    where.dentry.mounts++;
    where.dentry.pin();
  }
}

/** A mount and all below it, each after the one it is attached to. */
export const mountsBelow = (mount: Mount): readonly Mount[] => [
  mount,
  ...[...mount.children.values()].flatMap((child) => mountsBelow(child)),
];

/** include/linux/mount.h */
const MNT_READONLY = 0x40;

/** A file or directory as the kernel names it (struct path). */
export interface Path {
  readonly mount: Mount;
  readonly dentry: Dentry;
}

/** Whether two paths name the same. */
export const isSamePath = (one: Path, other: Path): boolean =>
  one === other || (one.dentry === other.dentry && one.mount === other.mount);

/** Writes a struct path at offset `at`. */
export const writePath = (memory: Memory, at: number, path: Path): void => {
  writePointer(memory, at + PATH.mnt, path.mount.vfsAt);
  writePointer(memory, at + PATH.dentry, path.dentry.at);
};

/** Names from a root down to a file, and whether the root was reached. */
const namesFrom = (root: Path | undefined, path: Path): { readonly text: string; readonly reached: boolean } => {
  const names: string[] = [];
  let { mount, dentry } = path;
  for (;;) {
    if (dentry === root?.dentry && mount === root.mount)
      return { text: `/${names.reverse().join('/')}`, reached: true };
    if (dentry === mount.root) {
      if (mount.parent === mount) break;
      dentry = mount.mountpoint;
      mount = mount.parent;
    } else {
      if (dentry.parent === dentry) {
        names.push(dentry.name);
        break;
      }
      names.push(dentry.name);
      dentry = dentry.parent;
    }
  }
  return { text: `/${names.reverse().join('/')}`, reached: false };
};

/** The path as text, from the root of the mount tree; a memfd's is `/memfd:NAME`. */
export const pathText = (path: Path): string => namesFrom(undefined, path).text;

/** The same with ` (deleted)` after what has no name any more, as d_path gives it. */
export const describePath = (path: Path): string =>
  path.dentry.linked ? pathText(path) : `${pathText(path)} (deleted)`;

/** The path as text from a task's root, as getcwd gives it. */
export const pathFrom = (root: Path, path: Path): string => {
  const { text, reached } = namesFrom(root, path);
  return reached ? text : `(unreachable)${text}`;
};
