import type { HookName } from '../../engine/object/index.ts';
import type { Abi, EventType, Truth } from '../language/index.ts';
import {
  type Guard,
  HEAD,
  RECORD_KIND,
  type RecordKind,
  type RecordLayout,
  type RecordString,
  STRING,
} from './layout.ts';
import type { RecordDetail } from './record-details.ts';
import { RecordView } from './record-view.ts';

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

/** What is known of an executable's inode beside its number; times are nanoseconds since 1970. */
export interface ExeFacts {
  readonly ctime: bigint | undefined;
  readonly mtime: bigint | undefined;
  /** The layer of an overlay that it lies in; `none`: it lies in no overlay. */
  readonly layer: 'upper' | 'lower' | 'none' | undefined;
}

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
  /** No program saw it, but the process that answers for fanotify in the hook's place. */
  readonly via?: 'fanotify';
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
  /** The same with bytes of its own: for whoever looks at it when the ring buffer may have been written again. */
  keep(): EventRecord;
}

/** Thrown for bytes that no program of the object wrote. */
export class RecordError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RecordError';
  }
}

const KINDS: readonly (RecordKind | undefined)[] = Object.entries(RECORD_KIND).reduce<(RecordKind | undefined)[]>(
  (kinds, [name, code]) => {
    kinds[code] = name as RecordKind;
    return kinds;
  },
  [],
);

/** Where the strings of a layout begin, in their order. */
const stringsOf = new WeakMap<RecordLayout, readonly (readonly [name: string, at: number])[]>();

const stringsIn = (layout: RecordLayout): readonly (readonly [name: string, at: number])[] => {
  let strings = stringsOf.get(layout);
  if (strings === undefined) {
    strings = Object.entries(layout.strings).sort(([, one], [, other]) => one - other);
    stringsOf.set(layout, strings);
  }
  return strings;
};

/** Views of the buffers that records lie in: a ring's records share one. */
const views = new WeakMap<ArrayBufferLike, DataView>();

const viewOf = (buffer: ArrayBufferLike): DataView => {
  let view = views.get(buffer);
  if (view === undefined) {
    view = new DataView(buffer);
    views.set(buffer, view);
  }
  return view;
};

/**
 * Decodes a record. Most of it is read when it is asked for: the bytes have to stay as they are until then, and whoever looks at the record
 * later keeps it. @throws RecordError
 */
export const decodeRecord = (bytes: Uint8Array, layouts: readonly RecordLayout[]): EventRecord => {
  const { length, byteOffset: from } = bytes;
  if (length < HEAD.size) throw new RecordError(`a record of ${length} bytes is shorter than its head of ${HEAD.size}`);
  const view = viewOf(bytes.buffer);
  const kind = KINDS[view.getUint16(from + HEAD.kind, true)];
  const layout = layouts[view.getUint8(from + HEAD.hook)];
  if (kind === undefined || layout === undefined) throw new RecordError('a record of an unknown kind or hook');
  if (length < layout.fixed)
    throw new RecordError(`a record of ${length} bytes where ${layout.hook} writes at least ${layout.fixed}`);
  for (const [name, at] of stringsIn(layout)) {
    if (length <= at) break;
    const end = at + STRING.data;
    if (length < end || length < end + view.getUint16(from + at + STRING.length, true))
      throw new RecordError(`a record of ${length} bytes that ends within its string "${name}" (${layout.hook})`);
  }
  return new RecordView(bytes, view, layout, kind);
};
