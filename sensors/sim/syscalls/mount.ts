import { EBUSY, EINVAL, ENODEV, ENOTDIR, EPERM } from '../../../engine/maps/index.ts';
import { CAP_SYS_ADMIN } from '../kernel/credentials.ts';
import { isFileSystemType } from '../kernel/file-system.ts';
import { Loan } from '../kernel/loan.ts';
import type { Path } from '../kernel/mounts.ts';
import { askSecurity, isAsked, type SecurityArgument } from '../kernel/security.ts';
import { MNT_DETACH, MS_BIND, MS_MOVE, MS_PROPAGATION, MS_RDONLY, MS_REMOUNT } from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';

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

const mount: CallHandler = (call) => {
  const { files, permissions } = call.machine;
  const flags = withoutMagic(call.unsigned(3));
  const where = call.find(1, undefined, true);
  const verdict = askMount(call, where, flags);
  if (verdict < 0) return verdict;
  if (!permissions.capable(call.task.cred, CAP_SYS_ADMIN)) return -EPERM;
  if ((flags & MS_REMOUNT) !== 0) return where.dentry === where.mount.root ? 0 : -EINVAL;
  if ((flags & MS_BIND) !== 0) {
    const source = call.find(0, undefined, true);
    if (source.dentry.inode.isDirectory !== where.dentry.inode.isDirectory) return -ENOTDIR;
    files.mount(source.dentry, where, (flags & MS_RDONLY) !== 0);
    return 0;
  }
  if ((flags & MS_PROPAGATION) !== 0) return where.dentry === where.mount.root ? 0 : -EINVAL;
  if ((flags & MS_MOVE) !== 0) return -EINVAL;
  const type = call.isNull(2) ? undefined : call.text(2);
  if (type === undefined) return -EINVAL;
  if (!isFileSystemType(type)) return -ENODEV;
  if (!where.dentry.inode.isDirectory) return -ENOTDIR;
  const superBlock =
    type === 'proc'
      ? call.machine.proc.superBlock
      : files.newSuperBlock(type, undefined, type === 'tmpfs' ? 0o1777 : 0o755);
  files.mount(superBlock.root, where, (flags & MS_RDONLY) !== 0);
  return 0;
};

/** MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW */
const UMOUNT_FLAGS = 0xf;

const umount2: CallHandler = (call) => {
  if ((call.int(1) & ~UMOUNT_FLAGS) !== 0) return -EINVAL;
  const { mount: mounted, dentry } = call.find(0, undefined, true);
  if (!call.machine.permissions.capable(call.task.cred, CAP_SYS_ADMIN)) return -EPERM;
  if (dentry !== mounted.root) return -EINVAL;
  if (mounted.parent === mounted) return -EBUSY;
  if (mounted.children.size > 0 && (call.int(1) & MNT_DETACH) === 0) return -EBUSY;
  call.machine.files.unmount(mounted);
  return 0;
};

/** Attaching and detaching file systems. */
export const mountCalls: Readonly<Record<string, CallHandler>> = { mount, umount2 };
