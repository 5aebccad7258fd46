import { EBUSY, EINVAL, ELOOP, ENODEV, ENOTBLK, ENOTDIR, EPERM } from '../../../engine/maps/index.ts';
import { CAP_SYS_ADMIN } from '../kernel/credentials.ts';
import { isFileSystemType, isWithin } from '../kernel/file-system.ts';
import { Loan } from '../kernel/loan.ts';
import { type Mount, mountsBelow, type Path } from '../kernel/mounts.ts';
import { askSecurity, isAsked, type SecurityArgument } from '../kernel/security.ts';
import {
  MNT_DETACH,
  MS_BIND,
  MS_MOVE,
  MS_PROPAGATION,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  S_IFBLK,
  UMOUNT_NOFOLLOW,
} from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';
import { isCapableIn } from './namespaces.ts';

/** Whether the caller may change mounts: those of its own mount namespace (may_mount of fs/namespace.c). */
const mayMount = (call: SystemCall): boolean => isCapableIn(call, call.task.namespaces.of.mnt.owner, CAP_SYS_ADMIN);

/** Whether a mount is of the caller's mount namespace; recordings don't tell. */
const isOwn = (call: SystemCall, mount: Mount): boolean =>
  call.recorded !== undefined || mount.namespace === call.task.namespaces.of.mnt.mounts;

/** A magic number that old programs put into the flags, which the kernel takes away (include/uapi/linux/mount.h, MS_MGC_VAL and _MSK). */
const withoutMagic = (flags: number): number => (flags >>> 16 === 0xc0ed ? flags & 0xffff : flags);

/** Asks lsm/sb_mount, before anybody looks whether the caller may mount at all (fs/namespace.c, path_mount). */
const askMount = (call: SystemCall, where: Path, flags: number): number => {
  const { machine } = call;
  if (!isAsked(machine, 'sb_mount')) return 0;
  const loan = new Loan(machine.memory);
  const text = (index: number): SecurityArgument => (call.isNull(index) ? 0 : { at: loan.text(call.text(index)) });
  const data = call.raw(4);
  const verdict = askSecurity(machine, 'sb_mount', [
    text(0),
    { at: loan.path(where) },
    text(2),
    flags,
    typeof data === 'string' || data instanceof Uint8Array ? { at: loan.bytes(call.bytes(4)) } : 0,
  ]);
  loan.end();
  return verdict;
};

/** do_loopback of fs/namespace.c. */
const bind = (call: SystemCall, where: Path, flags: number): number => {
  const { files } = call.machine;
  const source = call.find(0, undefined, true);
  if (source.dentry.inode.isDirectory !== where.dentry.inode.isDirectory) return -ENOTDIR;
  if (!isOwn(call, where.mount)) return -EINVAL;
  if ((flags & MS_REC) !== 0) files.mountTree(source, where);
  else files.mount(source.dentry, where, source.mount.readOnly, source.mount.source);
  return 0;
};

/** do_move_mount of fs/namespace.c. */
const move = (call: SystemCall, where: Path): number => {
  const { mount, dentry } = call.find(0, undefined, true);
  if (dentry !== mount.root || mount.parent === mount || !isOwn(call, mount) || !isOwn(call, where.mount))
    return -EINVAL;
  if (mount.root.inode.isDirectory !== where.dentry.inode.isDirectory) return -EINVAL;
  if (mountsBelow(mount).includes(where.mount)) return -ELOOP;
  mount.moveTo(where);
  call.machine.files.forgetPaths();
  return 0;
};

/** File systems that lie on a block device; one below /dev that is not there counts as there. */
const ON_DEVICES: ReadonlySet<string> = new Set(['ext4']);

const mountNew = (call: SystemCall, where: Path, type: string, readOnly: boolean): number => {
  const { files, proc, walk } = call.machine;
  if (!isFileSystemType(type)) return -ENODEV;
  const source = call.isNull(0) ? undefined : call.text(0);
  if (source && ON_DEVICES.has(type) && !call.recorded) {
    const device = walk.find(call.task, call.task.fs.cwd, source, true);
    if (typeof device === 'number') {
      if (!source.startsWith('/dev/')) return device;
    } else if (device.dentry.inode.type !== S_IFBLK) return -ENOTBLK;
  }
  if (!where.dentry.inode.isDirectory) return -ENOTDIR;
  if (type === 'proc') {
    const own = proc.of(call.task.group.namespace);
    own.mount = files.mount(own.superBlock.root, where, readOnly, source);
    return 0;
  }
  const superBlock = files.newSuperBlock(type, undefined, type === 'tmpfs' ? 0o1777 : 0o755);
  files.mount(superBlock.root, where, readOnly, source);
  return 0;
};

