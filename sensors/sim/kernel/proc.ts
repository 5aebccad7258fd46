import type { Memory } from '../../../engine/vm/index.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../uapi.ts';
import type { CapabilitySet } from './credentials.ts';
import { Dentry } from './dentries.ts';
import { Inode, type SuperBlock } from './inodes.ts';
import { decodeText } from './kernel-object.ts';
import { describePath, type Mount, mountsBelow, type Path, pathFrom } from './mounts.ts';
import type { PidNamespace } from './pids.ts';
import type { Task } from './tasks.ts';

/** How file descriptors look that have no path (fs/d_path.c, simple_dname and its like). */
const describe = (path: Path | undefined): string => {
  if (!path) return '';
  const { inode } = path.dentry;
  if (inode.namespace !== undefined) return `${inode.namespace.type}:[${inode.ino}]`;
  if (inode.isPipe && path.dentry.name === '') return `pipe:[${inode.ino}]`;
  if (inode.isSocket && path.dentry.name === '') return `socket:[${inode.ino}]`;
  return describePath(path);
};

const commandLine = (task: Task): string => task.argv.map((argument) => `${argument}\0`).join('');

/** The number of a host's pid where somebody looks. */
type Numbers = (pid: number) => number;

/** A capability set as status shows it. */
const mask = ({ low, high }: CapabilitySet): string =>
  (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0');

const status = (task: Task, number: Numbers): string => {
  const { uid, euid, suid, fsuid, gid, egid, sgid, fsgid, inheritable, permitted, effective, kept } = task.cred;
  const numbers: number[] = [];
  for (let at: PidNamespace | undefined = task.group.namespace; at; at = at.above)
    numbers.unshift(at.numberOf(task.pid) ?? 0);
  return [
    `Name:\t${task.comm}`,
    `State:\t${task.alive ? 'S (sleeping)' : 'Z (zombie)'}`,
    `Tgid:\t${number(task.tgid)}`,
    `Pid:\t${number(task.pid)}`,
    `PPid:\t${task.parent ? number(task.parent.tgid) : 0}`,
    `TracerPid:\t${task.tracer ? number(task.tracer.tgid) : 0}`,
    `Uid:\t${uid}\t${euid}\t${suid}\t${fsuid}`,
    `Gid:\t${gid}\t${egid}\t${sgid}\t${fsgid}`,
    `NSpid:\t${numbers.join('\t')}`,
    `Threads:\t${task.group.live}`,
    `CapInh:\t${mask(inheritable)}`,
    `CapPrm:\t${mask(permitted)}`,
    `CapEff:\t${mask(effective)}`,
    `CapBnd:\t${mask(kept.bounding)}`,
    '',
  ].join('\n');
};

/** What is mounted below a task's root, as its mounts file lists it: oldest first. */
const mountsOf = (task: Task): string => {
  const top = task.namespaces.of.mnt.mounts?.root;
  if (!top || !task.alive) return '';
  const lines = [...mountsBelow(top)]
    .sort((one, other) => one.id - other.id)
    .map((mount) => ({ mount, path: pathFrom(task.fs.root, { mount, dentry: mount.root }) }))
    .filter(({ path }) => !path.startsWith('(unreachable)'))
    .map(({ mount, path }) => `${mount.source} ${path} ${mount.superBlock.type} ${mount.readOnly ? 'ro' : 'rw'} 0 0\n`);
  return lines.join('');
};

/** Files of a process: name, permission bits, content. */
const FILES: readonly (readonly [name: string, mode: number, content: (task: Task, number: Numbers) => string])[] = [
  ['cmdline', 0o444, commandLine],
  ['comm', 0o644, (task) => `${task.comm}\n`],
  ['environ', 0o400, (task) => decodeText(task.mm?.environment ?? new Uint8Array(0))],
  ['status', 0o444, status],
  ['maps', 0o444, (task) => `${task.mm ? describePath(task.mm.exeFile.path) : ''}\n`],
  ['mem', 0o600, () => ''],
  ['mounts', 0o444, mountsOf],
  ['cgroup', 0o444, (task) => `0::${task.cgroup}\n`],
  ['loginuid', 0o644, (task) => String(task.loginuid)],
];

/** Links of a process: name, where it leads. */
const LINKS: readonly (readonly [name: string, follow: (task: Task) => Path | undefined])[] = [
  ['exe', (task) => task.mm?.exeFile.path],
  ['cwd', (task) => (task.alive ? task.fs.cwd : undefined)],
  ['root', (task) => (task.alive ? task.fs.root : undefined)],
];

/** What /proc/PID/ns has: name, and the file of the namespace it leads to. */
const NAMESPACE_FILES: readonly (readonly [name: string, follow: (task: Task) => Path | undefined])[] = [
  ...(['cgroup', 'ipc', 'mnt', 'net'] as const).map(
    (type) => [type, ({ namespaces }: Task): Path => namespaces.of[type].path] as const,
  ),
  ['pid', ({ group }) => group.namespace.path],
  ['pid_for_children', ({ namespaces }) => namespaces.of.pid.path],
  ['user', ({ namespaces }) => namespaces.of.user.path],
  ['uts', ({ namespaces }) => namespaces.of.uts.path],
];

/** The /proc file system of a pid namespace: a directory for each process, made when somebody looks for it. */
class Proc {
  readonly #memory: Memory;
  readonly #superBlock: SuperBlock;
  readonly #tasks: ReadonlyMap<number, Task>;
  readonly #namespace: PidNamespace;
  #mount: Mount | undefined;

  /** @param superBlock an empty file system of type proc; @param namespace whose numbers it has */
  constructor(
    memory: Memory,
    superBlock: SuperBlock,
    tasks: ReadonlyMap<number, Task>,
    namespace: PidNamespace,
    current: () => Task | undefined,
  ) {
    this.#memory = memory;
    this.#superBlock = superBlock;
    this.#tasks = tasks;
    this.#namespace = namespace;
    const { root } = superBlock;
    const own = (): string => String(this.#number(current()?.tgid ?? 0) || '');
    const self = (): Path | undefined => this.#pathOf(current());
    this.#link(root, 'self', self, own);
    this.#link(root, 'thread-self', self, () => `${own()}/task/${this.#number(current()?.pid ?? 0)}`);
    root.inode.lookup = (name) => this.#process(name) ?? root.children?.get(name);
    root.inode.populate = () => {
      for (const task of tasks.values())
        if (task.leader === task && this.#number(task.pid) > 0) this.#process(String(this.#number(task.pid)));
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
    const name = String(this.#number(pid));
    const directory = children?.get(name);
    if (!directory) return;
    children?.delete(name);
    this.#drop(directory);
  }

  readonly #number: Numbers = (pid) => (pid === 0 ? 0 : (this.#namespace.numberOf(pid) ?? 0));

  #pathOf(task: Task | undefined): Path | undefined {
    const dentry = task && this.#process(String(this.#number(task.tgid)));
    return dentry && this.#mount && { mount: this.#mount, dentry };
  }

  #process(name: string): Dentry | undefined {
    const pid = /^[1-9]\d*$/.test(name) ? this.#namespace.pidOf(Number(name)) : undefined;
    const task = pid === undefined ? undefined : this.#tasks.get(pid);
    if (!task) return undefined;
    const { root } = this.#superBlock;
    const known = root.children?.get(name);
    if (known) {
      this.#own(known, task);
      return known;
    }
    const directory = this.#add(root, name, S_IFDIR | 0o555);
    directory.isFleeting = true;
    for (const [file, mode, content] of FILES)
      this.#add(directory, file, S_IFREG | mode).inode.generate = () => content(task, this.#number);
    for (const [link, follow] of LINKS)
      this.#link(
        directory,
        link,
        () => follow(task),
        () => describe(follow(task)),
      );
    const namespaces = this.#add(directory, 'ns', S_IFDIR | 0o511);
    for (const [name, follow] of NAMESPACE_FILES)
      this.#link(
        namespaces,
        name,
        () => follow(task),
        () => `${name.replace(/_.*/, '')}:[${follow(task)?.dentry.inode.ino}]`,
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
    const known = parent.children?.get(fd);
    if (known) return known;
    const link = this.#link(parent, fd, file, () => describe(file()));
    link.isFleeting = true;
    return link;
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

/** The /proc file systems there are: one for each pid namespace that somebody mounts one in. */
export class ProcFileSystems {
  readonly #make: (namespace: PidNamespace) => Proc;
  readonly #all = new Map<PidNamespace, Proc>();

  constructor(
    memory: Memory,
    newSuperBlock: () => SuperBlock,
    tasks: ReadonlyMap<number, Task>,
    current: () => Task | undefined,
  ) {
    this.#make = (namespace) => new Proc(memory, newSuperBlock(), tasks, namespace, current);
  }

  /** That of a pid namespace. */
  of(namespace: PidNamespace): Pick<Proc, 'superBlock' | 'mount'> {
    const proc = this.#all.get(namespace) ?? this.#make(namespace);
    this.#all.set(namespace, proc);
    return proc;
  }

  /** A task is gone. */
  forget(pid: number): void {
    for (const proc of this.#all.values()) proc.forget(pid);
  }
}
