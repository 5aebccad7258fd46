import type { HookName } from '../../engine/object/index.ts';
import type { HookPlan, TaskDetail } from '../plan/index.ts';

/** What a record is about. */
export const RECORD_KIND = { event: 1, exec: 2, fork: 3, exit: 4 } as const;
export type RecordKind = keyof typeof RECORD_KIND;

/** Offsets into the head of every record, in bytes; all numbers are little endian. */
export const HEAD = {
  kind: 0,
  /** A byte, as is `generation`: `CONFIG.generation` of the object that the record is of. */
  hook: 2,
  generation: 3,
  /** System call number; the highest bit is set for the ia32 table. */
  event: 4,
  time: 8,
  start: 16,
  tgid: 24,
  tid: 28,
  ppid: 32,
  uid: 36,
  gid: 40,
  loginuid: 44,
  parentStart: 48,
  cgroup: 56,
  /** Which of the following were read, bits of `TASK_DETAILS`. */
  details: 64,
  vpid: 68,
  vtid: 72,
  pvpid: 76,
  sid: 80,
  pgid: 84,
  vpgid: 88,
  /** A device number as user space has it (new_encode_dev of include/linux/kdev_t.h); 0: no terminal. */
  tty: 92,
  /** Threads of the process that are there. */
  threads: 96,
  capEffective: 104,
  capPermitted: 112,
  capInheritable: 120,
  result: 128,
  /**
   * Six of a call; of an exec the executable's times of change and of modification, nanoseconds since 1970, and its layer (`LAYER`); of a fork the id and the start time of the process that forked, which CLONE_PARENT makes no parent, and 1 where the
   * child got its facts.
   */
  arguments: 136,
  fd: 184,
  flags: 188,
  ino: 192,
  dev: 200,
  typechar: 204,
  /** What enforcing rules want: 0 nothing, 1 deny, 2 kill. */
  verdict: 205,
  /** Why it was not done, a key of `GUARDS`; 0: it was done. */
  guard: 206,
  /** 1: nobody but the caller can have changed its file descriptors during the call. */
  ownTable: 207,
  /** Two socket ends of 24 bytes: family u16, port u16 in host order, 4 bytes of nothing, 16 bytes of address. */
  local: 208,
  remote: 232,
  /** task_struct.comm, 16 bytes, NUL-terminated. */
  comm: 256,
  /** Of an IP socket: its protocol, and `CONNECTED`. */
  protocol: 272,
  connected: 274,
  /** 1: the call was refused. */
  denied: 275,
  /** 1: with this event the kills of the executable in its cgroup are used up. */
  usedUp: 276,
  size: 280,
} as const;

/** Bits of `HEAD.details`. */
export const TASK_DETAILS: Readonly<Record<TaskDetail, number>> = {
  capabilities: 1,
  tty: 2,
  vpid: 4,
  vtid: 8,
  pvpid: 16,
  sid: 32,
  pgid: 64,
  vpgid: 128,
  threads: 256,
};

/** What `HEAD.connected` holds: 0 where no IP socket was read. */
export const CONNECTED = { no: 1, yes: 2 } as const;

/** Which layer of an overlay the executable lies in, in a record of an exec. */
export const LAYER = { unknown: 0, none: 1, lower: 2, upper: 3 } as const;

/** Offsets into a socket end. */
export const END = { family: 0, port: 2, address: 8 } as const;

/** Marks the ia32 table in `HEAD.event`. */
export const IA32_BIT = 0x8000_0000;

/** `HEAD.flags` where the caller's memory couldn't be read. */
export const UNKNOWN_FLAGS = 0xffff_ffff;

/** Offsets into a string slot. */
export const STRING = { state: 0, flags: 1, length: 2, nameLength: 4, form: 6, data: 8 } as const;

/** `STRING.form`: whether a path was found to be in its normal form; 0 where nobody asked. */
export const FORM = { normal: 1, other: 2 } as const;

/** What a string slot holds. */
export const STRING_STATE = { none: 0, present: 1, absent: 2, unknown: 3, relative: 4 } as const;
/** `STRING.flags`: the caller's memory, which may have changed since. */
export const AS_PASSED = 1;

/** Bytes a path slot holds; a path of this length or more is unknown. */
export const PATH_BYTES = 256;
/** Bytes of an argument vector that are read; a longer one is unknown. */
export const ARGV_BYTES = 512;

/** Why a verdict was not carried out, by the code in the record: the first of these that held. */
export const GUARDS = {
  done: 0,
  /** The agent doesn't enforce. */
  monitor: 1,
  /** The agent has not said for too long that it lives. */
  expired: 2,
  /** The process with id 1 of the first pid namespace. */
  init: 3,
  'kernel thread': 4,
  /** A process of the agent. */
  agent: 5,
  'protected executable': 6,
  'switched off': 7,
  /** A container's first process, as its runtime says: from kills, not from denials. */
  'container init': 8,
  /** The kills of this executable in this cgroup are used up for now; denials have no budget. */
  'budget spent': 9,
  /** Which executable the process runs could not be told. */
  'executable unknown': 10,
  /** The kernel took no signal. */
  'not sent': 11,
} as const;
export type Guard = keyof typeof GUARDS;

