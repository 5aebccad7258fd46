import type { Task } from '../kernel/tasks.ts';
import type { PreparedCall } from './prepared.ts';

/** Does what a recorded call did to its caller's descriptors; false where it has to be made like any other. */
export type LightCall = (task: Task, call: PreparedCall) => boolean;

const numberAt = ({ arguments: args }: PreparedCall, index: number): number => {
  const argument = args[index];
  return typeof argument === 'number' ? argument : Number.NaN;
};

/** How many bytes of a regular file a call would get; undefined for what is none. */
const readable = (task: Task, call: PreparedCall, position: number | undefined): number | undefined => {
  const file = task.files.get(numberAt(call, 0));
  if (file === undefined || !file.readable || !file.inode.isRegular || file.inode.generate !== undefined)
    return undefined;
  const count = Math.min(numberAt(call, 2), file.inode.data.length - (position ?? file.position));
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
  if (file === undefined || !(file.readable || file.writable) || !file.inode.isRegular) return false;
  const whence = numberAt(call, 2);
  const base =
    whence === SEEK_SET ? 0 : whence === SEEK_CUR ? file.position : whence === SEEK_END ? file.inode.size : Number.NaN;
  const position = base + numberAt(call, 1);
  if (!(position >= 0)) return false;
  file.position = position;
  file.entriesRead = position;
  return true;
};

const close: LightCall = (task, call) => {
  task.files.close(numberAt(call, 0));
  return true;
};

/** Calls that recordings are full of and that do nothing but move in a file or let go of it, by name. */
export const LIGHT_CALLS: Readonly<Record<string, LightCall>> = { read, pread64: pread, lseek, close };
