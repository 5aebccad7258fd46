import { type ArgumentKind, EVENT_TYPES } from '../../../rules/index.ts';
import { AT_FDCWD, SOCK_STREAM } from '../uapi.ts';
import type { KindName } from './kinds.ts';
import type { StepArgument } from './scenario.ts';

/** A key that a step's call takes, and which argument of the call it is. */
export interface Member {
  readonly key: string;
  readonly kind: KindName;
  /** Index of the argument; undefined for what is no argument. */
  readonly index: number | undefined;
  readonly required: boolean;
  /** What it is where the step leaves it out. */
  readonly fallback: StepArgument | undefined;
}

const number = (value: number): StepArgument => ({ kind: 'literal', value });
const opened = (name: string): StepArgument => ({ kind: 'descriptor', name });
const NULL: StepArgument = { kind: 'literal', value: null };

/** What an argument is that a step leaves out, by its kind; kinds without one must be given. */
const FALLBACKS: { readonly [Kind in ArgumentKind | 'texts']?: StepArgument } = {
  fd: opened('last'),
  dirfd: number(AT_FDCWD),
  openflags: number(0),
  mode: number(0),
  size: number(0),
  int: number(0),
  pointer: NULL,
};

/** Calls that are not written as the kernel takes them: `key:kind:index of the argument`, `?` for one that may be left out. */
const SPECIAL: Readonly<Record<string, string>> = {
  read: 'fd:fd:0? count:size:2?',
  pread64: 'fd:fd:0? count:size:2? pos:int:3?',
  write: 'text:text:1 fd:fd:0?',
  pwrite64: 'text:text:1 pos:int:3? fd:fd:0?',
  writev: 'text:texts:1 fd:fd:0?',
  sendto: 'text:text:1 address:sockaddr:4? fd:fd:0? flags:int:3?',
  recvfrom: 'count:size:2? fd:fd:0? flags:int:3?',
  connect: 'address:sockaddr:1 fd:fd:0? type:int:-?',
  bind: 'address:sockaddr:1 fd:fd:0? type:int:-?',
  listen: 'address:sockaddr:-? backlog:int:1? fd:fd:0?',
  openat2: 'path:path:1 flags:openflags:-? mode:mode:-? resolve:int:-? dirfd:dirfd:0?',
  execve: 'path:path:0 argv:texts:1? env:texts:2?',
  execveat: 'dirfd:dirfd:0? path:path:1 argv:texts:2? env:texts:3? flags:int:4?',
  fork: '',
  vfork: '',
  clone: 'flags:int:0?',
  clone3: 'flags:int:-?',
  init_module: 'module:text:0 params:text:2?',
  finit_module: 'fd:fd:0? params:text:1? flags:int:2?',
  symlink: 'target:path:0 linkpath:path:1',
  symlinkat: 'target:path:0 newdirfd:dirfd:1? linkpath:path:2',
  mount: 'source:path:0 target:path:1 fstype:text:2? flags:int:3? data:text:4?',
  exit: 'status:int:0?',
  exit_group: 'status:int:0?',
  pipe: '',
  pipe2: 'flags:int:1?',
};

/** Fallbacks of single members, where the kind's isn't right; undefined: none. */
const OWN_FALLBACKS: Readonly<Record<string, StepArgument | undefined>> = {
  'read.count': number(4096),
  'pread64.count': number(4096),
  'recvfrom.count': number(4096),
  'recvmsg.fd': opened('socket'),
  'sendmsg.fd': opened('socket'),
  'sendto.fd': opened('socket'),
  'recvfrom.fd': opened('socket'),
  'shutdown.fd': opened('socket'),
  'listen.fd': opened('socket'),
  'listen.backlog': number(128),
  'connect.type': number(SOCK_STREAM),
  'bind.type': number(SOCK_STREAM),
  'connect.fd': undefined,
  'bind.fd': undefined,
  'mkdir.mode': number(0o755),
  'mkdirat.mode': number(0o755),
  'creat.mode': number(0o644),
  'chmod.mode': undefined,
  'fchmod.mode': undefined,
  'fchmodat.mode': undefined,
  'ptrace.request': undefined,
  'truncate.length': undefined,
};

