import { constants } from 'node:os';
import type { CallOptions, ContainerFacts, SimArgument, SimHost } from '../../../../sensors/index.ts';
import { type Fact, is, listOf } from '../language/index.ts';
import { containerFields } from './containers.ts';
import { ancestorsOf, type Known } from './known.ts';
import { absolute, bytesOf } from './paths.ts';

/** An event as the test itself knows it. */
export interface Happened {
  readonly type: string;
  /** The process it is an event of. */
  readonly pid: number;
  readonly facts: ReadonlyMap<string, Fact>;
}

/** A field's fact by its text. */
export type Field = readonly [name: string, fact: Fact];

export const AT_FDCWD = -100;
/** An address that nothing is mapped at. */
export const FAR = 0xdead_0000;
/** Bytes from which on a path that the kernel resolved is longer than what is read. */
const LONG_PATH = 256;
/** Bytes from which on a path in the caller's memory is. */
const LONG_PASSED = 255;
/** Bytes, ends of the texts counted, from which on an argument vector is. */
export const LONG_ARGV = 512;

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** Names of users and groups. */
export const USERS: Readonly<Record<number, string>> = {
  0: 'root',
  1: 'daemon',
  2: 'bin',
  33: 'www-data',
  101: '_apt',
  105: 'sshd',
  1000: 'alice',
  1001: 'foreman',
  65534: 'nobody',
};

/** Domain names that rules may ask for, with their addresses. */
export const DOMAINS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.default.svc.cluster.local': ['203.0.113.5'],
  'example.com': ['198.51.100.7', '2001:db8:1::5'],
};

/** What an address is called. */
export const domainOf = (address: string): Fact => {
  const [name] = Object.entries(DOMAINS).find(([, addresses]) => addresses.includes(address)) ?? [];
  return name === undefined ? 'absent' : is(name);
};

/** Capabilities by number (capabilities(7)). */
const CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
];

/** What root may, and others may not. */
const capabilities = ({ uid, capabilities: own }: Known): Fact =>
  is((own ?? (uid === 0 ? CAPABILITIES.map((name) => `CAP_${name}`) : [])).join(' '));

/** tty_nr of `pts/3`: major 136, the number as the minor. */
const terminal = (tty: string | undefined): Fact => is(tty === undefined ? 0 : (136 << 8) | Number(tty.slice(4)));

/** The simulated host with what the test knows of it, on which calls are made. */
export interface Context {
  readonly host: SimHost;
  readonly living: Known[];
  readonly init: Known;
  readonly links: ReadonlyMap<string, string>;
  readonly containers: readonly ContainerFacts[];
  /** What happened, for messages. */
  readonly story: string[];
  /** The events since they were last taken. */
  events: Happened[];
}

/** The table of system calls that a call's number is from. */
export type Abi = 'x86-64' | 'ia32';

export interface Calling extends CallOptions {
  /** The second thread makes the call, where there is one. */
  readonly thread?: boolean;
}

/** Makes a call and returns its result. */
export const call = (
  { host, story }: Context,
  process: Known,
  name: string,
  args: readonly SimArgument[],
  { thread = false, ...options }: Calling = {},
): number => {
  const { result } = host.call(thread && process.thread?.alive ? process.thread : process.task, name, args, options);
  const shown = args.map((each) => (typeof each === 'object' ? JSON.stringify(each) : String(each)));
  story.push(`${process.pid} ${process.name}: ${name}(${shown.join(', ')}) ${JSON.stringify(options)} = ${result}`);
  return result;
};

const command = ({ name, argv }: Known): Fact =>
  argv === undefined ? 'unknown' : is([name, ...argv.slice(1)].join(' '));

/** Fields of a process and those of its ancestors. */
const processFields = (process: Known): readonly Field[] => {
  const { argv, name, uid } = process;
  const above = ancestorsOf(process);
  const [parent] = above;
  return [
    ['proc.name', is(name)],
    ['proc.exepath', is(process.exepath)],
    ['proc.exe', argv === undefined ? 'unknown' : is(argv[0] ?? '')],
    ['proc.args', argv === undefined ? 'unknown' : is(argv.slice(1).join(' '))],
    ['proc.cmdline', command(process)],
    ['proc.cwd', process.isSeen ? is(process.cwd === '/' ? '/' : `${process.cwd}/`) : 'untold'],
    ['proc.env', process.env === undefined ? 'untold' : is(process.env.join(' '))],
    ['proc.tty', terminal(process.tty)],
    ['proc.vpid', is(process.vpid)],
    ['proc.is_exe_upper_layer', is(process.exepath.startsWith('/layers/up/'))],
    ['proc.is_exe_lower_layer', is(process.exepath.startsWith('/layers/low/'))],
    ['thread.cap_effective', capabilities(process)],
    ['thread.cap_permitted', capabilities(process)],
    ['proc.is_exe_from_memfd', is(process.fromMemory)],
    ['proc.pid', is(process.pid)],
    ['proc.ppid', is(parent?.pid ?? 0)],
    ['proc.pname', parent === undefined ? 'absent' : is(parent.name)],
    ['proc.pexe', parent === undefined ? 'absent' : parent.argv === undefined ? 'unknown' : is(parent.argv[0] ?? '')],
    ['proc.pexepath', parent === undefined ? 'absent' : is(parent.exepath)],
    ['proc.pcmdline', parent === undefined ? 'absent' : command(parent)],
    ['proc.aname', is(above.map((each) => each.name))],
    ['proc.aexepath', is(above.map((each) => each.exepath))],
    ['proc.aexe', listOf(above.map((each) => each.argv && (each.argv[0] ?? '')))],
    ...above.slice(0, 7).flatMap((each, index): Field[] => [
      [`proc.aname[${index + 1}]`, is(each.name)],
      [`proc.aexe[${index + 1}]`, each.argv === undefined ? 'unknown' : is(each.argv[0] ?? '')],
      [`proc.aexepath[${index + 1}]`, is(each.exepath)],
      [`proc.acmdline[${index + 1}]`, command(each)],
      [`proc.aargs[${index + 1}]`, each.argv === undefined ? 'unknown' : is(each.argv.slice(1).join(' '))],
    ]),
    ['user.uid', is(uid)],
    ['user.name', is(USERS[uid] ?? '<NA>')],
    ['group.gid', is(process.gid)],
    ['group.name', is(USERS[process.gid] ?? '<NA>')],
  ];
};

