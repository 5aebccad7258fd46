import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  ERANGE,
} from '../../../engine/maps/index.ts';
import { CAP_SYS_CHROOT } from '../kernel/credentials.ts';
import { encodeText, textLength } from '../kernel/kernel-object.ts';
import { type Path, pathFrom } from '../kernel/mounts.ts';
import { MAY_EXEC } from '../kernel/permissions.ts';
import { S_IFDIR, S_ISVTX } from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';

const makeDirectory = (call: SystemCall, directory: number | undefined, pathIndex: number): number => {
  const { files } = call.machine;
  const { cred, fs } = call.task;
  const entry = call.entry(pathIndex, directory);
  if (entry.name === '' || entry.name === '.' || entry.name === '..') return -EEXIST;
  if (call.childOf(entry)) return -EEXIST;
  const refusal = files.mayCreate(cred, entry.parent);
  if (refusal < 0) return refusal;
  const mode = call.number(pathIndex + 1) & (0o777 | S_ISVTX) & ~fs.umask;
  files.create(cred, entry.parent, entry.name, S_IFDIR | mode);
  return 0;
};

/** rmdir, and unlinkat with AT_REMOVEDIR. */
export const removeDirectory = (call: SystemCall, directory: number | undefined, pathIndex: number): number => {
  const { files } = call.machine;
  const entry = call.entry(pathIndex, directory);
  if (entry.name === '') return -EBUSY;
  if (entry.name === '.') return -EINVAL;
  if (entry.name === '..') return -ENOTEMPTY;
  const victim = call.childOf(entry);
  if (!victim) return -ENOENT;
  const refusal = files.mayDelete(call.task.cred, entry.parent, victim, true);
  if (refusal < 0) return refusal;
  if (victim.dentry.children?.size) return -ENOTEMPTY;
  files.remove(victim.dentry);
  return 0;
};

/** Makes a directory the working one. */
const enter = (call: SystemCall, path: Path): number => {
  if (!path.dentry.inode.isDirectory) return -ENOTDIR;
  if (!call.machine.permissions.may(call.task.cred, path.dentry.inode, MAY_EXEC)) return -EACCES;
  call.task.fs.cwd = path;
  return 0;
};

const chroot: CallHandler = (call) => {
  const path = call.find(0, undefined, true);
  if (!path.dentry.inode.isDirectory) return -ENOTDIR;
  if (!call.machine.permissions.may(call.task.cred, path.dentry.inode, MAY_EXEC)) return -EACCES;
  if (!call.machine.permissions.capable(call.task.cred, CAP_SYS_CHROOT)) return -EPERM;
  call.task.fs.root = path;
  return 0;
};

/** Bytes of an entry's structure before its name (struct linux_dirent64). */
const DIRENT_BYTES = 19;

/** The entries' names, one a line; the result is the length that the kernel's structures would have. */
const getdents: CallHandler = (call) => {
  const file = call.file(0);
  const { children, linked } = file.path.dentry;
  file.inode.populate?.();
  if (!children) return -ENOTDIR;
  if (!linked) return -ENOENT;
  const taken: string[] = [];
  let [at, count, length] = [0, 0, 0];
  /** False where there is no room left. */
  const take = (name: string): boolean => {
    if (at++ < file.entriesRead) return true;
    const bytes = (DIRENT_BYTES + textLength(name) + 1 + 7) & ~7;
    if (length + bytes > call.number(2)) return false;
    length += bytes;
    count++;
    if (!call.isRepeated) taken.push(name);
    return true;
  };
  let room = take('.') && take('..');
  if (room)
    for (const name of children.keys()) {
      room = take(name);
      if (!room) break;
    }
  if (!room && count === 0) return -EINVAL;
  file.entriesRead += count;
  if (!call.isRepeated) call.data = encodeText(taken.map((name) => `${name}\n`).join(''));
  return length;
};

const getcwd: CallHandler = (call) => {
  if (!call.task.fs.cwd.dentry.linked) return -ENOENT;
  const bytes = encodeText(`${pathFrom(call.task.fs.root, call.task.fs.cwd)}\0`);
  if (bytes.length > call.number(1)) return -ERANGE;
  call.checkPointer(0);
  call.data = bytes.subarray(0, -1);
  return bytes.length;
};

/** Directories. */
export const directoryCalls: Readonly<Record<string, CallHandler>> = {
  mkdir: (call) => makeDirectory(call, undefined, 0),
  mkdirat: (call) => makeDirectory(call, 0, 1),
  rmdir: (call) => removeDirectory(call, undefined, 0),
  chdir: (call) => enter(call, call.find(0, undefined, true)),
  fchdir: (call) => enter(call, call.anyFile(0).path),
  chroot,
  getdents,
  getdents64: getdents,
  getcwd,
};
