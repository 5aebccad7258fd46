import { EACCES, EBADF, EFAULT, EINPROGRESS, EINVAL, ENOTSOCK, EPERM } from '../../../engine/maps/index.ts';
import { interpreterOf, showExecution } from '../kernel/exec.ts';
import { OpenFile } from '../kernel/files.ts';
import { encodeText } from '../kernel/kernel-object.ts';
import type { Path } from '../kernel/mounts.ts';
import type { Entry } from '../kernel/path-walk.ts';
import type { Task } from '../kernel/tasks.ts';
import { AT_FDCWD, AT_REMOVEDIR, MAXSYMLINKS, O_CREAT, O_DIRECTORY, O_EXCL, S_IFDIR, S_IFREG } from '../uapi.ts';
import type { SystemCall } from './call.ts';
import type { CallArguments } from './call-arguments.ts';
import { askFileOpen } from './open.ts';
import { askConnect, ensureSocket } from './socket.ts';

/** Content of a program that a recording runs and the simulation doesn't have. */
const ELF = encodeText('\x7fELF');
const HEADER_BYTES = 256;

/**
 * What must be at a path for a call to succeed. `program`: an executable file; `any`: something; `parent`: only the directory it
 * is to be in; `free`: nothing, and the directory.
 */
type Need = 'file' | 'directory' | 'program' | 'any' | 'parent' | 'free';

interface PathNeed {
  readonly path: number;
  readonly directory: number | undefined;
  readonly need: Need;
}

const needs = (path: number, need: Need, directory?: number): PathNeed => ({ path, directory, need });

const openNeed = (flags: number): Need => {
  if ((flags & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL)) return 'free';
  if ((flags & O_CREAT) !== 0) return 'parent';
  return (flags & O_DIRECTORY) !== 0 ? 'directory' : 'file';
};

/** What successful calls found, by call. */
const NEEDS: Readonly<Record<string, (call: CallArguments) => readonly PathNeed[]>> = {
  open: (call) => [needs(0, openNeed(call.int(1)))],
  openat: (call) => [needs(1, openNeed(call.int(2)), 0)],
  openat2: (call) => [needs(1, openNeed(call.structure(2).flags ?? 0), 0)],
  creat: () => [needs(0, 'parent')],
  execve: () => [needs(0, 'program')],
  execveat: () => [needs(1, 'program', 0)],
  stat: () => [needs(0, 'any')],
  lstat: () => [needs(0, 'any')],
  newfstatat: () => [needs(1, 'any', 0)],
  statx: () => [needs(1, 'any', 0)],
  access: () => [needs(0, 'any')],
  faccessat: () => [needs(1, 'any', 0)],
  faccessat2: () => [needs(1, 'any', 0)],
  chmod: () => [needs(0, 'any')],
  fchmodat: () => [needs(1, 'any', 0)],
  chown: () => [needs(0, 'any')],
  lchown: () => [needs(0, 'any')],
  fchownat: () => [needs(1, 'any', 0)],
  truncate: () => [needs(0, 'file')],
  chdir: () => [needs(0, 'directory')],
  chroot: () => [needs(0, 'directory')],
  mkdir: () => [needs(0, 'parent')],
  mkdirat: () => [needs(1, 'parent', 0)],
  rmdir: () => [needs(0, 'directory')],
  unlink: () => [needs(0, 'file')],
  unlinkat: (call) => [needs(1, (call.int(2) & AT_REMOVEDIR) === 0 ? 'file' : 'directory', 0)],
  rename: () => [needs(0, 'any'), needs(1, 'parent')],
  renameat: () => [needs(1, 'any', 0), needs(3, 'parent', 2)],
  renameat2: () => [needs(1, 'any', 0), needs(3, 'parent', 2)],
  link: () => [needs(0, 'file'), needs(1, 'free')],
  linkat: () => [needs(1, 'file', 0), needs(3, 'free', 2)],
  symlink: () => [needs(1, 'free')],
  symlinkat: () => [needs(2, 'free', 1)],
  mknod: () => [needs(0, 'free')],
  mknodat: () => [needs(1, 'free', 0)],
  mount: () => [needs(1, 'directory')],
};

const OPENS: Readonly<Record<string, { readonly path: number; readonly directory: number | undefined }>> = {
  open: { path: 0, directory: undefined },
  creat: { path: 0, directory: undefined },
  openat: { path: 1, directory: 0 },
  openat2: { path: 1, directory: 0 },
};

/** Where a relative path starts; a descriptor that the simulation doesn't know counts as the working directory. */
export const startAt = (task: Task, fd: number): Path => {
  const file = fd === AT_FDCWD ? undefined : task.files.get(fd);
  return file?.inode.isDirectory ? file.path : task.fs.cwd;
};

const startOf = (call: SystemCall, directory: number | undefined): Path =>
  startAt(call.task, directory === undefined ? AT_FDCWD : call.int(directory));

/** A path's directory and last name, with directories made where they are missing; undefined where a file is in the way. */
const ensureEntry = (call: SystemCall, start: Path, text: string): Entry | undefined => {
  const { walk } = call.machine;
  const entry = walk.entry(call.task, start, text);
  if (typeof entry !== 'number') return entry;
  const above = text.replace(/\/+$/, '').replace(/[^/]*$/, '');
  if (above === '' || above === text || !ensure(call, start, above, 'directory')) return undefined;
  const retried = walk.entry(call.task, start, text);
  return typeof retried === 'number' ? undefined : retried;
};

