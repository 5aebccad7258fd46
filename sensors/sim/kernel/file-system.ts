import { EACCES, EBUSY, EISDIR, ENOENT, ENOTDIR, EPERM, EROFS } from '../../../engine/maps/index.ts';
import type { Memory } from '../../../engine/vm/index.ts';
import type { Clock } from '../clock.ts';
import { S_IFDIR, S_IFMT, S_ISGID } from '../uapi.ts';
import type { Cred } from './credentials.ts';
import { Dentry } from './dentries.ts';
import type { FoundPaths } from './found-paths.ts';
import { Inode, SuperBlock } from './inodes.ts';
import { Mount, MountNamespace, type Path } from './mounts.ts';
import { MAY_EXEC, MAY_WRITE, type Permissions } from './permissions.ts';

/** s_magic by type (include/uapi/linux/magic.h). */
const MAGIC = {
  ext4: 0xef53,
  tmpfs: 0x0102_1994,
  devtmpfs: 0x0102_1994,
  proc: 0x9fa0,
  sysfs: 0x6265_6572,
  cgroup2: 0x6367_7270,
  sockfs: 0x534f_434b,
  pipefs: 0x5049_5045,
  anon_inodefs: 0x0904_1934,
  nsfs: 0x6e73_6673,
  overlay: 0x794c_7630,
} as const;

export type FileSystemType = keyof typeof MAGIC;

/** Types that mount(2) takes. */
export const isFileSystemType = (type: string): type is FileSystemType => Object.hasOwn(MAGIC, type);

/** First disk's first partition. */
const DISK_DEVICE = (8 << 20) | 1;

/** The files there are: file systems, where they are mounted, and what changes names in them. */
export class FileSystem {
  /** Where `/` is. */
  readonly root: Path;
  readonly #memory: Memory;
  readonly #permissions: Permissions;
  readonly #found: FoundPaths;
  readonly #anonymous = new Map<FileSystemType, Mount>();
  #nextMountId = 21;
  /** The first mount namespace. */
  readonly mountNamespace: MountNamespace;
  #nextDevice = 20;

  readonly #clock: Clock;
  readonly #untold: boolean;

  /** @param untold what kind of file systems there are is not known */
  constructor(memory: Memory, permissions: Permissions, found: FoundPaths, clock: Clock, untold: boolean) {
    this.#memory = memory;
    this.#found = found;
    this.mountNamespace = new MountNamespace(memory);
    this.#permissions = permissions;
    this.#clock = clock;
    this.#untold = untold;
    const disk = this.newSuperBlock('ext4', DISK_DEVICE);
    const mount = this.mount(disk.root, undefined);
    this.mountNamespace.root = mount;
    this.root = { mount, dentry: mount.root };
  }

