import { type Call, CHILD } from './machine-code.ts';

/** Numbers of the x86-64 table. */
const NR = {
  open: 2,
  socket: 41,
  connect: 42,
  sendto: 44,
  bind: 49,
  execve: 59,
  kill: 62,
  rename: 82,
  link: 86,
  unlink: 87,
  symlink: 88,
  chmod: 90,
  ptrace: 101,
  setuid: 105,
  mount: 165,
  init_module: 175,
  finit_module: 313,
  bpf: 321,
} as const;
const [AF_INET, AF_INET6, SOCK_STREAM, SOCK_DGRAM] = [2, 10, 1, 2];
const PTRACE_SEIZE = 0x4206;
const SOCK_CLOEXEC = 0o2000000;
/** discard of RFC 863; nobody listens on port 1. */
const [DISCARD, NOBODY] = [9, 1];
const BPF_ATTR_BYTES = 72;

/** struct sockaddr_in, or _in6, of a port of the loopback address. */
const loopback = (family: number, port: number): Uint8Array => {
  const bytes = new Uint8Array(family === AF_INET ? 16 : 28);
  bytes.set([family, 0, port >> 8, port & 0xff]);
  if (family === AF_INET) bytes.set([127, 0, 0, 1], 4);
  else bytes[23] = 1;
  return bytes;
};

const socketOf = (name: string, family: number, type: number): Call => ({
  name,
  nr: NR.socket,
  arguments: [family, type | SOCK_CLOEXEC, 0],
});

/** What is there before the calls: an open file and sockets. */
export const preparation = (file: string): readonly Call[] => [
  { name: 'file', nr: NR.open, arguments: [file, SOCK_CLOEXEC, 0] },
  socketOf('tcp4', AF_INET, SOCK_STREAM),
  socketOf('tcp6', AF_INET6, SOCK_STREAM),
  socketOf('udp4', AF_INET, SOCK_DGRAM),
  socketOf('udp6', AF_INET6, SOCK_DGRAM),
];

const addressed = (nr: number, socket: string, family: 4 | 6, port: number): Omit<Call, 'name'> => {
  const address = loopback(family === 4 ? AF_INET : AF_INET6, port);
  const to = [address, address.length];
  return { nr, arguments: [{ resultOf: socket }, ...(nr === NR.sendto ? ['', 0, 0] : []), ...to] };
};

/** A call for each hook that comes through it, and does no harm where it is let through; `file` is in a folder of its own. */
const callsOf = (file: string, uid: number): Readonly<Record<string, Omit<Call, 'name'>>> => ({
  'lsm/file_open': { nr: NR.open, arguments: [file, SOCK_CLOEXEC, 0] },
  'lsm/path_chmod': { nr: NR.chmod, arguments: [file, 0o600] },
  'lsm/path_link': { nr: NR.link, arguments: [file, `${file}.link`] },
  'lsm/path_symlink': { nr: NR.symlink, arguments: [file, `${file}.symlink`] },
  'lsm/path_rename': { nr: NR.rename, arguments: [`${file}.from`, `${file}.to`] },
  'lsm/path_unlink': { nr: NR.unlink, arguments: [`${file}.old`] },
  'lsm/task_kill': { nr: NR.kill, arguments: [{ resultOf: CHILD }, 0] },
  'lsm/task_fix_setuid': { nr: NR.setuid, arguments: [uid] },
  'lsm/ptrace_access_check': { nr: NR.ptrace, arguments: [PTRACE_SEIZE, { resultOf: CHILD }, 0, 0] },
  'lsm/sb_mount': { nr: NR.mount, arguments: ['none', file.replace(/\/[^/]*$/, ''), 'shrike-none', 0, 0] },
  'lsm/kernel_read_file': { nr: NR.finit_module, arguments: [{ resultOf: 'file' }, '', 0] },
  'lsm/kernel_load_data': { nr: NR.init_module, arguments: [new Uint8Array(64).fill(7), 64, ''] },
  'lsm/bpf': { nr: NR.bpf, arguments: [0, new Uint8Array(BPF_ATTR_BYTES), BPF_ATTR_BYTES] },
  'lsm/socket_connect': addressed(NR.connect, 'tcp4', 4, NOBODY),
  'lsm/socket_bind': addressed(NR.bind, 'tcp4', 4, 0),
  'lsm/socket_sendmsg': addressed(NR.sendto, 'udp4', 4, DISCARD),
  'cgroup/connect4': addressed(NR.connect, 'tcp4', 4, NOBODY),
  'cgroup/connect6': addressed(NR.connect, 'tcp6', 6, NOBODY),
  'cgroup/bind4': addressed(NR.bind, 'tcp4', 4, 0),
  'cgroup/bind6': addressed(NR.bind, 'tcp6', 6, 0),
  'cgroup/sendmsg4': addressed(NR.sendto, 'udp4', 4, DISCARD),
  'cgroup/sendmsg6': addressed(NR.sendto, 'udp6', 6, DISCARD),
  'lsm/bprm_check_security': { nr: NR.execve, arguments: ['/proc/self/exe', 0, 0] },
  'tp_btf/sched_process_exec': { nr: NR.execve, arguments: ['/proc/self/exe', 0, 0] },
});

