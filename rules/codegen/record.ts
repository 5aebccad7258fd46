import type { HookName } from '../../engine/object/index.ts';
import {
  type Abi,
  AF_INET,
  AF_INET6,
  addressText,
  EVENT_TYPES,
  type EventType,
  eventTypeOf,
  Truth,
  X32_BIT,
} from '../language/index.ts';
import { EVENT_OF_HOOK, type TaskDetail } from '../plan/index.ts';
import { EXE } from './exe-facts.ts';
import {
  AS_PASSED,
  CONNECTED,
  END,
  GUARDS,
  type Guard,
  HEAD,
  IA32_BIT,
  RECORD_KIND,
  type RecordKind,
  type RecordLayout,
  type RecordString,
  STRING,
  STRING_STATE,
  TASK_DETAILS,
  type TruthLeaf,
} from './layout.ts';

/** One end of a socket. */
export interface SocketEnd {
  readonly family: 'ipv4' | 'ipv6';
  /** In its usual text form. */
  readonly address: string;
  readonly port: number;
}

/** A string of a record. */
export interface RecordText {
  readonly state: 'present' | 'absent' | 'unknown' | 'relative';
  readonly text: string;
  /** The caller's memory, as it was when the call ended. */
  readonly asPassed: boolean;
  /** Length in bytes of the last component, or of argv[0] with its NUL; 0 where it isn't known. */
  readonly nameLength: number;
}

/** Numbers of the head that only `TASK_DETAILS` tells the presence of. */
const DETAIL_AT = {
  vpid: ['vpid', 4],
  vtid: ['vtid', 4],
  pvpid: ['pvpid', 4],
  sid: ['sid', 4],
  pgid: ['pgid', 4],
  vpgid: ['vpgid', 4],
  tty: ['tty', 4],
  threads: ['threads', 4],
  capEffective: ['capabilities', 8],
  capPermitted: ['capabilities', 8],
  capInheritable: ['capabilities', 8],
} as const satisfies Record<string, readonly [TaskDetail, 4 | 8]>;
export type RecordDetail = keyof typeof DETAIL_AT;

/** What is known of an executable's inode beside its number; times are nanoseconds since 1970. */
export interface ExeFacts {
  readonly ctime: bigint | undefined;
  readonly mtime: bigint | undefined;
  /** The layer of an overlay that it lies in; `none`: it lies in no overlay. */
  readonly layer: 'upper' | 'lower' | 'none' | undefined;
}

const LAYERS = ['unknown', 'none', 'lower', 'upper'] as const;
const NO_EXE: ExeFacts = { ctime: undefined, mtime: undefined, layer: undefined };

const exeOf = (view: DataView): ExeFacts => {
  const layer = LAYERS[view.getUint8(EXE.layer)];
  const time = (at: number): bigint | undefined => view.getBigUint64(at, true) || undefined;
  return {
    ctime: time(EXE.changed),
    mtime: time(EXE.modified),
    layer: layer === 'unknown' ? undefined : layer,
  };
};

/** A record of the ring buffer, decoded. */
export interface EventRecord {
  readonly kind: RecordKind;
  readonly hook: HookName;
  readonly layout: RecordLayout;
  readonly abi: Abi;
  /** Undefined for forks, and for numbers that no table has. */
  readonly event: EventType | undefined;
  /** Nanoseconds since boot. */
  readonly time: bigint;
  readonly pid: number;
  readonly start: bigint;
  readonly tid: number;
  /** comm of the task; the thread can change it. */
  readonly comm: string;
  readonly parentPid: number;
  readonly parentStart: bigint;
  readonly uid: number;
  readonly gid: number;
  /** -1: none. */
  readonly loginuid: number;
  readonly cgroup: bigint;
  readonly result: bigint;
  readonly arguments: readonly bigint[];
  readonly fd: number;
  readonly flags: number;
  readonly ino: bigint;
  readonly dev: bigint;
  /** Empty where the file's type isn't known. */
  readonly typechar: string;
  /** Nobody but the caller can have changed its file descriptors during the call. */
  readonly ownTable: boolean;
  readonly verdict: 'alert' | 'deny' | 'kill';
  /** `done`: the verdict was carried out; else why not. */
  readonly guard: Guard;
  /** The call was refused. */
  readonly denied: boolean;
  /** With this event the kills of the executable in its cgroup are used up. */
  readonly usedUp: boolean;
  readonly local: SocketEnd | undefined;
  readonly remote: SocketEnd | undefined;
  /** Of an IP socket that was read: its protocol's number, and whether it is connected. */
  readonly protocol: number | undefined;
  readonly connected: boolean | undefined;
  /** What was read of the task; undefined where no rule asks for it, or it could not be read. */
  detail(name: RecordDetail): bigint | undefined;
  /** What an exec's record says of the executable's inode. */
  readonly exe: ExeFacts;
  /** Indices into the plan's rules. */
  readonly matched: readonly number[];
  readonly certain: ReadonlySet<number>;
  /** Truths by the hook's predicate numbers; undefined for what wasn't evaluated. */
  truth(predicate: number): Truth | undefined;
  string(name: RecordString): RecordText | undefined;
}

