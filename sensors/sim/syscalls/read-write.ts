import {
  EACCES,
  EBADF,
  EFBIG,
  EINVAL,
  EISDIR,
  ENOSPC,
  ERESTARTSYS,
  EROFS,
  ESPIPE,
  ETXTBSY,
} from '../../../engine/maps/index.ts';
import type { OpenFile } from '../kernel/files.ts';
import { encodeText } from '../kernel/kernel-object.ts';
import { MAY_WRITE } from '../kernel/permissions.ts';
import type { Pipe } from '../kernel/pipes.ts';
import { O_APPEND, S_IFCHR } from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';
import { brokenPipe, receive, send, wouldBlock } from './messages.ts';
import { isRunning } from './open.ts';

/** Largest size a file may have in the simulation. */
export const MAX_FILE = 256 * 1024 * 1024;

/** Major and minor of the memory devices (Documentation/admin-guide/devices.txt). */
const DEV_NULL = (1 << 20) | 3;
const DEV_ZERO = (1 << 20) | 5;
const DEV_FULL = (1 << 20) | 7;
const DEV_RANDOM = (1 << 20) | 8;
const DEV_URANDOM = (1 << 20) | 9;

const readPipe = (call: SystemCall, file: OpenFile, pipe: Pipe, count: number): number => {
  if (count === 0) return 0;
  if (pipe.length === 0) return pipe.writers > 0 ? wouldBlock(file) : 0;
  call.checkPointer(1);
  call.data = pipe.read(count);
  return call.data.length;
};

const randomBytes = (call: SystemCall, count: number): Uint8Array => {
  const { entropy } = call.machine;
  const bytes = new Uint8Array(count);
  for (let index = 0; index < count; index++) bytes[index] = entropy() & 0xff;
  return bytes;
};

const readDevice = (call: SystemCall, device: number, count: number): number => {
  if (device === DEV_NULL) return 0;
  if (device === DEV_ZERO || device === DEV_FULL) call.data = new Uint8Array(count);
  else if (device === DEV_RANDOM || device === DEV_URANDOM) call.data = randomBytes(call, count);
  return call.data?.length ?? -ERESTARTSYS;
};

const readFile = (call: SystemCall, count: number, position: number | undefined): number => {
  const file = call.file(0);
  if (position !== undefined && (file.pipe || file.socket)) return -ESPIPE;
  if (!file.readable) return -EBADF;
  const { inode } = file;
  if (file.socket) return count === 0 ? 0 : receive(call, file, count);
  if (file.pipe) return readPipe(call, file, file.pipe.pipe, count);
  if (inode.isDirectory) return -EISDIR;
  if (inode.type === S_IFCHR) return readDevice(call, inode.rdev, count);
  const content = inode.generate ? encodeText(inode.generate()) : inode.data;
  const from = position ?? file.position;
  const length = Math.max(0, Math.min(count, content.length - from));
  if (length > 0) call.checkPointer(1);
  if (!call.isRepeated) call.data = content.slice(from, from + length);
  if (position === undefined) file.position = from + length;
  return length;
};

const writePipe = (call: SystemCall, file: OpenFile, pipe: Pipe, source: Source): number => {
  if (isEmpty(call, source)) return 0;
  if (pipe.readers === 0) return brokenPipe(call, true);
  const bytes = source(call);
  if (pipe.length === pipe.capacity) return wouldBlock(file);
  return pipe.write(bytes);
};

/** What gives the bytes to write, once nothing else is wrong. @throws CallError EFAULT */
type Source = (call: SystemCall) => Uint8Array;

const isEmpty = (call: SystemCall, source: Source): boolean =>
  source === written && call.raw(2) !== undefined ? call.number(2) === 0 : source(call).length === 0;

