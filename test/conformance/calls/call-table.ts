import {
  argv,
  buffer,
  type Choice,
  capabilityHeader,
  capabilitySets,
  child,
  clone3,
  DIRECTORY,
  directory,
  executable,
  fd,
  fdOf,
  flags,
  group,
  id,
  isOpenAs,
  mode,
  openHow,
  ownId,
  ownPid,
  path,
  pathTo,
  pid,
  REGULAR,
  sigaction,
  signal,
  target,
  toWrite,
  words,
} from './drawing.ts';
import type { Argument } from './step.ts';

/** Draws a call's arguments. */
type Draw = (choice: Choice) => readonly Argument[];

/** Whom a call suits best: who has children, or who is a child. */
export type Caller = 'parent' | 'child';

export interface Drawn {
  readonly name: string;
  readonly draw: Draw;
  readonly caller: Caller | undefined;
}

const stat = (choice: Choice): Argument => buffer(144, choice);
const waited = (c: Choice): Argument => (c.random.chance(0.5) ? -1 : c.random.chance(0.6) ? child(c) : group(c));
const awaited = (c: Choice): [Argument, Argument] =>
  c.random.weighted<[Argument, Argument]>([
    [4, [0, 0]],
    [4, [1, child(c)]],
    [2, [2, pid(c)]],
    [1, [9, 0]],
    [1, [1, -1]],
  ]);

/** A directory's position after its names were read hangs on the file system. */
const lseek = (c: Choice): readonly Argument[] => {
  const at = fd(c);
  const whence = isOpenAs(DIRECTORY, c, at) ? [0, 0, 9] : [0, 0, 0, 1, 9];
  return [at, c.random.pick([0, 0, 5, -3]), c.random.pick(whence)];
};

const CAPABILITIES = [0, 1, 3, 5, 6, 7, 8, 21, 40, 41, -1];

const prctl = (c: Choice): readonly Argument[] =>
  c.random.weighted<readonly Argument[]>([
    [2, [15, 'a name that is too long']],
    [1, [15, { bad: true }]],
    [2, [16, buffer(16, c)]],
    [2, [36, c.random.below(2)]],
    [1, [37, { out: 4 }]],
    [2, [38, c.random.pick([1, 1, 0])]],
    [1, [39, 0]],
    [2, [8, c.random.pick([0, 1, 2])]],
    [1, [7, 0]],
    [1, [3, 0]],
    [1, [4, c.random.pick([0, 1, 2])]],
    [1, [1, c.random.pick([0, 65])]],
    [2, [23, c.random.pick(CAPABILITIES)]],
    [1, [24, c.random.pick([1, 5, 21, 41])]],
    [1, [9999, 0]],
  ]);

