import { EINVAL, ENOSPC, EPERM, EUSERS } from '../../../engine/maps/index.ts';
import { CAP_SYS_ADMIN, CAP_SYS_CHROOT } from '../kernel/credentials.ts';
import { isBelow, NAMESPACE_FLAGS, type Namespace, NEW_NAMESPACES } from '../kernel/namespaces.ts';
import { moveToCopies, namespacesFor, ownCopy, tooDeep } from '../kernel/new-namespaces.ts';
import { CLONE_FILES, CLONE_FS, CLONE_SIGHAND, CLONE_THREAD, CLONE_VM } from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';

/**
 * Whether the caller has a capability for what belongs to a user namespace (user_namespaces(7), "Capabilities"): in that namespace or one
 * above it, or as the user who made it. Ids are not mapped here, so that whoever is in a user namespace below the first counts as its root.
 */
export const isCapableIn = (call: SystemCall, owner: Namespace | undefined, capability: number): boolean => {
  const { task, machine } = call;
  if (machine.permissions.lifted) return true;
  const own = task.namespaces.of.user;
  if (owner === undefined || owner.owner === undefined) return task.cred.capable(capability);
  if (!isBelow(owner, own)) return false;
  if (own.owner !== undefined || task.cred.capable(capability)) return true;
  for (let at: Namespace | undefined = owner; at; at = at.owner)
    if (at.owner === own && at.madeBy === task.cred.euid) return true;
  return false;
};

/** 0, or why the namespaces that flags ask for can't be made (copy_namespaces of kernel/nsproxy.c). */
export const refuseNamespaces = (call: SystemCall, flags: number): number => {
  if ((flags & NEW_NAMESPACES) === 0 || call.recorded) return 0;
  const { task } = call;
  if (tooDeep(task, flags)) return (flags & NAMESPACE_FLAGS.pid) !== 0 ? -ENOSPC : -EUSERS;
  if ((flags & NAMESPACE_FLAGS.user) !== 0) {
    const { root } = task.fs;
    return root.dentry === root.mount.root && root.mount.parent === root.mount ? 0 : -EPERM;
  }
  return isCapableIn(call, task.namespaces.of.user, CAP_SYS_ADMIN) ? 0 : -EPERM;
};

/** What unshare can be asked for: besides namespaces, what clone's flags let threads share. */
const CLONE_SYSVSEM = 0x40000;
const CLONE_NEWTIME = 0x80;
const UNSHARES =
  NEW_NAMESPACES | CLONE_NEWTIME | CLONE_FS | CLONE_FILES | CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

/** unshare(flags): ksys_unshare of kernel/fork.c. */
const unshare: CallHandler = (call) => {
  const flags = call.unsigned(0);
  const { task, machine } = call;
  if ((flags & ~UNSHARES) !== 0) return -EINVAL;
  const alone = (flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | NAMESPACE_FLAGS.user)) !== 0;
  if (alone && task.group.live > 1) return -EINVAL;
  const refusal = refuseNamespaces(call, flags);
  if (refusal < 0) return refusal;
  if ((flags & CLONE_FILES) !== 0) task.unshareFiles();
  if ((flags & (CLONE_FS | NAMESPACE_FLAGS.mnt | NAMESPACE_FLAGS.user)) !== 0) task.unshareFs();
  if ((flags & NEW_NAMESPACES) === 0) return 0;
  const { set, isNewUser, copies } = namespacesFor(machine, task, flags);
  task.namespaces = set;
  if (isNewUser) task.cred = ownCopy(machine.memory, task.cred);
  if (copies) moveToCopies(task.fs, copies);
  return 0;
};

/** 0, or why the caller can't enter a namespace (the install functions of kernel/nsproxy.c and its kin). */
const refuseEntry = (call: SystemCall, wanted: Namespace): number => {
  const { task } = call;
  const { user } = task.namespaces.of;
  const own = (capability: number): boolean => isCapableIn(call, user, capability);
  if (wanted.type === 'user') {
    if (wanted === user || task.group.live > 1 || task.fs.shared) return -EINVAL;
    return isCapableIn(call, wanted, CAP_SYS_ADMIN) ? 0 : -EPERM;
  }
  if (!isCapableIn(call, wanted.owner, CAP_SYS_ADMIN) || !own(CAP_SYS_ADMIN)) return -EPERM;
  if (wanted.type === 'mnt') {
    if (!own(CAP_SYS_CHROOT)) return -EPERM;
    return task.fs.shared ? -EINVAL : 0;
  }
  return wanted.pids === undefined || wanted.pids.isBelow(task.group.namespace) ? 0 : -EINVAL;
};

/** setns(fd, type): a type of 0 takes any. */
const setns: CallHandler = (call) => {
  const { namespace: wanted } = call.file(0).inode;
  const { task, machine } = call;
  if (wanted === undefined) return -EINVAL;
  const type = call.unsigned(1);
  if (type !== 0 && type !== NAMESPACE_FLAGS[wanted.type]) return -EINVAL;
  const refusal = refuseEntry(call, wanted);
  if (refusal < 0) return refusal;
  task.namespaces = task.namespaces.with({ [wanted.type]: wanted });
  if (wanted.type === 'user') task.cred = ownCopy(machine.memory, task.cred);
  const top = wanted.mounts?.root;
  if (top) {
    let path = { mount: top, dentry: top.root };
    for (let over = top.children.get(path.dentry); over; over = over.children.get(path.dentry))
      path = { mount: over, dentry: over.root };
    task.fs.root = path;
    task.fs.cwd = path;
  }
  return 0;
};

/** Leaving namespaces and entering others. */
export const namespaceCalls: Readonly<Record<string, CallHandler>> = { unshare, setns };