  /** A new, empty file system. @param dev default an anonymous device number, as file systems without a disk have */
  newSuperBlock(type: FileSystemType, dev = this.#nextDevice++, mode = 0o755): SuperBlock {
    const superBlock = new SuperBlock(
      this.#memory,
      type,
      dev,
      this.#untold ? 0 : MAGIC[type],
      this.#untold ? undefined : this.#clock,
    );
    const inode = new Inode(this.#memory, superBlock, S_IFDIR | mode, 0, 0);
    inode.nlink = 2;
    superBlock.root = new Dentry(this.#memory, '/', undefined, inode);
    return superBlock;
  }

  /** Attaches a tree at a path; @param where undefined where it is mounted nowhere */
  mount(root: Dentry, where: Path | undefined, readOnly = false, source?: string): Mount {
    this.#found.forget();
    const namespace = where?.mount.namespace ?? this.mountNamespace;
    const options = { readOnly, namespace, ...(source === undefined ? {} : { source }) };
    return new Mount(this.#memory, this.#nextMountId++, root, where, options);
  }

  /** Attaches what is mounted below a mount's dentry, that included, at another place (copy_tree of fs/namespace.c). */
  mountTree(from: Path, where: Path | undefined, namespace?: MountNamespace): ReadonlyMap<Mount, Mount> {
    this.#found.forget();
    const copies = new Map<Mount, Mount>();
    const copy = (mount: Mount, root: Dentry, at: Path | undefined): void => {
      const { readOnly, source } = mount;
      const options = { readOnly, source, namespace: namespace ?? at?.mount.namespace ?? mount.namespace };
      const made = new Mount(this.#memory, this.#nextMountId++, root, at, options);
      copies.set(mount, made);
      for (const child of [...mount.children.values()])
        if (isWithin(child.mountpoint, root) && child !== copies.get(mount))
          copy(child, child.root, { mount: made, dentry: child.mountpoint });
    };
    copy(from.mount, from.dentry, where);
    return copies;
  }

  /** A mount namespace like another one, and where the mounts of that one are in it. */
  copyMounts(from: MountNamespace): { readonly mounts: MountNamespace; readonly copies: ReadonlyMap<Mount, Mount> } {
    const mounts = new MountNamespace(this.#memory);
    const top = from.root ?? this.root.mount;
    const copies = this.mountTree({ mount: top, dentry: top.root }, undefined, mounts);
    mounts.root = copies.get(top);
    return { mounts, copies };
  }

  /** Changes what paths lead to from outside: mounts that were moved. */
  forgetPaths(): void {
    this.#found.forget();
  }

  /** Takes a mount out of the tree. */
  unmount(mount: Mount): void {
    this.#found.forget();
    mount.detach();
  }

  /** A file without a directory (memfd, pipe, socket): its dentry is its own parent, on a mount that is its own parent. */
  anonymous(type: FileSystemType, name: string, mode: number, cred: Pick<Cred, 'fsuid' | 'fsgid'>): Path {
    let mount = this.#anonymous.get(type);
    if (!mount) {
      mount = this.mount(this.newSuperBlock(type).root, undefined);
      this.#anonymous.set(type, mount);
    }
    const inode = new Inode(this.#memory, mount.superBlock, mode, cred.fsuid, cred.fsgid);
    inode.nlink = 0;
    const dentry = new Dentry(this.#memory, name, undefined, inode);
    dentry.linked = false;
    return { mount, dentry };
  }

  /** 0, or why somebody can't put a new name into a directory. */
  mayCreate(cred: Cred, parent: Path): number {
    if (!parent.dentry.linked) return -ENOENT;
    if (this.readOnly(parent)) return -EROFS;
    if (parent.dentry.superBlock.type === 'proc' && !this.#permissions.lifted) return -ENOENT;
    return this.#permissions.may(cred, parent.dentry.inode, MAY_WRITE | MAY_EXEC) ? 0 : -EACCES;
  }

  /** 0, or why somebody can't take a name out of a directory (fs/namei.c, may_delete). */
  mayDelete(cred: Cred, parent: Path, victim: Path, wantsDirectory: boolean): number {
    const { inode } = victim.dentry;
    if (this.readOnly(parent)) return -EROFS;
    if (!this.#permissions.may(cred, parent.dentry.inode, MAY_WRITE | MAY_EXEC)) return -EACCES;
    if (this.#permissions.stuck(cred, parent.dentry.inode, inode)) return -EPERM;
    if (wantsDirectory && !inode.isDirectory) return -ENOTDIR;
    if (!wantsDirectory && inode.isDirectory) return -EISDIR;
    return victim.mount === parent.mount && victim.dentry.mounts === 0 ? 0 : -EBUSY;
  }

  readOnly(path: Path): boolean {
    return !this.#permissions.lifted && (path.mount.readOnly || path.dentry.superBlock.readOnly);
  }

  /** A new file under a new name. A directory's setgid bit hands down its group. @param mode type and permission bits */
  create(cred: Cred, parent: Path, name: string, mode: number): Path {
    const directory = parent.dentry.inode;
    const setgid = (directory.mode & S_ISGID) !== 0;
    const isDirectory = (mode & S_IFMT) === S_IFDIR;
    const inode = new Inode(
      this.#memory,
      parent.dentry.superBlock,
      setgid && isDirectory ? mode | S_ISGID : setgid ? this.#withoutGroup(cred, directory, mode) : mode,
      cred.fsuid,
      setgid ? directory.gid : cred.fsgid,
    );
    inode.upper = true;
    if (isDirectory) {
      inode.nlink = 2;
      directory.nlink++;
    }
    return { mount: parent.mount, dentry: this.#enter(parent.dentry, name, inode) };
  }

  /** A new file's mode in a directory that hands down a group its maker is not in (fs/inode.c, mode_strip_sgid). */
  #withoutGroup(cred: Cred, directory: Inode, mode: number): number {
    const setsGroup = (mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010);
    return setsGroup && !this.#permissions.maySetGroupId(cred, directory.gid) ? mode & ~S_ISGID : mode;
  }

  /** Another name for a file. */
  link(inode: Inode, parent: Path, name: string): void {
    inode.nlink++;
    this.#enter(parent.dentry, name, inode);
  }

  /** Takes a name away; the file goes with its last one, once nothing has it open. */
  remove(dentry: Dentry): void {
    if (dentry.inode.followed) this.#found.forgetThrough(dentry);
    dentry.parent.children?.delete(dentry.name);
    dentry.linked = false;
    if (dentry.inode.isDirectory) {
      dentry.inode.nlink = 0;
      dentry.parent.inode.nlink--;
    } else dentry.inode.nlink--;
    dentry.release();
  }

  /** Moves a name; what was at the new one is taken away. */
  move(dentry: Dentry, parent: Dentry, name: string): void {
    const replaced = parent.children?.get(name);
    if (replaced) this.remove(replaced);
    dentry.parent.children?.delete(dentry.name);
    this.#adopt(dentry, parent, name);
  }

  /** Lets two names change places (RENAME_EXCHANGE). */
  exchange(one: Dentry, other: Dentry): void {
    const { parent, name } = one;
    const [otherParent, otherName] = [other.parent, other.name];
    this.#adopt(one, otherParent, otherName);
    this.#adopt(other, parent, name);
  }

  #adopt(dentry: Dentry, parent: Dentry, name: string): void {
    if (dentry.inode.isDirectory) this.#found.forget();
    else if (dentry.inode.followed) this.#found.forgetThrough(dentry);
    dentry.renamed = true;
    if (dentry.inode.isDirectory && dentry.parent !== parent) {
      dentry.parent.inode.nlink--;
      parent.inode.nlink++;
    }
    dentry.parent = parent;
    dentry.name = name;
    parent.children?.set(name, dentry);
  }

  #enter(parent: Dentry, name: string, inode: Inode): Dentry {
    const dentry = new Dentry(this.#memory, name, parent, inode);
    parent.children?.set(name, dentry);
    return dentry;
  }
}

/** Whether a dentry is another one or lies below it, in one file system. */
export const isWithin = (inner: Dentry, outer: Dentry): boolean => {
  for (let at = inner; ; at = at.parent) {
    if (at === outer) return true;
    if (at.parent === at) return false;
  }
};
