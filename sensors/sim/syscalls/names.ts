import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EXDEV,
} from '../../../engine/maps/index.ts';
import { CAP_MKNOD } from '../kernel/credentials.ts';
import type { Dentry } from '../kernel/dentries.ts';
import { encodeText } from '../kernel/kernel-object.ts';
import type { Path } from '../kernel/mounts.ts';
import { MAY_WRITE } from '../kernel/permissions.ts';
import { Pipe } from '../kernel/pipes.ts';
import {
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';
import { removeDirectory } from './directories.ts';
import { askLink, askRename, askSymlink, askUnlink } from './path-security.ts';

const isSpecial = (name: string): boolean => name === '' || name === '.' || name === '..';

const unlink = (call: SystemCall, directory: number | undefined, pathIndex: number): number => {
  const { files } = call.machine;
  const entry = call.entry(pathIndex, directory);
  if (isSpecial(entry.name)) return -EISDIR;
  const victim = call.childOf(entry);
  if (!victim) return -ENOENT;
  if (entry.trailingSlash) return victim.dentry.inode.isDirectory ? -EISDIR : -ENOTDIR;
  const verdict = askUnlink(call, entry, victim);
  if (verdict < 0) return verdict;
  const refusal = files.mayDelete(call.task.cred, entry.parent, victim, false);
  if (refusal < 0) return refusal;
  files.remove(victim.dentry);
  return 0;
};

const isAbove = (ancestor: Dentry, dentry: Dentry): boolean => {
  for (let at = dentry; ; at = at.parent) {
    if (at === ancestor) return true;
    if (at.parent === at) return false;
  }
};

const rename = (
  call: SystemCall,
  oldAt: { readonly directory: number | undefined; readonly path: number },
  newAt: { readonly directory: number | undefined; readonly path: number },
  flags: number,
): number => {
  const { files, permissions } = call.machine;
  const { cred } = call.task;
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0) return -EINVAL;
  if (flags === (RENAME_NOREPLACE | RENAME_EXCHANGE)) return -EINVAL;
  const from = call.entry(oldAt.path, oldAt.directory);
  const to = call.entry(newAt.path, newAt.directory);
  if (from.parent.mount !== to.parent.mount) return -EXDEV;
  if (isSpecial(from.name)) return -EBUSY;
  if (isSpecial(to.name)) return (flags & RENAME_NOREPLACE) !== 0 ? -EEXIST : -EBUSY;
  const source = call.childOf(from);
  if (!source) return -ENOENT;
  const target = call.childOf(to);
  if ((flags & RENAME_NOREPLACE) !== 0 && target) return -EEXIST;
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if (exchange && !target) return -ENOENT;
  if (exchange && to.trailingSlash && !target?.dentry.inode.isDirectory) return -ENOTDIR;
  const sourceIsDirectory = source.dentry.inode.isDirectory;
  if (!sourceIsDirectory && (from.trailingSlash || (!exchange && to.trailingSlash))) return -ENOTDIR;
  if (isAbove(source.dentry, to.parent.dentry)) return -EINVAL;
  if (target && isAbove(target.dentry, from.parent.dentry)) return exchange ? -EINVAL : -ENOTEMPTY;
  const verdict = askRename(call, from, source, to, target, flags);
  if (verdict < 0) return verdict;
  if (target?.dentry.inode === source.dentry.inode) return 0;
  const refusal = files.mayDelete(cred, from.parent, source, sourceIsDirectory);
  if (refusal < 0) return refusal;
  const refusedThere = target
    ? files.mayDelete(cred, to.parent, target, exchange ? target.dentry.inode.isDirectory : sourceIsDirectory)
    : files.mayCreate(cred, to.parent);
  if (refusedThere < 0) return refusedThere;
  const changesParent = from.parent.dentry !== to.parent.dentry;
  /** What `..` of a directory leads to changes with its parent. */
  const mayMove = ({ dentry: { inode } }: Path): boolean =>
    !inode.isDirectory || permissions.may(cred, inode, MAY_WRITE);
  if (changesParent && !(mayMove(source) && (!exchange || !target || mayMove(target)))) return -EACCES;
  if (exchange && target) {
    files.exchange(source.dentry, target.dentry);
    return 0;
  }
  if (target?.dentry.children?.size) return -ENOTEMPTY;
  files.move(source.dentry, to.parent.dentry, to.name);
  return 0;
};

const link = (
  call: SystemCall,
  source: Path,
  newAt: { readonly directory: number | undefined; readonly path: number },
): number => {
  const { files, permissions } = call.machine;
  const entry = call.entry(newAt.path, newAt.directory);
  if (isSpecial(entry.name) || call.childOf(entry)) return -EEXIST;
  if (entry.trailingSlash) return -ENOENT;
  if (source.mount !== entry.parent.mount) return -EXDEV;
  if (!permissions.mayLink(call.task.cred, source.dentry.inode)) return -EPERM;
  const verdict = askLink(call, source.dentry, entry);
  if (verdict < 0) return verdict;
  const refusal = files.mayCreate(call.task.cred, entry.parent);
  if (refusal < 0) return refusal;
  if (source.dentry.inode.isDirectory) return -EPERM;
  if (source.dentry.inode.nlink === 0 && !source.dentry.inode.linkable) return -ENOENT;
  files.link(source.dentry.inode, entry.parent, entry.name);
  return 0;
};

