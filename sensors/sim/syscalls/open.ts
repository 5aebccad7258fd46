import {
  E2BIG,
  EACCES,
  EBADF,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  EMFILE,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EPERM,
  ERESTARTSYS,
  EROFS,
  ETXTBSY,
} from '../../../engine/maps/index.ts';
import { FD_LIMIT, OpenFile } from '../kernel/files.ts';
import { askGates } from '../kernel/gate.ts';
import type { Inode } from '../kernel/inodes.ts';
import type { Path } from '../kernel/mounts.ts';
import { RESOLVE_BENEATH, RESOLVE_IN_ROOT, VALID_RESOLVE } from '../kernel/path-walk.ts';
import { MAY_READ, MAY_WRITE } from '../kernel/permissions.ts';
import { askSecurity } from '../kernel/security.ts';
import {
  MAXSYMLINKS,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  S_IFREG,
  S_ISVTX,
} from '../uapi.ts';
import { CallError, type CallHandler, type SystemCall } from './call.ts';

/** Everybody may write. */
const S_IWOTH = 0o002;

/** What 64-bit calls open every file with (include/linux/fcntl.h, force_o_largefile). */
const O_LARGEFILE = 0o100000;

/** Flags that exist; open ignores others, openat2 refuses them (include/linux/fcntl.h, VALID_OPEN_FLAGS). */
const VALID_OPEN_FLAGS = 0o37777703;

/** Flags that O_PATH goes together with (fs/open.c, O_PATH_FLAGS). */
const PATH_FLAGS = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
/** O_TMPFILE without the O_DIRECTORY that belongs to it. */
const TMPFILE_BIT = O_TMPFILE & ~O_DIRECTORY;

/** open refuses the pair (since Linux 6.3; before, it made a regular file). */
const CREATES_DIRECTORY = O_CREAT | O_DIRECTORY;

/** Asks lsm/file_open about a file that is about to be opened, and then fanotify; 0 or a negative errno. */
export const askFileOpen = ({ machine, task }: SystemCall, file: OpenFile): number => {
  const verdict = machine.hookPoints.isSecured ? askSecurity(machine, 'file_open', [file]) : 0;
  return verdict < 0 || machine.gates.size === 0 ? verdict : askGates(machine, task, file, 'open');
};

/**
 * What somebody else left in a directory that all may write to, where open with O_CREAT refuses it (fs/namei.c, may_create_in_sticky
 * with fs.protected_regular and fs.protected_fifos at 0, which leaves links, sockets and devices).
 */
const isForeignInSticky = ({ task, machine }: SystemCall, directory: Inode, inode: Inode): boolean =>
  !machine.permissions.lifted &&
  !inode.isRegular &&
  !inode.isPipe &&
  !inode.isDirectory &&
  (directory.mode & (S_ISVTX | S_IWOTH)) === (S_ISVTX | S_IWOTH) &&
  inode.uid !== directory.uid &&
  inode.uid !== task.cred.fsuid;

/** What open with O_CREAT comes to: the file that is there, followed through links, or the one it made. */
const findOrCreate = (
  call: SystemCall,
  start: Path,
  text: string,
  flags: number,
  mode: number,
): { readonly path: Path; readonly created: boolean } => {
  const { walk, files } = call.machine;
  const { task } = call;
  let from = start;
  let name = text;
  let links = 0;
  for (;;) {
    const entry = walk.entry(task, from, name, links);
    if (typeof entry === 'number') throw new CallError(-entry);
    links = entry.links;
    const isDots = entry.name === '' || entry.name === '.' || entry.name === '..';
    if (isDots && (flags & O_EXCL) !== 0) throw new CallError(EEXIST);
    const dots = isDots ? walk.find(task, from, name, true) : 0;
    if (typeof dots === 'number' && dots < 0) throw new CallError(-dots);
    if (isDots || entry.trailingSlash) throw new CallError(EISDIR);
    const child = call.childOf(entry);
    if (!child) {
      const refusal = files.mayCreate(task.cred, entry.parent);
      if (refusal < 0) throw new CallError(-refusal);
      return {
        path: files.create(task.cred, entry.parent, entry.name, S_IFREG | (mode & 0o7777 & ~task.fs.umask)),
        created: true,
      };
    }
    if ((flags & O_EXCL) !== 0) throw new CallError(EEXIST);
    const { inode } = child.dentry;
    const isFollowed = inode.isLink && (flags & O_NOFOLLOW) === 0;
    if (!isFollowed && isForeignInSticky(call, entry.parent.dentry.inode, inode)) throw new CallError(EACCES);
    if (!inode.isLink) return { path: child, created: false };
    if (!isFollowed) throw new CallError(ELOOP);
    if (walk.refusesLinks || ++links > MAXSYMLINKS) throw new CallError(ELOOP);
    if (inode.magic) {
      const target = inode.magic.follow();
      if (!target) throw new CallError(ENOENT);
      return { path: target, created: false };
    }
    from = entry.parent;
    name = inode.target;
  }
};