/** Results that say that a call was interrupted, and is none yet (include/linux/errno.h). */
const INTERRUPTED = [-516n, -512n] as const;

const isInterrupted = (fields: readonly Field[]): boolean =>
  fields.some(([name, fact]) => {
    const value = name === 'evt.rawres' && typeof fact === 'object' ? fact.is : undefined;
    return typeof value === 'bigint' && value >= INTERRUPTED[0] && value <= INTERRUPTED[1];
  });

/** Notes an event of a process; a call that was interrupted is none. */
export const emit = (context: Context, type: string, process: Known, ...fields: readonly Field[]): void => {
  if (isInterrupted(fields)) return;
  const facts = new Map<string, Fact>([
    ['evt.type', is(type)],
    ['evt.num', is(1)],
    ['proc.duration', is(context.host.bootNs - process.task.startNs)],
    ['evt.dir', is('<')],
    ['syscall.type', type === 'procexit' ? 'absent' : is(type)],
    ['evt.io_uring', is(false)],
    ...processFields(process),
    ...containerFields(process.cgroup, context.containers),
    ...fields,
  ]);
  context.events.push({ type, pid: process.pid, facts });
};

/** What a call came to. */
export const resultFields = (result: number): readonly Field[] => [
  ['evt.rawres', is(result)],
  ['evt.res', is(result >= 0 ? 'SUCCESS' : (ERRNO_NAMES.get(-result) ?? `E${-result}`))],
  ['evt.failed', is(result < 0)],
];

export const argument = (name: string, fact: Fact): Field => [`evt.arg[${name}]`, fact];
export const intArgument = (name: string, value: number): Field => argument(name, is(String(value)));

const TYPES: Readonly<Record<string, string>> = {
  f: 'file',
  d: 'directory',
  '4': 'ipv4',
  '6': 'ipv6',
  u: 'unix',
  p: 'pipe',
  c: 'char',
  b: 'block',
  m: 'memfd',
  o: 'other',
};

export const typeFields = (type: string): readonly Field[] => [
  ['fd.typechar', is(type)],
  ['fd.type', is(TYPES[type] ?? '?')],
];

/** A descriptor's file. */
export const fileFields = (path: string, type: string): readonly Field[] => {
  const slash = path.lastIndexOf('/');
  const long = bytesOf(path) >= LONG_PATH;
  return [
    ['fd.name', long ? 'unknown' : is(path)],
    ['fd.directory', long ? 'unknown' : is(path.slice(0, Math.max(1, slash)))],
    ['fd.filename', long ? 'unknown' : is(path.slice(slash + 1))],
    ...typeFields(type),
  ];
};

/** A descriptor's file where nothing can be said of it. */
export const unknownFile: readonly Field[] = ['fd.name', 'fd.directory', 'fd.filename', 'fd.typechar', 'fd.type'].map(
  (name) => [name, 'unknown'],
);

/** A path as the caller passed it; undefined: memory that can't be read, or a folder that isn't known. */
export const passed = (base: string | undefined, path: string | undefined): Fact => {
  if (path === undefined || bytesOf(path) >= LONG_PASSED) return 'unknown';
  if (!path.startsWith('/') && base === undefined) return 'unknown';
  return is(absolute(base ?? '/', path));
};

/** A path as it was written. */
export const raw = (path: string, unreadable: boolean): Fact =>
  unreadable || bytesOf(path) >= LONG_PASSED ? 'unknown' : is(path);

/** A directory to start from: the argument and its path. */
export interface From {
  readonly dirfd: number;
  readonly base: string | undefined;
}

export const fromCwd = ({ cwd }: Known): From => ({ dirfd: AT_FDCWD, base: cwd });
