import type { Memory } from '../../../engine/vm/index.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../uapi.ts';
import { Dentry } from './dentries.ts';
import { Inode, type SuperBlock } from './inodes.ts';
import { decodeText } from './kernel-object.ts';
import { describePath, type Mount, type Path } from './mounts.ts';
import type { Task } from './tasks.ts';

/** How file descriptors look that have no path (fs/d_path.c, simple_dname and its like). */
const describe = (path: Path | undefined): string => {
  if (!path) return '';
  const { inode } = path.dentry;
  if (inode.isPipe && path.dentry.name === '') return `pipe:[${inode.ino}]`;
  if (inode.isSocket && path.dentry.name === '') return `socket:[${inode.ino}]`;
  return describePath(path);
};

const commandLine = (task: Task): string => task.argv.map((argument) => `${argument}\0`).join('');

const status = (task: Task): string => {
  const { uid, euid, suid, fsuid, gid, egid, sgid, fsgid } = task.cred;
  return [
    `Name:\t${task.comm}`,
    `State:\t${task.alive ? 'S (sleeping)' : 'Z (zombie)'}`,
    `Tgid:\t${task.tgid}`,
    `Pid:\t${task.pid}`,
    `PPid:\t${task.parent?.tgid ?? 0}`,
    `TracerPid:\t${task.tracer?.tgid ?? 0}`,
    `Uid:\t${uid}\t${euid}\t${suid}\t${fsuid}`,
    `Gid:\t${gid}\t${egid}\t${sgid}\t${fsgid}`,
    `Threads:\t${task.group.live}`,
    '',
  ].join('\n');
};

/** Files of a process: name, permission bits, content. */
const FILES: readonly (readonly [name: string, mode: number, content: (task: Task) => string])[] = [
  ['cmdline', 0o444, commandLine],
  ['comm', 0o644, (task) => `${task.comm}\n`],
  ['environ', 0o400, (task) => decodeText(task.mm?.environment ?? new Uint8Array(0))],
  ['status', 0o444, status],
  ['maps', 0o444, (task) => `${task.mm ? describePath(task.mm.exeFile.path) : ''}\n`],
  ['mem', 0o600, () => ''],
  ['cgroup', 0o444, (task) => `0::${task.cgroup}\n`],
  ['loginuid', 0o644, (task) => String(task.loginuid)],
];

/** Links of a process: name, where it leads. */
const LINKS: readonly (readonly [name: string, follow: (task: Task) => Path | undefined])[] = [
  ['exe', (task) => task.mm?.exeFile.path],
  ['cwd', (task) => (task.alive ? task.fs.cwd : undefined)],
  ['root', (task) => (task.alive ? task.fs.root : undefined)],
];

/** The /proc file system: a directory for each process, made when somebody looks for it. */
export class Proc {
  readonly #memory: Memory;
  readonly #superBlock: SuperBlock;
  readonly #tasks: ReadonlyMap<number, Task>;
  readonly #namespaces: ReadonlyMap<string, Path>;
  #mount: Mount | undefined;

  /** @param superBlock an empty file system of type proc; @param namespaces the file of each by its name in /proc/PID/ns */
  constructor(
    memory: Memory,
    superBlock: SuperBlock,
    tasks: ReadonlyMap<number, Task>,
    namespaces: ReadonlyMap<string, Path>,
    current: () => Task | undefined,
  ) {
    this.#memory = memory;
    this.#superBlock = superBlock;
    this.#tasks = tasks;
    this.#namespaces = namespaces;
    const { root } = superBlock;
    const self = (): Path | undefined => this.#pathOf(current()?.tgid);
    this.#link(root, 'self', self, () => String(current()?.tgid ?? ''));
    this.#link(root, 'thread-self', self, () => `${current()?.tgid}/task/${current()?.pid}`);
    root.inode.lookup = (name) => this.#process(name) ?? root.children?.get(name);
    root.inode.populate = () => {
      for (const task of tasks.values()) if (task.leader === task) this.#process(String(task.pid));
    };
  }

  get superBlock(): SuperBlock {
    return this.#superBlock;
  }

  /** Where it is mounted; `self` leads there. */
  set mount(mount: Mount) {
    this.#mount = mount;
  }

  /** A process is gone. */
  forget(pid: number): void {
    const { children } = this.#superBlock.root;
    const directory = children?.get(String(pid));
    if (!directory) return;
    children?.delete(String(pid));
    this.#drop(directory);
  }

  #pathOf(pid: number | undefined): Path | undefined {
    const dentry = pid === undefined ? undefined : this.#process(String(pid));
    return dentry && this.#mount && { mount: this.#mount, dentry };
  }

  #process(name: string): Dentry | undefined {
    const task = /^[1-9]\d*$/.test(name) ? this.#tasks.get(Number(name)) : undefined;
    if (!task) return undefined;
    const { root } = this.#superBlock;
    const known = root.children?.get(name);
    if (known) {
      this.#own(known, task);
      return known;
    }
    const directory = this.#add(root, name, S_IFDIR | 0o555);
    for (const [file, mode, content] of FILES)
      this.#add(directory, file, S_IFREG | mode).inode.generate = () => content(task);
    for (const [link, follow] of LINKS)
      this.#link(
        directory,
        link,
        () => follow(task),
        () => describe(follow(task)),
      );
    const namespaces = this.#add(directory, 'ns', S_IFDIR | 0o511);
    for (const [type, path] of this.#namespaces)
      this.#link(
        namespaces,
        type,
        () => path,
        () => `${type}:[${path.dentry.inode.ino}]`,
      );
    const descriptors = this.#add(directory, 'fd', S_IFDIR | 0o500);
    descriptors.inode.lookup = (fd) => this.#descriptor(descriptors, task, fd);
    descriptors.inode.populate = () => {
      for (const fd of task.fds) this.#descriptor(descriptors, task, String(fd));
    };
    this.#own(directory, task);
    return directory;
  }

  #descriptor(parent: Dentry, task: Task, fd: string): Dentry | undefined {
    const file = (): Path | undefined => (/^\d+$/.test(fd) ? task.files.get(Number(fd))?.path : undefined);
    if (!file()) return undefined;
    return parent.children?.get(fd) ?? this.#link(parent, fd, file, () => describe(file()));
  }

  #own(directory: Dentry, task: Task): void {
    const { euid, egid } = task;
    for (const dentry of [directory, ...(directory.children?.values() ?? [])]) {
      dentry.inode.uid = euid;
      dentry.inode.gid = egid;
    }
  }

  #link(parent: Dentry, name: string, follow: () => Path | undefined, text: () => string): Dentry {
    const dentry = this.#add(parent, name, S_IFLNK | 0o777);
    dentry.inode.magic = { follow, text };
    return dentry;
  }

  #add(parent: Dentry, name: string, mode: number): Dentry {
    const dentry = new Dentry(this.#memory, name, parent, new Inode(this.#memory, this.#superBlock, mode, 0, 0));
    parent.children?.set(name, dentry);
    return dentry;
  }

  #drop(dentry: Dentry): void {
    for (const child of dentry.children?.values() ?? []) this.#drop(child);
    dentry.children?.clear();
    dentry.inode.lookup = undefined;
    dentry.inode.nlink = 0;
    dentry.linked = false;
    dentry.release();
  }
}