/** Each call with how often it is chosen, what for, and by whom rather than by anybody. */
const CALLS: Readonly<Record<string, readonly [weight: number, draw: Draw, caller?: Caller]>> = {
  open: [10, (c) => [path(c), flags(c), mode(c)]],
  openat: [8, (c) => [directory(c), path(c), flags(c), mode(c)]],
  openat2: [4, (c) => [directory(c), path(c), openHow(c), c.random.pick([24, 24, 24, 24, 24, 16])]],
  creat: [4, (c) => [target(c), mode(c)]],
  close: [5, (c) => [fd(c)]],
  close_range: [1, (c) => [c.random.pick([5, 9]), c.random.pick([7, 20, 3]), c.random.pick([0, 4, 4, 8])]],
  read: [6, (c) => [fd(c), buffer(100, c), c.random.pick([0, 1, 10, 100])]],
  write: [6, (c) => [toWrite(c), 'hello', c.random.pick([0, 1, 5])]],
  pread64: [3, (c) => [fd(c), buffer(100, c), 10, c.random.pick([0, 2, 100, -1])]],
  pwrite64: [3, (c) => [toWrite(c), 'hello', c.random.pick([0, 1, 5]), c.random.pick([0, 3, -1])]],
  lseek: [3, lseek],
  dup: [3, (c) => [fd(c)]],
  dup2: [3, (c) => [fd(c), c.random.pick([3, 5, 8, 9, -1, 5000, 1024])]],
  dup3: [2, (c) => [fd(c), c.random.pick([4, 8, -1]), c.random.pick([0, 0o2000000, 1])]],
  fcntl: [5, (c) => [fd(c), c.random.pick([0, 1, 2, 3, 4, 1030, 99]), c.random.pick([0, 1, 5, 0o4000, 0o2000, 1024])]],
  truncate: [3, (c) => [pathTo(REGULAR)(c), c.random.pick([0, 2, 20, -1])]],
  ftruncate: [3, (c) => [fdOf(REGULAR)(c), c.random.pick([0, 3, 40, -1])]],
  stat: [5, (c) => [path(c), stat(c)]],
  lstat: [4, (c) => [path(c), stat(c)]],
  fstat: [4, (c) => [fd(c), stat(c)]],
  newfstatat: [4, (c) => [directory(c), path(c), stat(c), c.random.pick([0, 0, 0x100, 0x1000, 1])]],
  statx: [2, (c) => [directory(c), path(c), c.random.pick([0, 0x100, 0x1000, 1, 0x6000]), 0xfff, buffer(256, c)]],
  access: [3, (c) => [path(c), c.random.pick([0, 1, 2, 4, 7, 8])]],
  faccessat: [1, (c) => [directory(c), path(c), c.random.pick([0, 1, 2, 4, 6])]],
  faccessat2: [
    3,
    (c) => [directory(c), path(c), c.random.pick([0, 1, 2, 4, 6]), c.random.pick([0, 0x200, 0x100, 0x1000, 2])],
  ],
  readlink: [3, (c) => [path(c), buffer(100, c), c.random.pick([100, 2, 0, -1])]],
  readlinkat: [1, (c) => [directory(c), path(c), buffer(100, c), 100]],
  mkdir: [6, (c) => [target(c), mode(c)]],
  mkdirat: [2, (c) => [directory(c), target(c), mode(c)]],
  rmdir: [4, (c) => [pathTo(DIRECTORY)(c)]],
  link: [4, (c) => [pathTo(REGULAR)(c), target(c)]],
  linkat: [3, (c) => [directory(c), path(c), directory(c), target(c), c.random.pick([0, 0x400, 1])]],
  symlink: [4, (c) => [path(c), target(c)]],
  symlinkat: [1, (c) => [path(c), directory(c), target(c)]],
  unlink: [4, (c) => [path(c)]],
  unlinkat: [3, (c) => [directory(c), path(c), c.random.pick([0, 0x200, 1])]],
  rename: [5, (c) => [path(c), target(c)]],
  renameat: [2, (c) => [directory(c), path(c), directory(c), target(c)]],
  renameat2: [5, (c) => [directory(c), path(c), directory(c), target(c), c.random.pick([0, 1, 2, 2, 3, 8])]],
  chmod: [4, (c) => [path(c), mode(c)]],
  fchmod: [2, (c) => [fd(c), mode(c)]],
  fchmodat: [1, (c) => [directory(c), path(c), mode(c)]],
  chown: [4, (c) => [path(c), id(c), id(c)]],
  fchown: [2, (c) => [fd(c), id(c), id(c)]],
  lchown: [2, (c) => [path(c), id(c), id(c)]],
  fchownat: [2, (c) => [directory(c), path(c), id(c), id(c), c.random.pick([0, 0x100, 0x1000, 1])]],
  umask: [2, (c) => [c.random.pick([0o022, 0, 0o077])]],
  chdir: [4, (c) => [pathTo(DIRECTORY)(c)]],
  fchdir: [2, (c) => [fdOf(DIRECTORY)(c)]],
  chroot: [1, (c) => [pathTo(DIRECTORY)(c)]],
  getcwd: [3, (c) => [buffer(4096, c), c.random.pick([4096, 4096, 3])]],
  mknod: [3, (c) => [target(c), c.random.pick([0o010644, 0o100644, 0o140644, 0o040644, 0o666, 0o120644, 0o050000]), 0]],
  mknodat: [1, (c) => [directory(c), target(c), c.random.pick([0o010622, 0o102755, 0o140644, 0o666, 0o120644]), 0]],
  memfd_create: [
    2,
    (c) => [c.random.pick(['m', 'm', 'n'.repeat(249), 'n'.repeat(250), { bad: true }]), c.random.pick([0, 1, 2, 0x40])],
  ],
  pipe: [1, (c) => [buffer(8, c)]],
  pipe2: [3, (c) => [buffer(8, c), c.random.pick([0o4000, 0o4000, 0o2004000, 1])]],
  socketpair: [
    2,
    (c) => [c.random.pick([1, 1, 1, 2]), c.random.pick([0o4001, 0o4002, 0o4005, 0o2004001]), 0, buffer(8, c)],
  ],
  fork: [3, () => []],
  clone: [3, (c) => [c.random.pick([17, 0x411, 0x211, 0x8011, 0x111, 0x10f00, 0x10f00, 0x10000, 0x800, 0x20211])]],
  clone3: [2, (c) => [clone3(c), c.random.pick([88, 88, 88, 64, 32, 5000])]],
  execve: [3, (c) => [executable(c), argv(c), c.random.chance(0.9) ? [] : argv(c)]],
  execveat: [
    2,
    (c) => [
      directory(c),
      c.random.chance(0.3) ? '' : executable(c),
      argv(c),
      [],
      c.random.pick([0, 0, 0x1000, 0x100, 1]),
    ],
  ],
  exit: [1, (c) => [c.random.pick([0, 1, 256, 300])]],
  exit_group: [2, (c) => [c.random.pick([0, 7, -1])], 'child'],
  wait4: [4, (c) => [waited(c), buffer(4, c), c.random.pick([1, 1, 1, 0, 0x4000_0001, 0x100]), null], 'parent'],
  waitid: [
    3,
    (c) => [...awaited(c), buffer(128, c), c.random.pick([5, 5, 5, 0x0100_0005, 4, 1, 0x105]), null],
    'parent',
  ],
  kill: [3, (c) => [group(c), signal(c)]],
  tgkill: [1, (c) => [pid(c), pid(c), signal(c)]],
  tkill: [1, (c) => [pid(c), signal(c)]],
  rt_sigaction: [1, (c) => [c.random.pick([15, 10, 13, 9, 17, 19, 65, 0]), sigaction(c), null, 8]],
  setsid: [1, () => [], 'child'],
  setpgid: [3, (c) => [child(c), c.random.chance(0.6) ? child(c) : c.random.pick([0, 0, -1])], 'parent'],
  getpgid: [1, (c) => [pid(c)]],
  getsid: [1, (c) => [pid(c)]],
  getpgrp: [1, () => []],
  getppid: [1, () => []],
  getpid: [1, () => []],
  gettid: [1, () => []],
  prctl: [5, prctl],
  ptrace: [1, (c) => [c.random.pick([16, 0x4206, 17, 7, 3]), c.random.pick([{ pid: 30_000 }, ownPid(c)]), 0, 0]],
  setuid: [2, (c) => [ownId(c)]],
  setgid: [2, (c) => [ownId(c)]],
  setreuid: [2, (c) => [ownId(c), ownId(c)]],
  setregid: [2, (c) => [ownId(c), ownId(c)]],
  setresuid: [2, (c) => [ownId(c), ownId(c), ownId(c)]],
  setresgid: [2, (c) => [ownId(c), ownId(c), ownId(c)]],
  setfsuid: [1, (c) => [ownId(c)]],
  setfsgid: [1, (c) => [ownId(c)]],
  setgroups: [2, (c) => [c.random.pick([0, 2, 2, 65_537]), c.random.chance(0.9) ? words([1000, 5]) : { bad: true }]],
  getgroups: [2, (c) => [c.random.pick([0, 32, 1, -1]), buffer(128, c)]],
  getuid: [1, () => []],
  geteuid: [1, () => []],
  getgid: [1, () => []],
  getegid: [1, () => []],
  getresuid: [2, (c) => [buffer(4, c), { out: 4 }, { out: 4 }]],
  getresgid: [2, (c) => [buffer(4, c), { out: 4 }, { out: 4 }]],
  capget: [3, (c) => [capabilityHeader(pid)(c), buffer(24, c)]],
  capset: [3, (c) => [capabilityHeader(ownPid)(c), c.random.chance(0.95) ? capabilitySets(c) : { bad: true }]],
  personality: [1, (c) => [c.random.pick([0xffff_ffff, 0, 0x40000])]],
  unshare: [1, (c) => [c.random.pick([0, 0x200, 0x400, 1])]],
  setns: [1, (c) => [fd(c), c.random.pick([0, 0x20000])]],
};

/** The calls that sequences are drawn from, with their weights. */
export const CALL_TABLE: readonly (readonly [weight: number, Drawn])[] = Object.entries(CALLS).map(
  ([name, [weight, draw, caller]]) => [weight, { name, draw, caller }],
);