/** What the agent says of a process in the map `spared`, keyed as `processes`: bits. */
export const SPARED = { agent: 1, containerInit: 2 } as const;

/** Bytes of an environment that are read; a longer one is unknown. */
export const ENV_BYTES = 4096;
/** Bytes of a text that an argument points to; a text of this length or more is unknown. */
export const TEXT_BYTES = 256;

/** The strings a record may carry. `base` is the folder that a relative `path` starts from, and at an exec the working directory. */
export type RecordString = 'file' | 'path' | 'path2' | 'base' | 'base2' | 'text' | 'cwd' | 'argv' | 'env';

/** Bytes that a string's slot holds behind its head. */
export const stringBytes = (name: RecordString): number => STRING_BYTES[name] ?? PATH_BYTES;
const STRING_BYTES: Partial<Record<RecordString, number>> = { argv: ARGV_BYTES, env: ENV_BYTES, text: TEXT_BYTES };

/** Where things lie in the records of one hook. */
export interface RecordLayout {
  readonly hook: HookName;
  /** Index into the object's layouts, and `HEAD.hook` of its records. */
  readonly index: number;
  /** Rules that this hook's bits stand for, as indices into the plan's rules. */
  readonly rules: readonly number[];
  /** One bit a rule: the kernel part matched. */
  readonly matched: number;
  /** One bit a rule: the rule's verdict is certain. */
  readonly acted: number;
  readonly ruleBytes: number;
  /** The number of the row of each dimension, two bytes each; then the bytes of truths that have no row. */
  readonly predicates: number;
  readonly predicateBytes: number;
  /** Where the truths of the hook's predicates are, by their numbers. */
  readonly truths: readonly TruthPlace[];
  readonly strings: Readonly<Partial<Record<RecordString, number>>>;
  /** Bytes in front of the strings: no record is shorter. */
  readonly fixed: number;
  /** Bytes with all strings as long as they can be. A record ends behind the last of its strings. */
  readonly size: number;
}

/** Where a record has a truth: in a row of a table, whose number is in the record, or itself. Offsets are from `predicates` on. */
export type TruthLeaf =
  | {
      readonly kind: 'cell';
      readonly at: number;
      readonly rows: Uint8Array;
      readonly width: number;
      readonly column: number;
    }
  | { readonly kind: 'byte'; readonly at: number };

/** A predicate's truth: any or all of some. */
export interface TruthPlace {
  readonly join: 'any' | 'all';
  readonly leaves: readonly TruthLeaf[];
}

const align = (value: number): number => (value + 7) & ~7;

const STRINGS: Readonly<Partial<Record<HookName, readonly RecordString[]>>> = {
  'raw_tp/sys_enter': [],
  'tp_btf/sys_exit': ['file', 'path', 'path2', 'base', 'base2', 'text', 'cwd'],
  'tp_btf/sched_process_exec': ['file', 'base', 'argv', 'env'],
  'tp_btf/sched_process_fork': [],
  'tp_btf/sched_process_exit': ['cwd'],
  'tp_btf/io_uring_submit_req': ['file', 'path', 'path2', 'base', 'base2', 'cwd'],
  'lsm/file_open': ['file', 'cwd'],
  'lsm/bprm_check_security': ['file', 'cwd'],
  'lsm/path_unlink': ['path', 'cwd'],
  'lsm/path_rename': ['path', 'path2', 'cwd'],
  'lsm/path_link': ['path', 'path2', 'cwd'],
  'lsm/path_symlink': ['path', 'text', 'cwd'],
  'lsm/path_chmod': ['path', 'cwd'],
  'lsm/sb_mount': ['path2', 'text', 'cwd'],
  'lsm/kernel_read_file': ['file', 'cwd'],
};

/** Lays out the records of a hook, without the strings that no rule reads: `predicateBytes`, a multiple of 8, and `truths` are what its dimensions take. */
export const recordLayout = (
  hook: HookName,
  index: number,
  plan: HookPlan | undefined,
  predicateBytes: number,
  truths: readonly TruthPlace[],
  unused: ReadonlySet<RecordString> = new Set(),
): RecordLayout => {
  const rules = [...new Set(plan?.events.flatMap((event) => event.rules.map((rule) => rule.rule)) ?? [])];
  const ruleBytes = align(Math.ceil(rules.length / 8));
  const matched = HEAD.size;
  const acted = matched + ruleBytes;
  const predicates = acted + ruleBytes;
  const fixed = predicates + predicateBytes;
  let at = fixed;
  const strings: Partial<Record<RecordString, number>> = {};
  for (const name of STRINGS[hook] ?? ['cwd']) {
    if (unused.has(name)) continue;
    strings[name] = at;
    at += STRING.data + stringBytes(name);
  }
  return {
    hook,
    index,
    rules,
    matched,
    acted,
    ruleBytes,
    predicates,
    predicateBytes,
    truths,
    strings,
    fixed,
    size: at,
  };
};
