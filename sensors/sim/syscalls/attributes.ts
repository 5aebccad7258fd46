import { EACCES, EINVAL, EPERM, EROFS } from '../../../engine/maps/index.ts';
import { CAP_CHOWN, realSubject } from '../kernel/credentials.ts';
import type { Inode } from '../kernel/inodes.ts';
import type { Path } from '../kernel/mounts.ts';
import { MAY_WRITE } from '../kernel/permissions.ts';
import { AT_EACCESS, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, S_ISGID } from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';
import { askChmod } from './path-security.ts';

/** File systems whose files have no name and yet count one link; a memfd counts none. */
const NAMELESS: ReadonlySet<string> = new Set(['pipefs', 'sockfs', 'anon_inodefs', 'nsfs']);

/** struct stat of x86-64 (arch/x86/include/uapi/asm/stat.h): the members that the simulation has. */
const encodeStat = (inode: Inode): Uint8Array => {
  const bytes = new Uint8Array(144);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(inode.superBlock.dev), true);
  view.setBigUint64(8, BigInt(inode.ino), true);
  view.setBigUint64(16, BigInt(NAMELESS.has(inode.superBlock.type) ? 1 : inode.nlink), true);
  view.setUint32(24, inode.mode, true);
  view.setUint32(28, inode.uid, true);
  view.setUint32(32, inode.gid, true);
  view.setBigUint64(40, BigInt(inode.rdev), true);
  view.setBigUint64(48, BigInt(inode.size), true);
  return bytes;
};

const stat = (call: SystemCall, path: Path, buffer: number): number => {
  call.checkPointer(buffer);
  if (!call.isRepeated) call.data = encodeStat(path.dentry.inode);
  return 0;
};

const AT_NO_AUTOMOUNT = 0x800;

const newfstatat: CallHandler = (call) => {
  const flags = call.int(3);
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  if ((flags & AT_EMPTY_PATH) !== 0 && call.text(1) === '') return stat(call, call.start(0, ''), 2);
  return stat(call, call.find(1, 0, (flags & AT_SYMLINK_NOFOLLOW) === 0), 2);
};

const changeMode = (call: SystemCall, path: Path, mode: number): number => {
  const { files, permissions } = call.machine;
  const { inode } = path.dentry;
  const { cred } = call.task;
  if (files.readOnly(path)) return -EROFS;
  const verdict = askChmod(call, path, mode & 0xffff);
  if (verdict < 0) return verdict;
  if (!permissions.owns(cred, inode)) return -EPERM;
  let bits = mode & 0o7777;
  if (!permissions.maySetGroupId(cred, inode.gid)) bits &= ~S_ISGID;
  inode.mode = inode.type | bits;
  return 0;
};

/** An id of -1 stays as it is. */
const KEEP = 0xffff_ffff;

const changeOwner = (call: SystemCall, path: Path, uidIndex: number): number => {
  const { files, permissions } = call.machine;
  const { inode } = path.dentry;
  const { cred } = call.task;
  const uid = call.unsigned(uidIndex);
  const gid = call.unsigned(uidIndex + 1);
  if (files.readOnly(path)) return -EROFS;
  if (!permissions.capable(cred, CAP_CHOWN)) {
    const isOwner = cred.fsuid === inode.uid;
    if (uid !== KEEP && !(isOwner && uid === inode.uid)) return -EPERM;
    if (gid !== KEEP && !(isOwner && (gid === inode.gid || cred.inGroup(gid)))) return -EPERM;
  }
  let lost = inode.isDirectory ? 0 : permissions.setIdBitsToDrop(cred, inode);
  if (lost !== 0 && !permissions.owns(cred, inode)) return -EPERM;
  if (uid !== KEEP) inode.uid = uid;
  if (gid !== KEEP) inode.gid = gid;
  if (lost !== 0 && !permissions.maySetGroupId(cred, inode.gid)) lost |= S_ISGID;
  if (lost !== 0) inode.mode &= ~lost;
  return 0;
};

const fchownat: CallHandler = (call) => {
  const flags = call.int(4);
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  if ((flags & AT_EMPTY_PATH) !== 0 && call.text(1) === '') return changeOwner(call, call.start(0, ''), 2);
  return changeOwner(call, call.find(1, 0, (flags & AT_SYMLINK_NOFOLLOW) === 0), 2);
};

/** access: as the real ids unless AT_EACCESS is given (access(2)); the path is looked up as them too. */
const access = (call: SystemCall, find: () => Path, mode: number, flags: number): number => {
  if ((mode & ~7) !== 0) return -EINVAL;
  const { permissions, files } = call.machine;
  const { task } = call;
  if ((flags & AT_EACCESS) === 0) task.actingAs = realSubject(task.cred);
  try {
    const path = find();
    if ((mode & MAY_WRITE) !== 0 && files.readOnly(path)) return -EROFS;
    return permissions.may(task.subject, path.dentry.inode, mode) ? 0 : -EACCES;
  } finally {
    task.actingAs = undefined;
  }
};

/** What a file is, and changing it. */
export const attributeCalls: Readonly<Record<string, CallHandler>> = {
  stat: (call) => stat(call, call.find(0, undefined, true), 1),
  lstat: (call) => stat(call, call.find(0, undefined, false), 1),
  fstat: (call) => stat(call, call.anyFile(0).path, 1),
  newfstatat,
  statx: (call) => {
    const flags = call.int(2);
    if ((flags & AT_EMPTY_PATH) !== 0 && call.text(1) === '') return stat(call, call.start(0, ''), 4);
    return stat(call, call.find(1, 0, (flags & AT_SYMLINK_NOFOLLOW) === 0), 4);
  },
  access: (call) => access(call, () => call.find(0, undefined, true), call.int(1), 0),
  faccessat: (call) => access(call, () => call.find(1, 0, true), call.int(2), 0),
  faccessat2: (call) => {
    const flags = call.int(3);
    if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
    if ((flags & AT_EMPTY_PATH) !== 0 && call.text(1) === '')
      return access(call, () => call.start(0, ''), call.int(2), flags);
    return access(call, () => call.find(1, 0, (flags & AT_SYMLINK_NOFOLLOW) === 0), call.int(2), flags);
  },
  chmod: (call) => changeMode(call, call.find(0, undefined, true), call.number(1)),
  fchmod: (call) => changeMode(call, call.file(0).path, call.number(1)),
  fchmodat: (call) => changeMode(call, call.find(1, 0, true), call.number(2)),
  chown: (call) => changeOwner(call, call.find(0, undefined, true), 1),
  lchown: (call) => changeOwner(call, call.find(0, undefined, false), 1),
  fchown: (call) => changeOwner(call, call.file(0).path, 1),
  fchownat,
  umask: (call) => {
    const before = call.task.fs.umask;
    call.task.fs.umask = call.number(0) & 0o777;
    return before;
  },
};
