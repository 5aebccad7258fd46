import { FD_LIMIT } from '../kernel/files.ts';
import type { Processes } from '../kernel/processes.ts';
import type { Task } from '../kernel/tasks.ts';
import {
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_SETFD,
  F_SETFL,
  FD_CLOEXEC,
  O_APPEND,
  O_NOATIME,
  O_NONBLOCK,
  O_PATH,
  S_IFCHR,
  WNOHANG,
} from '../uapi.ts';
import type { PreparedCall } from './prepared.ts';
import { MAX_FILE } from './read-write.ts';

/** Does all that a recorded call did; false, with nothing done, where it has to be made like any other. */
export type LightCall = (task: Task, call: PreparedCall, processes: Processes) => boolean;

const numberAt = ({ arguments: args }: PreparedCall, index: number): number => {
  const argument = args[index];
  return typeof argument === 'number' ? argument : Number.NaN;
};

/** How many bytes of a regular file a call would get; undefined for what is none. */
const readable = (task: Task, call: PreparedCall, position: number | undefined): number | undefined => {
  const file = task.files.get(numberAt(call, 0));
  if (file === undefined || !file.readable || !file.inode.isRegular || file.inode.generate !== undefined)
    return undefined;
  const count = Math.min(numberAt(call, 2), file.inode.size - (position ?? file.position));
  return Number.isNaN(count) ? undefined : Math.max(0, count);
};

const read: LightCall = (task, call) => {
  const count = readable(task, call, undefined);
  const file = task.files.get(numberAt(call, 0));
  if (count === undefined || file === undefined) return false;
  if (count > 0) file.position += count;
  return true;
};

const pread: LightCall = (task, call) => {
  const position = numberAt(call, 3);
  return position >= 0 && readable(task, call, position) !== undefined;
};

/** include/uapi/linux/fs.h */
const [SEEK_SET, SEEK_CUR, SEEK_END] = [0, 1, 2];

const lseek: LightCall = (task, call) => {
  const file = task.files.get(numberAt(call, 0));
  if (file === undefined || !(file.readable || file.writable) || file.pipe || file.socket) return false;
  const whence = numberAt(call, 2);
  const base =
    whence === SEEK_SET ? 0 : whence === SEEK_CUR ? file.position : whence === SEEK_END ? file.inode.size : Number.NaN;
  const position = base + numberAt(call, 1);
  if (Number.isNaN(position)) return false;
  // a file whose content the recording doesn't tell is shorter here
  if (position < 0) return true;
  file.position = position;
  file.entriesRead = position;
  return true;
};

const close: LightCall = (task, call) => {
  task.files.close(numberAt(call, 0));
  return true;
};

/** To a regular file, or to a device, which keeps nothing. */
const write: LightCall = (task, call) => {
  const file = task.files.get(numberAt(call, 0));
  if (file === undefined || !file.writable) return false;
  const { inode } = file;
  if (inode.type === S_IFCHR) return true;
  const bytes = call.arguments[1];
  const count = numberAt(call, 2);
  if (!inode.isRegular || !(bytes instanceof Uint8Array) || !(count > 0)) return false;
  const at = (file.flags & O_APPEND) !== 0 ? inode.size : file.position;
  const end = at + Math.min(count, bytes.length);
  if (end > MAX_FILE) return false;
  inode.write(at, count < bytes.length ? bytes.subarray(0, count) : bytes);
  file.position = end;
  return true;
};

const fcntl: LightCall = (task, call) => {
  const fd = numberAt(call, 0);
  const { files } = task;
  const file = files.get(fd);
  const value = numberAt(call, 2);
  if (file === undefined || !(value >= 0 && value <= 0x7fff_ffff)) return false;
  switch (numberAt(call, 1)) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      if (call.recorded === undefined || value >= FD_LIMIT) return false;
      files.install(call.recorded.result, file.share(), numberAt(call, 1) === F_DUPFD_CLOEXEC);
      return true;
    case F_SETFD:
      files.setCloseOnExec(fd, (value & FD_CLOEXEC) !== 0);
      return true;
    case F_SETFL:
      if ((file.flags & O_PATH) !== 0 || (value & O_NOATIME) !== 0) return false;
      file.flags = (file.flags & ~(O_APPEND | O_NONBLOCK)) | (value & (O_APPEND | O_NONBLOCK));
      return true;
    default:
      return false;
  }
};

/** No entry of a directory takes more: the longest name with what stands before it, in whole words. */
const LONGEST_ENTRY = 280;

/** Where there is certainly room for all entries. */
const getdents: LightCall = (task, call) => {
  const file = task.files.get(numberAt(call, 0));
  if (file === undefined || (file.flags & O_PATH) !== 0 || file.inode.populate !== undefined) return false;
  const { children, linked } = file.path.dentry;
  if (children === undefined || !linked || !((children.size + 2) * LONGEST_ENTRY <= numberAt(call, 2))) return false;
  file.entriesRead = Math.max(file.entriesRead, children.size + 2);
  return true;
};

const umask: LightCall = (task, call) => {
  const mask = numberAt(call, 0);
  if (!(mask >= 0 && mask <= 0o777)) return false;
  task.fs.umask = mask;
  return true;
};

/** For a certain child, or for any. */
const wait4: LightCall = (task, call, processes) => {
  const pid = numberAt(call, 0);
  const child = call.recorded?.result;
  if (child === undefined || !(pid === -1 || pid === child) || task.group.namespace.above !== undefined) return false;
  if (numberAt(call, 2) !== 0 && numberAt(call, 2) !== WNOHANG) return false;
  for (const zombie of task.leader.children)
    if (zombie.pid === child && zombie.group.live === 0) {
      processes.reap(zombie);
      return true;
    }
  return true;
};

/** Calls that recordings are full of and that do little: move in a file or let go of it, change a descriptor, wait for a child that ended. */
export const LIGHT_CALLS: Readonly<Record<string, LightCall>> = {
  read,
  pread64: pread,
  lseek,
  close,
  write,
  fcntl,
  getdents64: getdents,
  umask,
  wait4,
};