const [FANOTIFY_OPEN, FANOTIFY_EXEC] = ['fanotify/open ', 'fanotify/exec '] as const;

/** Whether a hook is only asked where something can be executed. */
export const isExecAsked = (hook: string): boolean => hook.startsWith(FANOTIFY_EXEC);

/** The mount whose files a hook is asked about: that of `fanotify/open MOUNT`, `fanotify/exec MOUNT`; undefined for hooks that are asked about all. */
export const mountAsked = (hook: string): string | undefined =>
  [FANOTIFY_OPEN, FANOTIFY_EXEC].flatMap((prefix) => (hook.startsWith(prefix) ? [hook.slice(prefix.length)] : []))[0];

/** The call for such a hook, about a file on its mount that may be executed and is no program. */
const callAbout = (hook: string, files: ReadonlyMap<string, string>): Omit<Call, 'name'> | undefined => {
  const file = files.get(mountAsked(hook) ?? '');
  if (file === undefined) return undefined;
  return isExecAsked(hook)
    ? { nr: NR.execve, arguments: [file, 0, 0] }
    : { nr: NR.open, arguments: [file, SOCK_CLOEXEC, 0] };
};

/** Files beside `file` that the calls want to be there. */
export const FILES = ['', '.from', '.old'] as const;

/** Hooks whose calls end the process where they are let through or carried out: last in a round. */
const LAST: ReadonlySet<string> = new Set(['lsm/bprm_check_security', 'tp_btf/sched_process_exec']);
/** Where a process is killed after whichever call a rule names. */
export const AFTER_CALL = 'tp_btf/sys_exit';
/** Those, and hooks whose call has another result the second time: what they do while nothing is enforced is not looked at. */
const ONCE: ReadonlySet<string> = new Set([...LAST, 'lsm/ptrace_access_check']);

/**
 * The calls to try hooks with, in the hooks' order but for those that end the process; hooks that have none are left out. For the end of calls it is each.
 * @param files by the mounts on which they lie
 */
export const trials = (
  hooks: readonly string[],
  file: string,
  uid: number,
  files: ReadonlyMap<string, string> = new Map(),
): readonly Call[] => {
  const calls = callsOf(file, uid);
  if (hooks.includes(AFTER_CALL))
    return Object.entries(calls)
      .filter(([name]) => !ONCE.has(name))
      .map(([, call], index) => ({ name: `${AFTER_CALL} ${index}`, ...call }));
  return [...hooks.filter((hook) => !LAST.has(hook)), ...hooks.filter((hook) => LAST.has(hook))].flatMap((name) => {
    const call = calls[name] ?? callAbout(name, files);
    return call === undefined ? [] : [{ name, ...call }];
  });
};

/** Those that are also made while nothing is enforced, to see that they are not refused anyway. */
export const comparable = (calls: readonly Call[]): readonly Call[] =>
  calls.filter(({ name }) => !ONCE.has(name) && !name.startsWith(AFTER_CALL));