/** Makes what a successful call found. Returns the file, or undefined where there is none or none can be. */
const ensure = (call: SystemCall, start: Path, text: string, need: Need, links = 0): Path | undefined => {
  const { files, walk } = call.machine;
  const { task } = call;
  const found = walk.find(task, start, text, true);
  if (typeof found !== 'number' && need !== 'free') return found;
  const entry = ensureEntry(call, start, text);
  if (!entry || need === 'parent' || entry.name === '' || entry.name === '.' || entry.name === '..') return undefined;
  const there = walk.child(entry.parent, entry.name);
  if (need === 'free') {
    if (there && !there.dentry.inode.isDirectory) files.remove(there.dentry);
    return undefined;
  }
  if (there) {
    const { target } = there.dentry.inode;
    return target === '' || links === MAXSYMLINKS ? undefined : ensure(call, entry.parent, target, need, links + 1);
  }
  const mode = need === 'directory' ? S_IFDIR | 0o755 : S_IFREG | (need === 'program' ? 0o755 : 0o644);
  const made = files.create(task.cred, entry.parent, entry.name, mode);
  if (need === 'program') made.dentry.inode.write(0, ELF);
  return made;
};

/** Whether a call runs a script, which needs the program that its first line names. */
export const needsInterpreter = (call: SystemCall): boolean =>
  (call.name === 'execve' || call.name === 'execveat') && call.known?.found?.dentry.inode.startsWith('#!') === true;

/** Calls that need more than that their path leads somewhere. */
const NEEDS_MORE: ReadonlySet<string> = new Set(['rmdir', 'unlinkat']);

/** The path that must lead somewhere for a call to find what it found, and nothing else; undefined for other calls. */
export const neededPath = (name: string, args: CallArguments): Pick<PathNeed, 'path' | 'directory'> | undefined => {
  if (NEEDS_MORE.has(name)) return undefined;
  const [need, ...others] = NEEDS[name]?.(args) ?? [];
  return need === undefined || others.length > 0 || need.need === 'free' ? undefined : need;
};

/** Calls that find or make a socket. */
const SOCKETS: ReadonlySet<string> = new Set(['accept', 'accept4', 'connect']);

/** Whether anything may have to be there for a call to succeed. */
export const needsAnything = (name: string): boolean => Object.hasOwn(NEEDS, name) || SOCKETS.has(name);

/** Prepares the simulation for a call that succeeded when it was recorded, so that it succeeds again. */
export const prepareRecorded = (call: SystemCall): void => {
  for (const { path, directory, need } of NEEDS[call.name]?.(call) ?? []) {
    const argument = call.raw(path);
    if (typeof argument !== 'string' || argument === '') continue;
    const start = startOf(call, directory);
    const file = ensure(call, start, argument, need);
    if (need !== 'program' || !file) continue;
    const interpreter = interpreterOf(file.dentry.inode.head(HEADER_BYTES));
    if (interpreter && interpreter.path !== '') ensure(call, start, interpreter.path, 'program');
  }
  if (call.name === 'rmdir' || call.name === 'unlinkat') emptyDirectory(call);
  if (SOCKETS.has(call.name)) ensureSocket(call);
};

/** A directory that could be removed was empty, whatever the simulation has in it. */
const emptyDirectory = (call: SystemCall): void => {
  const [path, directory] = call.name === 'rmdir' ? [0, undefined] : [1, 0];
  const text = call.raw(path);
  if (typeof text !== 'string') return;
  const found = call.machine.walk.find(call.task, startOf(call, directory), text, false);
  if (typeof found !== 'number') removeChildren(call, found);
};

const removeChildren = (call: SystemCall, directory: Path): void => {
  for (const dentry of directory.dentry.children?.values() ?? []) {
    removeChildren(call, { mount: directory.mount, dentry });
    call.machine.files.remove(dentry);
  }
};

/** Errnos with which connect fails before it asks anybody. */
const BEFORE_CONNECT = new Set([EBADF, ENOTSOCK, EFAULT, EINVAL]);

/**
 * Lets LSM programs see a call that failed when it was recorded, as far as it reached them: opens and execs that were refused,
 * and connects that got as far as trying.
 */
export const showRefused = (call: SystemCall, errno: number): void => {
  if (call.name === 'connect') {
    const file = call.task.files.get(call.int(0));
    if (file?.socket && !BEFORE_CONNECT.has(errno)) askConnect(call, file.socket, call.bytes(1));
    return;
  }
  if (errno !== EPERM && errno !== EACCES) return;
  const open = OPENS[call.name];
  if (open) {
    const path = findAgain(call, open.path, open.directory);
    if (!path) return;
    const flags =
      call.name === 'creat' ? 0 : call.name === 'openat2' ? call.structure(2).flags : call.int(open.path + 1);
    const file = new OpenFile(call.machine.memory, path, flags ?? 0);
    askFileOpen(call, file);
    file.release();
    return;
  }
  if (call.name !== 'execve' && call.name !== 'execveat') return;
  const index = call.name === 'execve' ? 0 : 1;
  const path = findAgain(call, index, index === 0 ? undefined : 0);
  if (path?.dentry.inode.isRegular)
    showExecution(call.machine, call.task, {
      path,
      filename: call.text(index),
      argv: call.texts(index + 1),
      env: call.texts(index + 2),
    });
};

const findAgain = (call: SystemCall, pathIndex: number, directory: number | undefined): Path | undefined => {
  const text = call.raw(pathIndex);
  if (typeof text !== 'string' || text === '') return undefined;
  const found = call.machine.walk.find(call.task, startOf(call, directory), text, true);
  return typeof found === 'number' ? undefined : found;
};

/** Results that are no success and yet change something: a connection that is under way. */
export const isUnderWay = (name: string, result: number): boolean => name === 'connect' && result === -EINPROGRESS;
