import type { Memory } from '../../../engine/vm/index.ts';
import type { Dentry } from './dentries.ts';
import type { SuperBlock } from './inodes.ts';
import { KernelObject, writePointer } from './kernel-object.ts';
import { MOUNT, PATH } from './structs.ts';

/** Where a file system's tree is attached (struct mount with its struct vfsmount). */
export class Mount extends KernelObject {
  readonly superBlock: SuperBlock;
  readonly root: Dentry;
  /** Itself at the top of the tree and for file systems that are mounted nowhere. */
  readonly parent: Mount;
  /** A dentry of the parent's; its own root where it has no parent. */
  readonly mountpoint: Dentry;
  readonly children = new Map<Dentry, Mount>();
  readonly readOnly: boolean;

  constructor(
    memory: Memory,
    id: number,
    root: Dentry,
    where: Path | undefined,
    options: { readonly namespace: number; readonly readOnly?: boolean },
  ) {
    super(memory, MOUNT.size);
    this.superBlock = root.superBlock;
    this.root = root;
    this.parent = where?.mount ?? this;
    this.mountpoint = where?.dentry ?? root;
    this.readOnly = options.readOnly ?? false;
    this.setU32(MOUNT.id, id);
    this.setPointer(MOUNT.parent, this.parent.at);
    this.setPointer(MOUNT.mountpoint, this.mountpoint.at);
    this.setPointer(MOUNT.mntRoot, root.at);
    this.setPointer(MOUNT.mntSb, root.superBlock.at);
    this.setPointer(MOUNT.namespace, options.namespace);
    this.setU32(MOUNT.mntFlags, this.readOnly ? MNT_READONLY : 0);
    root.pin();
    if (where) {
      where.mount.children.set(where.dentry, this);
      where.dentry.mounts++;
      where.dentry.pin();
    }
  }

  /** Offset in memory of the embedded struct vfsmount, which paths point to. */
  get vfsAt(): number {
    return this.at + MOUNT.mnt;
  }

  /** Takes it out of the tree (umount_tree of fs/namespace.c). Its structure stays: files that are open on it still point there. */
  detach(): void {
    if (this.parent === this) return;
    this.parent.children.delete(this.mountpoint);
    this.mountpoint.mounts--;
    this.setPointer(MOUNT.parent, this.at);
    this.setPointer(MOUNT.mountpoint, this.root.at);
    this.setPointer(MOUNT.namespace, 0);
  }
}

/** include/linux/mount.h */
const MNT_READONLY = 0x40;

/** A file or directory as the kernel names it (struct path). */
export interface Path {
  readonly mount: Mount;
  readonly dentry: Dentry;
}

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