const linkat: CallHandler = (call) => {
  const flags = call.int(4);
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const byDescriptor = (flags & AT_EMPTY_PATH) !== 0 && call.text(1) === '';
  const source = byDescriptor ? call.anyFile(0).path : call.find(1, 0, (flags & AT_SYMLINK_FOLLOW) !== 0);
  return link(call, source, { directory: 2, path: 3 });
};

const symlink = (call: SystemCall, directory: number | undefined, pathIndex: number): number => {
  const { files } = call.machine;
  const target = call.path(0);
  const entry = call.entry(pathIndex, directory);
  if (isSpecial(entry.name) || call.childOf(entry)) return -EEXIST;
  if (entry.trailingSlash) return -ENOENT;
  const verdict = askSymlink(call, entry, target);
  if (verdict < 0) return verdict;
  const refusal = files.mayCreate(call.task.cred, entry.parent);
  if (refusal < 0) return refusal;
  const { inode } = files.create(call.task.cred, entry.parent, entry.name, S_IFLNK | 0o777).dentry;
  inode.target = target;
  inode.write(0, encodeText(target));
  return 0;
};

const readlink = (call: SystemCall, directory: number | undefined, pathIndex: number): number => {
  const size = call.int(pathIndex + 2);
  if (size <= 0) return -EINVAL;
  const { inode } = call.find(pathIndex, directory, false).dentry;
  if (!inode.isLink) return -EINVAL;
  const text = inode.magic ? inode.magic.text() : inode.target;
  if (text === '') return -ENOENT;
  call.checkPointer(pathIndex + 1);
  call.data = encodeText(text).subarray(0, size);
  return call.data.length;
};

const makeNode = (call: SystemCall, directory: number | undefined, pathIndex: number): number => {
  const { files, permissions } = call.machine;
  const { cred, fs } = call.task;
  const mode = call.unsigned(pathIndex + 1);
  const type = (mode & S_IFMT) === 0 ? S_IFREG : mode & S_IFMT;
  if (type === S_IFDIR) return -EPERM;
  if (![S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK].includes(type)) return -EINVAL;
  const entry = call.entry(pathIndex, directory);
  if (isSpecial(entry.name) || call.childOf(entry)) return -EEXIST;
  if (entry.trailingSlash) return -ENOENT;
  const refusal = files.mayCreate(cred, entry.parent);
  if (refusal < 0) return refusal;
  const isDevice = type === S_IFCHR || type === S_IFBLK;
  if (isDevice && !permissions.capable(cred, CAP_MKNOD)) return -EPERM;
  const { inode } = files.create(cred, entry.parent, entry.name, type | (mode & 0o7777 & ~fs.umask)).dentry;
  if (isDevice) inode.rdev = deviceNumber(call.unsigned(pathIndex + 2));
  if (type === S_IFIFO) inode.pipe = new Pipe();
  return 0;
};

/** From user space's encoding of a device number to the kernel's (include/linux/kdev_t.h). */
const deviceNumber = (dev: number): number => (((dev & 0xfff00) >> 8) << 20) | (dev & 0xff) | ((dev >>> 12) & 0xfff00);

/** Names of files: taking them away, moving, adding. */
export const nameCalls: Readonly<Record<string, CallHandler>> = {
  unlink: (call) => unlink(call, undefined, 0),
  unlinkat: (call) => {
    const flags = call.int(2);
    if ((flags & ~AT_REMOVEDIR) !== 0) return -EINVAL;
    return flags === 0 ? unlink(call, 0, 1) : removeDirectory(call, 0, 1);
  },
  rename: (call) => rename(call, { directory: undefined, path: 0 }, { directory: undefined, path: 1 }, 0),
  renameat: (call) => rename(call, { directory: 0, path: 1 }, { directory: 2, path: 3 }, 0),
  renameat2: (call) => rename(call, { directory: 0, path: 1 }, { directory: 2, path: 3 }, call.unsigned(4)),
  link: (call) => link(call, call.find(0, undefined, false), { directory: undefined, path: 1 }),
  linkat,
  symlink: (call) => symlink(call, undefined, 1),
  symlinkat: (call) => symlink(call, 1, 2),
  readlink: (call) => readlink(call, undefined, 0),
  readlinkat: (call) => readlink(call, 0, 1),
  mknod: (call) => makeNode(call, undefined, 0),
  mknodat: (call) => makeNode(call, 0, 1),
};
