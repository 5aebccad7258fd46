import { EBADF, EFAULT, EINVAL, EMFILE, EPERM } from '../../../engine/maps/index.ts';
import { FD_LIMIT, OpenFile } from '../kernel/files.ts';
import { Pipe } from '../kernel/pipes.ts';
import {
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_GETFL,
  F_SETFD,
  F_SETFL,
  FD_CLOEXEC,
  MFD_CLOEXEC,
  O_APPEND,
  O_CLOEXEC,
  O_NOATIME,
  O_NONBLOCK,
  O_PATH,
  O_RDWR,
  O_WRONLY,
  S_IFIFO,
  S_IFREG,
} from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';

/** Longest memfd name, without its prefix (mm/memfd.c, MFD_NAME_MAX_LEN). */
const MEMFD_NAME_MAX = 249;

const duplicate = (call: SystemCall, from: number, closeOnExec: boolean): number => {
  const file = call.anyFile(0);
  if (from < 0 || from >= FD_LIMIT) return -EINVAL;
  const fd = call.recorded?.result ?? call.task.files.lowest(from);
  if (fd === undefined) return -EMFILE;
  call.task.files.install(fd, file.share(), closeOnExec);
  return fd;
};

const duplicateTo = (call: SystemCall, closeOnExec: boolean): number => {
  const target = call.int(1);
  const file = call.anyFile(0);
  if (target < 0 || target >= FD_LIMIT) return -EBADF;
  if (target !== call.int(0)) call.task.files.install(target, file.share(), closeOnExec);
  return target;
};

/** fcntl commands for descriptors of O_PATH. */
const ON_PATHS = new Set([F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL]);

const fcntl: CallHandler = (call) => {
  const file = call.anyFile(0);
  if ((file.flags & O_PATH) !== 0 && !ON_PATHS.has(call.int(1))) return -EBADF;
  const fd = call.int(0);
  const { files } = call.task;
  switch (call.int(1)) {
    case F_DUPFD:
      return duplicate(call, call.int(2), false);
    case F_DUPFD_CLOEXEC:
      return duplicate(call, call.int(2), true);
    case F_GETFD:
      return files.closesOnExec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      files.setCloseOnExec(fd, (call.int(2) & FD_CLOEXEC) !== 0);
      return 0;
    case F_GETFL:
      return file.flags & ~O_CLOEXEC;
    case F_SETFL: {
      const gainsNoAtime = (call.int(2) & ~file.flags & O_NOATIME) !== 0;
      if (gainsNoAtime && !call.machine.permissions.owns(call.task.cred, file.inode)) return -EPERM;
      const settable = O_APPEND | O_NONBLOCK;
      file.flags = (file.flags & ~settable) | (call.int(2) & settable);
      return 0;
    }
    default:
      return call.recorded ? 0 : -EINVAL;
  }
};

/** Installs two files at two descriptors, or at those the recording has. */
export const installPair = (
  call: SystemCall,
  first: OpenFile,
  second: OpenFile,
  closeOnExec: boolean,
  list: number,
): number => {
  if (call.isWild(list)) {
    first.release();
    second.release();
    return -EFAULT;
  }
  const detail = call.recorded?.detail;
  const recorded = detail && 'fds' in detail ? detail.fds : undefined;
  const one = call.install(first, closeOnExec, recorded?.[0] ?? call.task.files.lowest());
  if (one < 0) {
    second.release();
    return one;
  }
  const two = call.install(second, closeOnExec, recorded?.[1] ?? call.task.files.lowest());
  if (two < 0) {
    call.task.files.close(one);
    return two;
  }
  call.fds = [one, two];
  return 0;
};

const makePipe = (call: SystemCall, flags: number): number => {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_NOTIFICATION)) !== 0) return -EINVAL;
  const { memory, files } = call.machine;
  const path = files.anonymous('pipefs', '', S_IFIFO | 0o600, call.task.cred);
  const pipe = new Pipe();
  path.dentry.inode.pipe = pipe;
  const status = flags & ~O_CLOEXEC;
  const reader = new OpenFile(memory, path, status, { pipe, end: 'read' });
  const writer = new OpenFile(memory, path, status | O_WRONLY, { pipe, end: 'write' });
  return installPair(call, reader, writer, (flags & O_CLOEXEC) !== 0, 0);
};

const O_DIRECT = 0o40000;
const O_NOTIFICATION = 0o200;

/** Files of memfds are opened with it (mm/memfd.c). */
const O_LARGEFILE = 0o100000;

const memfdCreate: CallHandler = (call) => {
  const flags = call.unsigned(1);
  if ((flags & ~MFD_ALL_FLAGS) !== 0 && (flags & MFD_HUGETLB) === 0) return -EINVAL;
  const name = call.text(0);
  if (new TextEncoder().encode(name).length > MEMFD_NAME_MAX) return -EINVAL;
  const path = call.machine.files.anonymous('tmpfs', `memfd:${name}`, S_IFREG | 0o777, call.task.cred);
  const file = new OpenFile(call.machine.memory, path, O_RDWR | O_LARGEFILE);
  return call.install(file, (flags & MFD_CLOEXEC) !== 0);
};

/** MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_HUGETLB, MFD_NOEXEC_SEAL, MFD_EXEC */
const MFD_ALL_FLAGS = 0x1f;
const MFD_HUGETLB = 4;

/** A descriptor of an object that has no name and no content here: an epoll instance, a timer, a bpf object. */
const anonymousDescriptor =
  (name: string): CallHandler =>
  (call) => {
    const path = call.machine.files.anonymous('anon_inodefs', `[${name}]`, 0o600, call.task.cred);
    return call.install(new OpenFile(call.machine.memory, path, O_RDWR), true);
  };

/** Descriptors and what has no name in the file system. */
export const descriptorCalls: Readonly<Record<string, CallHandler>> = {
  dup: (call) => duplicate(call, 0, false),
  dup2: (call) => duplicateTo(call, false),
  dup3: (call) => {
    const flags = call.int(2);
    if ((flags & ~O_CLOEXEC) !== 0 || call.int(0) === call.int(1)) return -EINVAL;
    return duplicateTo(call, (flags & O_CLOEXEC) !== 0);
  },
  fcntl,
  pipe: (call) => makePipe(call, 0),
  pipe2: (call) => makePipe(call, call.int(1)),
  memfd_create: memfdCreate,
  epoll_create: (call) => (call.int(0) <= 0 ? -EINVAL : anonymousDescriptor('eventpoll')(call)),
  epoll_create1: anonymousDescriptor('eventpoll'),
  eventfd: anonymousDescriptor('eventfd'),
  eventfd2: anonymousDescriptor('eventfd'),
  timerfd_create: anonymousDescriptor('timerfd'),
  signalfd: anonymousDescriptor('signalfd'),
  signalfd4: anonymousDescriptor('signalfd'),
  inotify_init: anonymousDescriptor('inotify'),
  inotify_init1: anonymousDescriptor('inotify'),
};