/** O_PATH and O_NOFOLLOW open a link itself or refuse it; everything else looks through it. */
const findExisting = (call: SystemCall, start: Path, text: string, flags: number): Path => {
  const follow = (flags & O_NOFOLLOW) === 0;
  const known = follow ? call.foundAt(start, text) : undefined;
  const found = known ?? call.machine.walk.find(call.task, start, text, follow);
  if (typeof found === 'number') throw new CallError(-found);
  if ((flags & O_PATH) === 0 && found.dentry.inode.isLink)
    throw new CallError((flags & O_DIRECTORY) === 0 ? ELOOP : ENOTDIR);
  return found;
};

/** 0, or why somebody may not open what was found (fs/namei.c, may_open). */
const mayOpen = (call: SystemCall, path: Path, flags: number): number => {
  const { inode } = path.dentry;
  const { permissions, files } = call.machine;
  const access = flags & O_ACCMODE;
  const truncates = (flags & O_TRUNC) !== 0;
  const writes = access !== 0 || truncates;
  if (inode.isDirectory && (writes || (flags & O_CREAT) !== 0)) return -EISDIR;
  if (writes && (inode.isRegular || inode.isDirectory) && files.readOnly(path)) return -EROFS;
  const mask = (access === O_WRONLY ? 0 : MAY_READ) | (writes ? MAY_WRITE : 0);
  if (!permissions.may(call.task.cred, inode, mask)) return -EACCES;
  if ((flags & O_NOATIME) !== 0 && !permissions.owns(call.task.cred, inode)) return -EPERM;
  return inode.isSocket ? -ENXIO : 0;
};

/** A file that runs can't be written to. */
export const isRunning = (call: SystemCall, path: Path): boolean => {
  if (call.recorded) return false;
  for (const task of call.machine.tasks.values()) if (task.mm?.exeFile.inode === path.dentry.inode) return true;
  return false;
};

const openFile = (
  call: SystemCall,
  directory: number | undefined,
  pathIndex: number,
  flagsAsked: number,
  mode: number,
): number => {
  const { machine, task } = call;
  const flags = (flagsAsked & O_PATH) !== 0 ? flagsAsked & PATH_FLAGS : flagsAsked;
  const temporary = (flags & TMPFILE_BIT) !== 0;
  if (temporary && (flags & O_DIRECTORY) === 0) return -EINVAL;
  if ((flags & CREATES_DIRECTORY) === CREATES_DIRECTORY || (temporary && (flags & O_ACCMODE) === 0)) return -EINVAL;
  const text = call.path(pathIndex);
  if (!call.recorded && task.files.lowest() === undefined) return -EMFILE;
  const start = call.start(directory, machine.walk.startsAtRoot ? '.' : text);
  if (temporary) return openTemporary(call, start, text, flags, mode);
  const creation = (flags & O_CREAT) === 0 ? undefined : findOrCreate(call, start, text, flags, mode);
  const path = creation?.path ?? findExisting(call, start, text, flags);
  const created = creation?.created === true;
  if ((flags & O_DIRECTORY) !== 0 && !path.dentry.inode.isDirectory) return -ENOTDIR;
  const access = flags & O_ACCMODE;
  if (!created && (flags & O_PATH) === 0) {
    const refusal = mayOpen(call, path, flags);
    if (refusal < 0) return refusal;
    const writes = access === O_WRONLY || access === O_RDWR || (flags & O_TRUNC) !== 0;
    if (writes && isRunning(call, path)) return -ETXTBSY;
  }
  const kept = keptFlags(call, flags);
  const pipe = (flags & O_PATH) === 0 ? pipeEnd(path, flags) : undefined;
  const refused = pipe === undefined ? 0 : refusePipe(call, pipe, flags);
  if (refused < 0) return refused;
  const file = new OpenFile(machine.memory, path, kept, pipe);
  if ((flags & O_PATH) === 0) {
    const verdict = askFileOpen(call, file);
    if (verdict < 0) {
      file.release();
      return verdict;
    }
  }
  if ((flags & O_TRUNC) !== 0 && path.dentry.inode.isRegular && !created) {
    path.dentry.inode.truncate(0);
    machine.permissions.afterWrite(task.cred, path.dentry.inode);
  }
  return call.install(file, (flags & O_CLOEXEC) !== 0);
};

/** What of its flags an open file keeps, with what Linux adds for 64-bit programs (do_dentry_open and force_o_largefile). */
const keptFlags = ({ abi }: SystemCall, flags: number): number => {
  const large = (flags & O_PATH) !== 0 || abi === 'ia32' ? 0 : O_LARGEFILE;
  return (flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC)) | large;
};