const VERDICT_NAMES = ['alert', 'deny', 'kill'] as const;
const GUARD_NAMES = new Map(Object.entries(GUARDS).map(([name, code]) => [code as number, name as Guard]));
const KINDS = new Map(Object.entries(RECORD_KIND).map(([name, code]) => [code as number, name as RecordKind]));
const STATES = new Map<number, RecordText['state']>([
  [STRING_STATE.present, 'present'],
  [STRING_STATE.absent, 'absent'],
  [STRING_STATE.unknown, 'unknown'],
  [STRING_STATE.relative, 'relative'],
]);
const CONNECTIONS = new Map<number, boolean>([
  [CONNECTED.no, false],
  [CONNECTED.yes, true],
]);
const TRUTHS: ReadonlySet<number> = new Set(Object.values(Truth));
const decoder = new TextDecoder();

/** Thrown for bytes that no program of the object wrote. */
export class RecordError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RecordError';
  }
}

const endOf = (view: DataView, at: number): SocketEnd | undefined => {
  const family = view.getUint16(at + END.family, true);
  const port = view.getUint16(at + END.port, true);
  const bytes = (length: number): Uint8Array => new Uint8Array(view.buffer, view.byteOffset + at + END.address, length);
  if (family === AF_INET) return { family: 'ipv4', address: addressText(bytes(4)), port };
  return family === AF_INET6 ? { family: 'ipv6', address: addressText(bytes(16)), port } : undefined;
};

const eventOf = (hook: HookName, view: DataView, abi: Abi): EventType | undefined => {
  const fixed = EVENT_OF_HOOK[hook];
  if (fixed !== undefined) return EVENT_TYPES.get(fixed);
  if (hook === 'tp_btf/sched_process_fork') return undefined;
  return eventTypeOf(abi, (view.getUint32(HEAD.event, true) & ~IA32_BIT) >>> 0);
};

/** The truth of a leaf; unknown where the record has none. */
const leafTruth = (view: DataView, layout: RecordLayout, leaf: TruthLeaf): number => {
  const at = layout.predicates + leaf.at;
  if (leaf.kind === 'byte') return view.getUint8(at) || Truth.UNKNOWN;
  return leaf.rows[view.getUint16(at, true) * leaf.width + leaf.column] ?? Truth.UNKNOWN;
};

/** Bit by bit: it may be true where any (or each) may, false where each (or any) may, absent where all are. */
const truthAt = (view: DataView, layout: RecordLayout, predicate: number): Truth | undefined => {
  const { join, leaves } = layout.truths[predicate] ?? { join: 'any', leaves: [] };
  let [any, all] = [0, Truth.TRUE | Truth.ABSENT];
  for (const leaf of leaves) {
    const truth = leafTruth(view, layout, leaf);
    any |= truth;
    all &= truth;
  }
  if (leaves.length === 0) return undefined;
  const [mayHold, mayFail] = join === 'any' ? [any, all] : [all, any];
  const truth = (mayHold & Truth.TRUE) | (mayFail & Truth.FALSE) | (all & ABSENT_BIT);
  return TRUTHS.has(truth) ? (truth as Truth) : undefined;
};

const ABSENT_BIT = Truth.ABSENT & ~Truth.FALSE;

/** Indices of the rules whose bits are set from a byte on. */
const rulesAt = (view: DataView, { rules, ruleBytes }: RecordLayout, from: number): readonly number[] => {
  let found: number[] | undefined;
  for (let at = 0; at < ruleBytes; at++) {
    const byte = view.getUint8(from + at);
    for (let bit = 0; byte >> bit !== 0; bit++) {
      const rule = rules[8 * at + bit];
      if ((byte & (1 << bit)) === 0 || rule === undefined) continue;
      found ??= [];
      found.push(rule);
    }
  }
  return found ?? NO_RULES;
};

const NO_RULES: readonly number[] = [];
const NONE_CERTAIN: ReadonlySet<number> = new Set();

const certainAt = (view: DataView, layout: RecordLayout): ReadonlySet<number> => {
  const rules = rulesAt(view, layout, layout.acted);
  return rules.length === 0 ? NONE_CERTAIN : new Set(rules);
};

const argumentsAt = (view: DataView): readonly bigint[] => {
  const at = HEAD.arguments;
  return [
    view.getBigUint64(at, true),
    view.getBigUint64(at + 8, true),
    view.getBigUint64(at + 16, true),
    view.getBigUint64(at + 24, true),
    view.getBigUint64(at + 32, true),
    view.getBigUint64(at + 40, true),
  ];
};

/** Most texts are short and ASCII, for which a loop is faster than TextDecoder. */
const SHORT_TEXT = 64;

const textAt = (bytes: Uint8Array, from: number, to: number): string => {
  if (to - from > SHORT_TEXT) return decoder.decode(bytes.subarray(from, to));
  let text = '';
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x80) return decoder.decode(bytes.subarray(from, to));
    text += String.fromCharCode(byte);
  }
  return text;
};