const mount: CallHandler = (call) => {
  const flags = withoutMagic(call.unsigned(3));
  const where = call.find(1, undefined, true);
  const verdict = askMount(call, where, flags);
  if (verdict < 0) return verdict;
  if (!mayMount(call)) return -EPERM;
  const isTop = where.dentry === where.mount.root && isOwn(call, where.mount);
  const readOnly = (flags & MS_RDONLY) !== 0;
  if ((flags & MS_REMOUNT) !== 0) {
    if (!isTop) return -EINVAL;
    where.mount.readOnly = readOnly;
    return 0;
  }
  if ((flags & MS_BIND) !== 0) return bind(call, where, flags);
  if ((flags & MS_PROPAGATION) !== 0) return isTop ? 0 : -EINVAL;
  if ((flags & MS_MOVE) !== 0) return move(call, where);
  const type = call.isNull(2) ? undefined : call.text(2);
  return type === undefined ? -EINVAL : mountNew(call, where, type, readOnly);
};

/** MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW */
const UMOUNT_FLAGS = 0xf;

/** Whether somebody has something of a mount open, runs a program from it or stands in it. */
const isUsed = ({ tasks }: SystemCall['machine'], mounted: Mount): boolean => {
  for (const task of tasks.values()) {
    if (!task.alive) continue;
    const { fs, mm, files } = task;
    if (fs.cwd.mount === mounted || fs.root.mount === mounted || mm?.exeFile.path.mount === mounted) return true;
    if (files.fds.some((fd) => files.get(fd)?.path.mount === mounted)) return true;
  }
  return false;
};

const umount2: CallHandler = (call) => {
  const flags = call.int(1);
  if ((flags & ~UMOUNT_FLAGS) !== 0) return -EINVAL;
  const { mount: mounted, dentry } = call.find(0, undefined, (flags & UMOUNT_NOFOLLOW) === 0);
  if (!mayMount(call)) return -EPERM;
  if (dentry !== mounted.root || !isOwn(call, mounted)) return -EINVAL;
  if (mounted.parent === mounted) return (flags & MNT_DETACH) !== 0 ? -EINVAL : -EBUSY;
  const { files } = call.machine;
  if ((flags & MNT_DETACH) !== 0) {
    for (const each of [...mountsBelow(mounted)].reverse()) files.unmount(each);
    return 0;
  }
  if (mounted.children.size > 0 || (!call.recorded && isUsed(call.machine, mounted))) return -EBUSY;
  files.unmount(mounted);
  return 0;
};

/** Whether a path lies below another one, across mounts (is_path_reachable of fs/namespace.c). */
const isReachable = (path: Path, from: Path): boolean => {
  let { mount, dentry } = path;
  while (mount !== from.mount && mount.parent !== mount) {
    dentry = mount.mountpoint;
    mount = mount.parent;
  }
  return mount === from.mount && isWithin(dentry, from.dentry);
};

/** pivot_root(new root, where the old one goes): pivot_root(2). */
const pivotRoot: CallHandler = (call) => {
  const { task, machine } = call;
  if (!mayMount(call)) return -EPERM;
  const next = call.find(0, undefined, true);
  const old = call.find(1, undefined, true);
  if (!next.dentry.inode.isDirectory || !old.dentry.inode.isDirectory) return -ENOTDIR;
  const { root } = task.fs;
  if (!isOwn(call, next.mount) || !isOwn(call, root.mount)) return -EINVAL;
  if (next.mount === root.mount || old.mount === root.mount) return -EBUSY;
  if (root.dentry !== root.mount.root || next.dentry !== next.mount.root) return -EINVAL;
  if (!isReachable(old, next) || !isReachable(next, root)) return -EINVAL;
  const above =
    root.mount.parent === root.mount ? undefined : { mount: root.mount.parent, dentry: root.mount.mountpoint };
  const { namespace } = root.mount;
  next.mount.moveTo(above);
  root.mount.moveTo(old);
  if (namespace.root === root.mount) namespace.root = next.mount;
  for (const { fs, namespaces } of machine.tasks.values()) {
    if (namespaces.of.mnt !== task.namespaces.of.mnt) continue;
    if (fs.root.mount === root.mount && fs.root.dentry === root.dentry) fs.root = next;
    if (fs.cwd.mount === root.mount && fs.cwd.dentry === root.dentry) fs.cwd = next;
  }
  machine.files.forgetPaths();
  return 0;
};

/** Attaching and detaching file systems. */
export const mountCalls: Readonly<Record<string, CallHandler>> = { mount, umount2, pivot_root: pivotRoot };