const writeFile = (call: SystemCall, source: Source, position: number | undefined): number => {
  const file = call.file(0);
  if (position !== undefined && (file.pipe || file.socket)) return -ESPIPE;
  if (!file.writable) return -EBADF;
  const { inode } = file;
  if (file.socket) return send(call, file, source(call), true);
  if (file.pipe) return writePipe(call, file, file.pipe.pipe, source);
  if (inode.type === S_IFCHR) return inode.rdev === DEV_FULL ? -ENOSPC : source(call).length;
  if (isEmpty(call, source)) return 0;
  const at = (file.flags & O_APPEND) !== 0 ? inode.size : (position ?? file.position);
  call.machine.permissions.afterWrite(call.task.cred, inode);
  const bytes = source(call);
  if (at + bytes.length > MAX_FILE) return -EFBIG;
  inode.write(at, bytes);
  if (position === undefined) file.position = at + bytes.length;
  return bytes.length;
};

/** The bytes a write got, cut to the count it was given. */
const written = (call: SystemCall): Uint8Array => {
  if (call.isNull(1) && call.number(2) === 0) return new Uint8Array(0);
  const bytes = call.bytes(1);
  return call.raw(2) === undefined ? bytes : bytes.subarray(0, call.number(2));
};

/** Every string of a list is one buffer of a vector. */
const vector = (call: SystemCall): Uint8Array => encodeText(call.texts(1).join(''));

const SEEK_SET = 0;
const SEEK_CUR = 1;
const SEEK_END = 2;
const SEEK_HOLE = 4;

const lseek: CallHandler = (call) => {
  const file = call.file(0);
  const whence = call.unsigned(2);
  if (whence > SEEK_HOLE) return -EINVAL;
  if (file.pipe || file.socket) return -ESPIPE;
  const base =
    whence === SEEK_SET ? 0 : whence === SEEK_CUR ? file.position : whence === SEEK_END ? file.inode.size : -1;
  const position = base + call.number(1);
  if (base < 0 || position < 0) return -EINVAL;
  file.position = position;
  file.entriesRead = position;
  return position;
};

const truncate: CallHandler = (call) => {
  const length = call.number(1);
  if (length < 0) return -EINVAL;
  const path = call.find(0, undefined, true);
  const { inode } = path.dentry;
  if (inode.isDirectory) return -EISDIR;
  if (!inode.isRegular) return -EINVAL;
  if (call.machine.files.readOnly(path)) return -EROFS;
  if (!call.machine.permissions.may(call.task.cred, inode, MAY_WRITE)) return -EACCES;
  if (isRunning(call, path)) return -ETXTBSY;
  if (length > MAX_FILE) return -EFBIG;
  inode.truncate(length);
  call.machine.permissions.afterWrite(call.task.cred, inode);
  return 0;
};

const ftruncate: CallHandler = (call) => {
  const length = call.number(1);
  if (length < 0) return -EINVAL;
  const file = call.file(0);
  if (!file.inode.isRegular || !file.writable) return -EINVAL;
  if (length > MAX_FILE) return -EFBIG;
  file.inode.truncate(length);
  call.machine.permissions.afterWrite(call.task.cred, file.inode);
  return 0;
};

/** Copies from the file at one argument to that at another; the result is how many bytes. */
const sendfile: CallHandler = (call) => {
  const input = call.task.files.get(call.int(1));
  const output = call.file(0);
  if (!input?.readable || !output.writable) return -EBADF;
  if (!input.inode.isRegular) return -EINVAL;
  const bytes = input.inode.data.slice(input.position, input.position + call.number(3));
  const count = writeFile(call, () => bytes, undefined);
  if (count > 0) input.position += count;
  return count;
};

/** Reading and writing open files. */
export const readWriteCalls: Readonly<Record<string, CallHandler>> = {
  read: (call) => readFile(call, call.number(2), undefined),
  readv: (call) => readFile(call, call.number(2), undefined),
  pread64: (call) => (call.number(3) < 0 ? -EINVAL : readFile(call, call.number(2), call.number(3))),
  write: (call) => writeFile(call, written, undefined),
  writev: (call) => writeFile(call, vector, undefined),
  pwrite64: (call) => (call.number(3) < 0 ? -EINVAL : writeFile(call, written, call.number(3))),
  lseek,
  truncate,
  ftruncate,
  sendfile,
  getrandom: (call) => {
    const count = call.number(1);
    call.data = randomBytes(call, count);
    return count;
  },
};
