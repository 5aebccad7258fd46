import type { Memory } from '../../../engine/vm/index.ts';
import { Cred } from './credentials.ts';
import type { FsStruct } from './fs-struct.ts';
import type { Machine } from './machine.ts';
import type { Mount, Path } from './mounts.ts';
import {
  isDeepest,
  NAMESPACE_FLAGS,
  type Namespace,
  type NamespaceSet,
  type NamespaceType,
  NEW_NAMESPACES,
} from './namespaces.ts';
import { MOST_PID_LEVELS } from './pids.ts';
import type { Task } from './tasks.ts';

/** The namespaces that clone or unshare makes for a task. */
export interface NewNamespaces {
  readonly set: NamespaceSet;
  readonly isNewUser: boolean;
  /** Where the mounts of the old mount namespace are in the new one, where there is a new one. */
  readonly copies: ReadonlyMap<Mount, Mount> | undefined;
}

const PLAIN = ['cgroup', 'ipc', 'net', 'uts'] as const;

/** Makes the namespaces that flags of clone ask for; the others are the task's own. */
export const namespacesFor = ({ namespaces }: Machine, task: Task, flags: number): NewNamespaces => {
  const has = (type: NamespaceType): boolean => (flags & NAMESPACE_FLAGS[type]) !== 0;
  const { of } = task.namespaces;
  if ((flags & NEW_NAMESPACES) === 0) return { set: task.namespaces.share(), isNewUser: false, copies: undefined };
  const user = has('user') ? namespaces.newUser(of.user, task.cred.euid) : of.user;
  const mounts = has('mnt') ? namespaces.newMounts(of.mnt, user) : undefined;
  const changed: Partial<Record<NamespaceType, Namespace>> = { user };
  if (mounts) changed.mnt = mounts.made;
  if (has('pid') && of.pid.pids) changed.pid = namespaces.newPids(task.group.namespace, user);
  for (const type of PLAIN) if (has(type)) changed[type] = namespaces.newPlain(type, of[type], user);
  return { set: task.namespaces.with(changed), isNewUser: has('user'), copies: mounts?.copies };
};

/** Whether namespaces lie in one another as deep as they can, so that no more can be made by these flags. */
export const tooDeep = (task: Task, flags: number): boolean => {
  if ((flags & NAMESPACE_FLAGS.user) !== 0 && isDeepest(task.namespaces.of.user)) return true;
  return (flags & NAMESPACE_FLAGS.pid) !== 0 && task.group.namespace.level >= MOST_PID_LEVELS;
};

/** Credentials that a task has for itself, as those that go with another user namespace. Its capability sets stay what they were. */
export const ownCopy = (memory: Memory, cred: Cred): Cred =>
  new Cred(memory, cred, cred.groups, cred.permitted, cred.effective, cred.kept);

/** Puts root and working directory where they are in a copy of their mount namespace. */
export const moveToCopies = (fs: FsStruct, copies: ReadonlyMap<Mount, Mount>): void => {
  const moved = ({ mount, dentry }: Path): Path => ({ mount: copies.get(mount) ?? mount, dentry });
  fs.root = moved(fs.root);
  fs.cwd = moved(fs.cwd);
};