const KIND_OF: { readonly [Kind in ArgumentKind]: KindName } = {
  fd: 'fd',
  dirfd: 'dirfd',
  path: 'path',
  source: 'path',
  target: 'path',
  text: 'text',
  openflags: 'openflags',
  mode: 'mode',
  sockaddr: 'sockaddr',
  pid: 'pid',
  uid: 'uid',
  gid: 'gid',
  signal: 'signal',
  request: 'int',
  family: 'int',
  bpfcommand: 'int',
  size: 'size',
  int: 'int',
  pointer: 'pointer',
};

const fallbackOf = (call: string, key: string, byKind: StepArgument | undefined): StepArgument | undefined => {
  const place = `${call}.${key}`;
  return Object.hasOwn(OWN_FALLBACKS, place) ? OWN_FALLBACKS[place] : byKind;
};

const special = (call: string, text: string): readonly Member[] =>
  text
    .split(' ')
    .filter((part) => part !== '')
    .map((part) => {
      const [key = '', kind = 'any', place = ''] = part.split(':');
      const optional = place.endsWith('?');
      const index = Number.parseInt(place, 10);
      const byKind = kind in FALLBACKS ? FALLBACKS[kind as ArgumentKind] : NULL;
      return {
        key,
        kind: kind as KindName,
        index: Number.isNaN(index) ? undefined : index,
        required: !optional,
        fallback: fallbackOf(call, key, byKind),
      };
    });

/** How a call is written that the table above doesn't have: its arguments under their names, the file it is about as `path`. */
const usual = (call: string): readonly Member[] => {
  const args = EVENT_TYPES.get(call)?.arguments ?? [];
  if (args.length === 0) {
    return Array.from({ length: 6 }, (_, index) => ({
      key: `arg${index}`,
      kind: 'any',
      index,
      required: false,
      fallback: NULL,
    }));
  }
  return args.map(({ name, kind }, index) => {
    const key = kind === 'path' ? 'path' : name;
    const fallback = fallbackOf(call, key, FALLBACKS[kind]);
    return { key, kind: KIND_OF[kind], index, required: fallback === undefined, fallback };
  });
};

/** Calls that make a new process, which gets a name. */
export const FORKS: ReadonlySet<string> = new Set(['fork', 'vfork', 'clone', 'clone3']);

/** Calls that put another program into a process, which may get another name with it. */
export const EXECUTES: ReadonlySet<string> = new Set(['execve', 'execveat']);

/** Calls that make a socket first where none is given. */
export const MAKES_SOCKET: ReadonlySet<string> = new Set(['connect', 'bind']);

/** Words of steps that are no system calls. */
export const OWN_WORDS: readonly string[] = ['exec', 'wait', 'enforcement', 'agent'];

/** System calls, by their kernel names. */
export const CALLS: readonly string[] = [...EVENT_TYPES.values()].filter(({ nr }) => nr >= 0).map(({ type }) => type);

/** How a system call is written in a step. */
export const membersOf = (call: string): readonly Member[] => {
  const text = SPECIAL[call];
  return text === undefined ? usual(call) : special(call, text);
};

const extra = (key: string, kind: KindName, required = false): Member => ({
  key,
  kind,
  index: undefined,
  required,
  fallback: undefined,
});

/** What an exec step takes. */
export const EXEC_MEMBERS: readonly Member[] = [
  extra('path', 'path'),
  extra('argv', 'texts'),
  extra('env', 'texts'),
  extra('memfd', 'text'),
  extra('fd', 'fd'),
  extra('uid', 'uid'),
  extra('gid', 'gid'),
  extra('groups', 'ids'),
  extra('loginuid', 'uid'),
  extra('cwd', 'path'),
  extra('cgroup', 'path'),
  extra('tty', 'text'),
  extra('capabilities', 'capabilities'),
  extra('vpid', 'pid'),
  extra('times', 'times'),
  extra('every', 'duration'),
];

/** What an accept step takes. */
export const ACCEPT_MEMBERS: readonly Member[] = [extra('from', 'endpoint'), extra('data', 'text'), extra('fd', 'fd')];

/** What a wait step takes. */
export const WAIT_MEMBERS: readonly Member[] = [extra('time', 'duration', true)];

/** What a step takes that switches enforcement. */
export const SWITCH_MEMBERS: readonly Member[] = [extra('state', 'switch', true)];

/** What a step takes that says what the agent does. */
export const AGENT_MEMBERS: readonly Member[] = [extra('does', 'agent', true)];
