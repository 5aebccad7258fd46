import type { Memory } from '../../../engine/vm/index.ts';
import { S_IFREG } from '../uapi.ts';
import type { FileSystem } from './file-system.ts';
import { KernelObject } from './kernel-object.ts';
import type { Mount, MountNamespace, Path } from './mounts.ts';
import { PidNamespace } from './pids.ts';
import { NSPROXY } from './structs.ts';

/** Kinds of namespaces, as /proc/PID/ns names them, with clone's flag for a new one (namespaces(7)). */
export const NAMESPACE_FLAGS = {
  cgroup: 0x0200_0000,
  ipc: 0x0800_0000,
  mnt: 0x0002_0000,
  net: 0x4000_0000,
  pid: 0x2000_0000,
  user: 0x1000_0000,
  uts: 0x0400_0000,
} as const;
export type NamespaceType = keyof typeof NAMESPACE_FLAGS;
const TYPES = Object.keys(NAMESPACE_FLAGS) as readonly NamespaceType[];
/** Every flag for a new namespace. */
export const NEW_NAMESPACES = Object.values(NAMESPACE_FLAGS).reduce<number>((all, flag) => all | flag, 0);

/** A namespace: what it is told apart by, whose it is, and of some kinds what is in it. */
export interface Namespace {
  readonly type: NamespaceType;
  /** The file that /proc/PID/ns leads to. */
  readonly path: Path;
  /** The user namespace it was made in; undefined for the first user namespace. */
  readonly owner: Namespace | undefined;
  /** Of a user namespace: the user who made it, whose it is from outside. */
  readonly madeBy: number;
  /** Of a mount namespace. */
  readonly mounts: MountNamespace | undefined;
  /** Of a pid namespace. */
  readonly pids: PidNamespace | undefined;
  /** Of a UTS namespace: names of the host and its domain, as calls set them. */
  readonly names: { host?: string; domain?: string };
}

/** How many user namespaces may lie in one another (user_namespaces(7)). */
const MOST_LEVELS = 32;

/** Whether a user namespace is another one or lies below it. */
export const isBelow = (inner: Namespace, outer: Namespace): boolean => {
  for (let at: Namespace | undefined = inner; at; at = at.owner) if (at === outer) return true;
  return false;
};

/** Whether no further user namespace may lie in this one. */
export const isDeepest = (user: Namespace): boolean => {
  let levels = 0;
  for (let at = user.owner; at; at = at.owner) levels++;
  return levels >= MOST_LEVELS;
};

/** The namespaces that a task is in, one of each kind (struct nsproxy; the user namespace goes with its credentials). Never changes. */
export class NamespaceSet extends KernelObject {
  readonly of: Readonly<Record<NamespaceType, Namespace>>;
  #users = 1;

  constructor(memory: Memory, of: Readonly<Record<NamespaceType, Namespace>>) {
    super(memory, NSPROXY.size);
    this.of = of;
    this.setPointer(NSPROXY.pid, of.pid.pids?.at ?? 0);
  }

  /** The same with other namespaces in the places of some. */
  with(changed: Partial<Record<NamespaceType, Namespace>>): NamespaceSet {
    return new NamespaceSet(this.memory, { ...this.of, ...changed });
  }

  share(): NamespaceSet {
    this.#users++;
    return this;
  }

  release(): void {
    if (--this.#users === 0) this.free();
  }
}

/** Makes namespaces; the first of each kind are there from the beginning. */
export class Namespaces {
  /** What the host's own processes are in. */
  readonly initial: NamespaceSet;
  readonly #memory: Memory;
  readonly #files: FileSystem;

  constructor(memory: Memory, files: FileSystem, untold: boolean) {
    this.#memory = memory;
    this.#files = files;
    const user = this.#make('user', undefined);
    const first = (type: NamespaceType): Namespace => {
      if (type === 'user') return user;
      if (type === 'pid') return this.#make(type, user, { pids: new PidNamespace(memory, undefined, untold) });
      return this.#make(type, user, type === 'mnt' ? { mounts: files.mountNamespace } : {});
    };
    const of = Object.fromEntries(TYPES.map((type) => [type, first(type)])) as Record<NamespaceType, Namespace>;
    this.initial = new NamespaceSet(memory, of);
  }

  /** The first pid namespace, which every process has a number in. */
  get pids(): PidNamespace {
    const { pids } = this.initial.of.pid;
    if (!pids) throw new Error('there is no first pid namespace');
    return pids;
  }

  /** A new pid namespace below another. */
  newPids(above: PidNamespace, owner: Namespace): Namespace {
    return this.#make('pid', owner, { pids: new PidNamespace(this.#memory, above) });
  }

  /** A new user namespace in another. */
  newUser(owner: Namespace, madeBy: number): Namespace {
    return this.#make('user', owner, { madeBy });
  }

  /** A copy of a mount namespace, and where each mount of the original is in it. */
  newMounts(
    from: Namespace,
    owner: Namespace,
  ): { readonly made: Namespace; readonly copies: ReadonlyMap<Mount, Mount> } {
    const { mounts, copies } = this.#files.copyMounts(from.mounts ?? this.#files.mountNamespace);
    return { made: this.#make('mnt', owner, { mounts }), copies };
  }

  /** A new namespace of a kind that is nothing but told apart from others; the names of a UTS namespace are taken over. */
  newPlain(type: 'cgroup' | 'ipc' | 'net' | 'uts', from: Namespace, owner: Namespace): Namespace {
    return this.#make(type, owner, { names: { ...from.names } });
  }

  #make(type: NamespaceType, owner: Namespace | undefined, content: Partial<Namespace> = {}): Namespace {
    const path = this.#files.anonymous('nsfs', '/', S_IFREG | 0o444, { fsuid: 0, fsgid: 0 });
    path.dentry.pin();
    const made: Namespace = { type, path, owner, madeBy: 0, mounts: undefined, pids: undefined, names: {}, ...content };
    path.dentry.inode.namespace = made;
    if (made.pids) made.pids.path = path;
    return made;
  }
}
