import type { HookName } from '../../engine/object/index.ts';
import type { End, NumberSlot, StringPart, StringSlot } from './placed.ts';

/** What a hook before the effect has of a call. */
interface BeforeEffect {
  /** The event type that its events count as; of others of the family it has the same. */
  readonly event: string;
  /** Event types that it can't tell apart; left out: `event` alone. */
  readonly family?: readonly string[];
  readonly strings?: readonly StringSlot[];
  /** Arguments of `event` that are numbers. */
  readonly numbers?: readonly string[];
  readonly ends?: readonly End[];
  /** What it has of a file or a socket. */
  readonly file?: 'file' | 'socket' | 'address';
}

const BOTH: readonly End[] = ['local', 'remote'];
const CONNECT: BeforeEffect = { event: 'connect', ends: ['remote'], file: 'address' };
const SEND: BeforeEffect = { event: 'sendto', family: ['sendto', 'sendmsg'], ends: ['remote'], file: 'address' };
const BIND: BeforeEffect = { event: 'bind', ends: ['local'], file: 'address' };

/**
 * The hooks before the effect. Calls that come through the same function of the kernel count as one of its family: creat as an open, rt_sigqueueinfo
 * as kill, a write to a socket as sendto.
 */
const BEFORE_EFFECT: Partial<Record<HookName, BeforeEffect>> = {
  'lsm/file_open': { event: 'openat', family: ['open', 'openat', 'openat2'], strings: ['file'], file: 'file' },
  'lsm/bprm_check_security': { event: 'execve', strings: ['file'], file: 'file' },
  'lsm/path_unlink': { event: 'unlinkat', family: ['unlink', 'unlinkat'], strings: ['path'] },
  'lsm/path_rename': {
    event: 'renameat2',
    family: ['rename', 'renameat', 'renameat2'],
    strings: ['path', 'path2'],
  },
  'lsm/path_link': { event: 'linkat', family: ['link', 'linkat'], strings: ['path', 'path2'] },
  'lsm/path_symlink': { event: 'symlinkat', family: ['symlink', 'symlinkat'], strings: ['path', 'text'] },
  'lsm/path_chmod': {
    event: 'fchmodat',
    family: ['chmod', 'fchmod', 'fchmodat'],
    strings: ['path'],
    numbers: ['mode'],
  },
  'lsm/task_kill': { event: 'kill', family: ['kill', 'tkill', 'tgkill'], numbers: ['sig'] },
  'lsm/task_fix_setuid': { event: 'setuid', family: ['setuid', 'setreuid', 'setresuid'], numbers: ['uid'] },
  'lsm/ptrace_access_check': { event: 'ptrace' },
  'lsm/sb_mount': { event: 'mount', strings: ['path2', 'text'], numbers: ['flags'] },
  'lsm/kernel_read_file': { event: 'finit_module', strings: ['file'], file: 'file' },
  'lsm/kernel_load_data': { event: 'init_module' },
  'lsm/bpf': { event: 'bpf', numbers: ['cmd', 'size'] },
  'lsm/socket_connect': { ...CONNECT, ends: BOTH, file: 'socket' },
  'lsm/socket_sendmsg': { ...SEND, ends: BOTH, file: 'socket' },
  'lsm/socket_bind': { ...BIND, file: 'socket' },
  'cgroup/connect4': CONNECT,
  'cgroup/connect6': CONNECT,
  'cgroup/sendmsg4': SEND,
  'cgroup/sendmsg6': SEND,
  'cgroup/bind4': BIND,
  'cgroup/bind6': BIND,
};

const entries = Object.entries(BEFORE_EFFECT) as [HookName, BeforeEffect][];

/** The hooks before the effect with programs of their own, in the order in which they are loaded. */
export const HOOKS_BEFORE_EFFECT: readonly HookName[] = entries.map(([hook]) => hook);

/** Hooks at which the call has no result yet. */
export const beforeEffect = (hook: HookName): boolean => BEFORE_EFFECT[hook] !== undefined;

/** Event types that a hook before the effect can't tell apart. */
export const FAMILIES: Partial<Record<HookName, readonly string[]>> = Object.fromEntries(
  entries.flatMap(([hook, { family }]) => (family === undefined ? [] : [[hook, family]])),
);

/** The event type that events of a hook before the effect count as. */
export const EVENT_BEFORE_EFFECT: Partial<Record<HookName, string>> = Object.fromEntries(
  entries.map(([hook, { event }]) => [hook, event]),
);

/** Whether a hook before the effect has a string; what the caller wrote is gone there. */
export const isKnownString = (hook: HookName, slot: StringSlot, part: StringPart): boolean => {
  if (slot === 'cwd') return true;
  const isRaw = part === 'raw' && slot !== 'text';
  return !isRaw && (BEFORE_EFFECT[hook]?.strings?.includes(slot) ?? false);
};

/** Whether a hook before the effect has an argument that is a number. */
export const isKnownArgument = (hook: HookName, argument: string): boolean =>
  BEFORE_EFFECT[hook]?.numbers?.includes(argument) ?? false;

/** Whether a hook before the effect has an end of the socket. */
export const isKnownEnd = (hook: HookName, end: End): boolean => BEFORE_EFFECT[hook]?.ends?.includes(end) ?? false;

/** Whether a hook before the effect has a fact of the file or the socket. */
export const isKnownOfFile = (hook: HookName, slot: NumberSlot['slot']): boolean => {
  const { file } = BEFORE_EFFECT[hook] ?? {};
  if (file === undefined || file === 'file') return file === 'file';
  return slot === 'typechar' || slot === 'protocol' || (slot === 'connected' && file === 'socket');
};