/** Where the strings of a layout begin. */
const stringsOf = new WeakMap<RecordLayout, readonly (readonly [name: string, at: number])[]>();

const stringsIn = (layout: RecordLayout): readonly (readonly [name: string, at: number])[] => {
  let strings = stringsOf.get(layout);
  if (strings === undefined) {
    strings = Object.entries(layout.strings);
    stringsOf.set(layout, strings);
  }
  return strings;
};

/** Decodes a record; the bytes are copied where they are kept. @throws RecordError */
export const decodeRecord = (bytes: Uint8Array, layouts: readonly RecordLayout[]): EventRecord => {
  if (bytes.length < HEAD.size)
    throw new RecordError(`a record of ${bytes.length} bytes is shorter than its head of ${HEAD.size}`);
  const own = bytes.slice();
  const view = new DataView(own.buffer, own.byteOffset, own.byteLength);
  const kind = KINDS.get(view.getUint16(HEAD.kind, true));
  const layout = layouts[view.getUint8(HEAD.hook)];
  if (kind === undefined || layout === undefined) throw new RecordError('a record of an unknown kind or hook');
  if (own.length < layout.fixed)
    throw new RecordError(`a record of ${own.length} bytes where ${layout.hook} writes at least ${layout.fixed}`);
  for (const [name, at] of stringsIn(layout)) {
    const end = at + STRING.data;
    if (own.length <= at || (own.length >= end && own.length >= end + view.getUint16(at + STRING.length, true)))
      continue;
    throw new RecordError(`a record of ${own.length} bytes that ends within its string "${name}" (${layout.hook})`);
  }
  const number = view.getUint32(HEAD.event, true);
  const abi = number >= IA32_BIT ? 'ia32' : number >= X32_BIT ? 'x32' : 'x86-64';
  return {
    kind,
    hook: layout.hook,
    layout,
    abi,
    event: eventOf(layout.hook, view, abi),
    time: view.getBigUint64(HEAD.time, true),
    pid: view.getUint32(HEAD.tgid, true),
    start: view.getBigUint64(HEAD.start, true),
    tid: view.getUint32(HEAD.tid, true),
    comm: textAt(own, HEAD.comm, own.indexOf(0, HEAD.comm)),
    parentPid: view.getUint32(HEAD.ppid, true),
    parentStart: view.getBigUint64(HEAD.parentStart, true),
    uid: view.getUint32(HEAD.uid, true),
    gid: view.getUint32(HEAD.gid, true),
    loginuid: view.getInt32(HEAD.loginuid, true),
    cgroup: view.getBigUint64(HEAD.cgroup, true),
    result: view.getBigInt64(HEAD.result, true),
    arguments: argumentsAt(view),
    fd: view.getInt32(HEAD.fd, true),
    flags: view.getUint32(HEAD.flags, true),
    ino: view.getBigUint64(HEAD.ino, true),
    dev: BigInt(view.getUint32(HEAD.dev, true)),
    typechar: view.getUint8(HEAD.typechar) === 0 ? '' : String.fromCharCode(view.getUint8(HEAD.typechar)),
    ownTable: view.getUint8(HEAD.ownTable) === 1,
    verdict: VERDICT_NAMES[view.getUint8(HEAD.verdict)] ?? 'alert',
    guard: GUARD_NAMES.get(view.getUint8(HEAD.guard)) ?? 'done',
    denied: view.getUint8(HEAD.denied) === 1,
    usedUp: view.getUint8(HEAD.usedUp) === 1,
    local: endOf(view, HEAD.local),
    remote: endOf(view, HEAD.remote),
    protocol: view.getUint16(HEAD.protocol, true) || undefined,
    connected: CONNECTIONS.get(view.getUint8(HEAD.connected)),
    detail: (name) => {
      const [detail, size] = DETAIL_AT[name];
      if ((view.getUint32(HEAD.details, true) & TASK_DETAILS[detail]) === 0) return undefined;
      return size === 4 ? BigInt(view.getUint32(HEAD[name], true)) : view.getBigUint64(HEAD[name], true);
    },
    exe: kind === 'exec' ? exeOf(view) : NO_EXE,
    matched: rulesAt(view, layout, layout.matched),
    certain: certainAt(view, layout),
    truth: (predicate) => truthAt(view, layout, predicate),
    string: (name) => {
      const at = layout.strings[name];
      if (at === undefined || at >= own.length) return undefined;
      const state = STATES.get(view.getUint8(at + STRING.state));
      if (state === undefined) return undefined;
      const length = view.getUint16(at + STRING.length, true);
      return {
        state,
        text: textAt(own, at + STRING.data, at + STRING.data + length),
        asPassed: (view.getUint8(at + STRING.flags) & AS_PASSED) !== 0,
        nameLength: view.getUint16(at + STRING.nameLength, true),
      };
    },
  };
};