/** A named pipe's end, or both. */
const pipeEnd = (path: Path, flags: number): OpenFile['pipe'] => {
  const { pipe } = path.dentry.inode;
  const access = flags & O_ACCMODE;
  return pipe && { pipe, end: access === O_WRONLY ? 'write' : access === O_RDWR ? 'both' : 'read' };
};

/** 0, or why a named pipe can't be opened: nobody has its other end (fs/pipe.c, fifo_open). */
const refusePipe = (call: SystemCall, { pipe, end }: NonNullable<OpenFile['pipe']>, flags: number): number => {
  if ((flags & O_ACCMODE) === O_ACCMODE) return -EINVAL;
  if (call.recorded || end === 'both') return 0;
  if (end === 'write' && pipe.readers === 0) return (flags & O_NONBLOCK) !== 0 ? -ENXIO : -ERESTARTSYS;
  return end === 'write' || pipe.writers > 0 || (flags & O_NONBLOCK) !== 0 ? 0 : -ERESTARTSYS;
};

/** O_TMPFILE: a file without a name in a directory. */
const openTemporary = (call: SystemCall, start: Path, text: string, flags: number, mode: number): number => {
  const { machine, task } = call;
  const directory = machine.walk.find(task, start, text, (flags & O_NOFOLLOW) === 0);
  if (typeof directory === 'number') return directory;
  if (!directory.dentry.inode.isDirectory) return -ENOTDIR;
  const refusal = machine.files.mayCreate(task.cred, directory);
  if (refusal < 0) return refusal;
  const path = machine.files.create(
    task.cred,
    directory,
    `#${call.machine.clock.ns}`,
    S_IFREG | (mode & 0o7777 & ~task.fs.umask),
  );
  const file = new OpenFile(machine.memory, path, keptFlags(call, flags));
  machine.files.remove(path.dentry);
  path.dentry.inode.linkable = (flags & O_EXCL) === 0;
  const verdict = askFileOpen(call, file);
  if (verdict < 0) {
    file.release();
    return verdict;
  }
  return call.install(file, (flags & O_CLOEXEC) !== 0);
};

/** sizeof(struct open_how), and the most that is taken for a longer one. */
const HOW_BYTES = 24;
const MOST_HOW_BYTES = 4096;

const openat2: CallHandler = (call) => {
  if (call.raw(3) !== undefined && !call.recorded) {
    if (call.number(3) < HOW_BYTES) return -EINVAL;
    if (call.number(3) > MOST_HOW_BYTES) return -E2BIG;
  }
  const how = call.structure(2);
  const asked = how.flags ?? 0;
  const mode = how.mode ?? 0;
  const resolve = how.resolve ?? 0;
  if (asked < 0 || asked > VALID_OPEN_FLAGS || (asked & ~VALID_OPEN_FLAGS) !== 0) return -EINVAL;
  if ((resolve & ~VALID_RESOLVE) !== 0) return -EINVAL;
  if ((resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) === (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) return -EINVAL;
  const creates = (asked & (O_CREAT | TMPFILE_BIT)) !== 0;
  if ((mode & ~0o7777) !== 0 || (mode !== 0 && !creates)) return -EINVAL;
  if ((asked & O_PATH) !== 0 && (asked & ~PATH_FLAGS) !== 0) return -EINVAL;
  return call.machine.walk.resolving(resolve, () => openFile(call, 0, 1, asked, mode));
};

/** Opening files (open(2), openat2(2)). */
export const openCalls: Readonly<Record<string, CallHandler>> = {
  open: (call) => openFile(call, undefined, 0, call.int(1), call.number(2)),
  openat: (call) => openFile(call, 0, 1, call.int(2), call.number(3)),
  openat2,
  creat: (call) => openFile(call, undefined, 0, O_CREAT | O_WRONLY | O_TRUNC, call.number(1)),
  close: (call) => (call.task.files.close(call.int(0)) ? 0 : -EBADF),
  close_range: (call) => {
    const last = Math.min(call.unsigned(1), FD_LIMIT);
    const flags = call.unsigned(2);
    if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0) return -EINVAL;
    if (call.unsigned(0) > call.unsigned(1)) return -EINVAL;
    if ((flags & CLOSE_RANGE_UNSHARE) !== 0) call.task.unshareFiles();
    for (let fd = call.unsigned(0); fd <= last; fd++)
      if ((flags & CLOSE_RANGE_CLOEXEC) === 0) call.task.files.close(fd);
      else if (call.task.files.get(fd)) call.task.files.setCloseOnExec(fd, true);
    return 0;
  },
};

/** include/uapi/linux/close_range.h */
const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;
