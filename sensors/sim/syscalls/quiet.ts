import { F_DUPFD, F_DUPFD_CLOEXEC, F_SETFD, F_SETFL } from '../uapi.ts';
import type { CallArguments } from './call-arguments.ts';
import { EFFECTLESS } from './effectless.ts';

/** A path that a call looks for. `directory` is the argument with the descriptor that a relative one starts at, undefined for the working directory. */
export interface Look {
  readonly path: number;
  readonly directory: number | undefined;
  /** Through a symbolic link in the last place. */
  readonly follow: boolean;
}

const look = (path: number, directory?: number, follow = true): Look => ({ path, directory, follow });

const names = (text: string): string[] => text.trim().split(/\s+/);

/** Calls that only tell who somebody is, what a socket is like, or what chance decides. */
const ASKS = `
  fstat getuid geteuid getgid getegid getresuid getresgid getgroups getpid gettid getppid getpgrp getpgid getsid getcwd
  getsockopt setsockopt getsockname getpeername getrandom capget personality
`;

/** Commands of fcntl that change a descriptor or make one. */
const CHANGING_COMMANDS: ReadonlySet<number> = new Set([F_DUPFD, F_DUPFD_CLOEXEC, F_SETFD, F_SETFL]);
/** include/uapi/linux/prctl.h */
const PR_SET_NAME = 15;

/** Calls of which a success leaves everything as it was, by what they look for; undefined where that hangs on their arguments and isn't so. */
const QUIET: Readonly<Record<string, (args: CallArguments) => Look | 'nothing' | undefined>> = {
  ...Object.fromEntries([...EFFECTLESS, ...names(ASKS)].map((name) => [name, () => 'nothing'])),
  stat: () => look(0),
  lstat: () => look(0),
  newfstatat: () => look(1, 0),
  statx: () => look(1, 0),
  access: () => look(0),
  faccessat: () => look(1, 0),
  faccessat2: () => look(1, 0),
  statfs: () => look(0),
  readlink: () => look(0, undefined, false),
  readlinkat: () => look(1, 0, false),
  rt_sigaction: (args) => (args.isNull(1) ? 'nothing' : undefined),
  fcntl: (args) => (CHANGING_COMMANDS.has(args.int(1)) ? undefined : 'nothing'),
  prctl: (args) => (args.int(0) === PR_SET_NAME ? undefined : 'nothing'),
};

/** What a call looks for whose success leaves everything as it was; undefined for one that changes something. */
export const lookOf = (name: string, args: CallArguments): Look | 'nothing' | undefined =>
  Object.hasOwn(QUIET, name) ? QUIET[name]?.(args) : undefined;
