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
import { EVENT_OF_HOOK } from '../plan/index.ts';
import { EXE } from './exe-facts.ts';
import {
  AS_PASSED,
  CONNECTED,
  END,
  GUARDS,
  type Guard,
  HEAD,
  IA32_BIT,
  type RecordKind,
  type RecordLayout,
  type RecordString,
  STRING,
  STRING_STATE,
  TASK_DETAILS,
  type TruthLeaf,
} from './layout.ts';
import type { EventRecord, ExeFacts, RecordText, SocketEnd } from './record.ts';
import { DETAIL_AT, type RecordDetail } from './record-details.ts';
import { textAt } from './record-text.ts';

const LAYERS = ['unknown', 'none', 'lower', 'upper'] as const;
const NO_EXE: ExeFacts = { ctime: undefined, mtime: undefined, layer: undefined };
const VERDICT_NAMES = ['alert', 'deny', 'kill'] as const;
const GUARD_NAMES = new Map(Object.entries(GUARDS).map(([name, code]) => [code as number, name as Guard]));
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
const ABSENT_BIT = Truth.ABSENT & ~Truth.FALSE;
const NO_RULES: readonly number[] = [];
const NONE_CERTAIN: ReadonlySet<number> = new Set();
const COMM_BYTES = 16;

const abiOf = (number: number): Abi => (number >= IA32_BIT ? 'ia32' : number >= X32_BIT ? 'x32' : 'x86-64');

const eventOf = (hook: HookName, number: number, abi: Abi): EventType | undefined => {
  const fixed = EVENT_OF_HOOK[hook];
  if (fixed !== undefined) return EVENT_TYPES.get(fixed);
  if (hook === 'tp_btf/sched_process_fork') return undefined;
  return eventTypeOf(abi, (number & ~IA32_BIT) >>> 0);
};

/** A record's parts, read from where it lies when they are asked for. */
export class RecordView implements EventRecord {
  readonly kind: RecordKind;
  readonly hook: HookName;
  readonly layout: RecordLayout;
  readonly abi: Abi;
  readonly event: EventType | undefined;
  readonly time: bigint;
  readonly pid: number;
  readonly start: bigint;
  readonly matched: readonly number[];
  readonly #bytes: Uint8Array;
  /** Of the whole buffer that the bytes lie in. */
  readonly #view: DataView;
  readonly #at: number;

  /** @param bytes a whole record of the layout; `view` is one of their buffer */
  constructor(bytes: Uint8Array, view: DataView, layout: RecordLayout, kind: RecordKind) {
    const at = bytes.byteOffset;
    this.#bytes = bytes;
    this.#view = view;
    this.#at = at;
    const number = view.getUint32(at + HEAD.event, true);
    const abi = abiOf(number);
    this.kind = kind;
    this.hook = layout.hook;
    this.layout = layout;
    this.abi = abi;
    this.event = eventOf(layout.hook, number, abi);
    this.time = view.getBigUint64(at + HEAD.time, true);
    this.pid = view.getUint32(at + HEAD.tgid, true);
    this.start = view.getBigUint64(at + HEAD.start, true);
    this.matched = this.#rules(layout.matched);
  }

  keep(): EventRecord {
    const bytes = this.#bytes.slice();
    return new RecordView(bytes, new DataView(bytes.buffer), this.layout, this.kind);
  }

  get tid(): number {
    return this.#u32(HEAD.tid);
  }

  get comm(): string {
    const end = this.#bytes.indexOf(0, HEAD.comm);
    return textAt(this.#bytes, HEAD.comm, end < 0 ? HEAD.comm + COMM_BYTES : Math.min(end, HEAD.comm + COMM_BYTES));
  }

  get parentPid(): number {
    return this.#u32(HEAD.ppid);
  }

  get parentStart(): bigint {
    return this.#u64(HEAD.parentStart);
  }

  get uid(): number {
    return this.#u32(HEAD.uid);
  }

  get gid(): number {
    return this.#u32(HEAD.gid);
  }

  get loginuid(): number {
    return this.#view.getInt32(this.#at + HEAD.loginuid, true);
  }

  get cgroup(): bigint {
    return this.#u64(HEAD.cgroup);
  }

  get result(): bigint {
    return this.#view.getBigInt64(this.#at + HEAD.result, true);
  }

  get arguments(): readonly bigint[] {
    const at = HEAD.arguments;
    return [
      this.#u64(at),
      this.#u64(at + 8),
      this.#u64(at + 16),
      this.#u64(at + 24),
      this.#u64(at + 32),
      this.#u64(at + 40),
    ];
  }

  get fd(): number {
    return this.#view.getInt32(this.#at + HEAD.fd, true);
  }

  get flags(): number {
    return this.#u32(HEAD.flags);
  }

  get ino(): bigint {
    return this.#u64(HEAD.ino);
  }

  get dev(): bigint {
    return BigInt(this.#u32(HEAD.dev));
  }

  get typechar(): string {
    const code = this.#u8(HEAD.typechar);
    return code === 0 ? '' : String.fromCharCode(code);
  }

  get ownTable(): boolean {
    return this.#u8(HEAD.ownTable) === 1;
  }

  get verdict(): 'alert' | 'deny' | 'kill' {
    return VERDICT_NAMES[this.#u8(HEAD.verdict)] ?? 'alert';
  }

  get guard(): Guard {
    return GUARD_NAMES.get(this.#u8(HEAD.guard)) ?? 'done';
  }

  get denied(): boolean {
    return this.#u8(HEAD.denied) === 1;
  }

  get usedUp(): boolean {
    return this.#u8(HEAD.usedUp) === 1;
  }

  get local(): SocketEnd | undefined {
    return this.#end(HEAD.local);
  }

  get remote(): SocketEnd | undefined {
    return this.#end(HEAD.remote);
  }

  get protocol(): number | undefined {
    return this.#u16(HEAD.protocol) || undefined;
  }

  get connected(): boolean | undefined {
    return CONNECTIONS.get(this.#u8(HEAD.connected));
  }

  get exe(): ExeFacts {
    if (this.kind !== 'exec') return NO_EXE;
    const layer = LAYERS[this.#u8(EXE.layer)];
    return {
      ctime: this.#u64(EXE.changed) || undefined,
      mtime: this.#u64(EXE.modified) || undefined,
      layer: layer === 'unknown' ? undefined : layer,
    };
  }

  get certain(): ReadonlySet<number> {
    const rules = this.#rules(this.layout.acted);
    return rules.length === 0 ? NONE_CERTAIN : new Set(rules);
  }

  detail(name: RecordDetail): bigint | undefined {
    const [detail, size] = DETAIL_AT[name];
    if ((this.#u32(HEAD.details) & TASK_DETAILS[detail]) === 0) return undefined;
    return size === 4 ? BigInt(this.#u32(HEAD[name])) : this.#u64(HEAD[name]);
  }

  /** Bit by bit: it may be true where any (or each) may, false where each (or any) may, absent where all are. */
  truth(predicate: number): Truth | undefined {
    const place = this.layout.truths[predicate];
    if (place === undefined || place.leaves.length === 0) return undefined;
    let any = 0;
    let all = Truth.TRUE | Truth.ABSENT;
    for (const leaf of place.leaves) {
      const truth = this.#leaf(leaf);
      any |= truth;
      all &= truth;
    }
    const mayHold = place.join === 'any' ? any : all;
    const mayFail = place.join === 'any' ? all : any;
    const truth = (mayHold & Truth.TRUE) | (mayFail & Truth.FALSE) | (all & ABSENT_BIT);
    return TRUTHS.has(truth) ? (truth as Truth) : undefined;
  }

  string(name: RecordString): RecordText | undefined {
    const at = this.layout.strings[name];
    if (at === undefined || at >= this.#bytes.length) return undefined;
    const state = STATES.get(this.#u8(at + STRING.state));
    if (state === undefined) return undefined;
    const from = at + STRING.data;
    return {
      state,
      text: textAt(this.#bytes, from, from + this.#u16(at + STRING.length)),
      asPassed: (this.#u8(at + STRING.flags) & AS_PASSED) !== 0,
      nameLength: this.#u16(at + STRING.nameLength),
    };
  }

  /** The truth of a leaf; unknown where the record has none. */
  #leaf(leaf: TruthLeaf): number {
    const at = this.layout.predicates + leaf.at;
    if (leaf.kind === 'byte') return this.#u8(at) || Truth.UNKNOWN;
    return leaf.rows[this.#u16(at) * leaf.width + leaf.column] ?? Truth.UNKNOWN;
  }

  /** Indices of the rules whose bits are set from a byte on. */
  #rules(from: number): readonly number[] {
    const { rules, ruleBytes } = this.layout;
    let found: number[] | undefined;
    for (let at = 0; at < ruleBytes; at++) {
      const byte = this.#u8(from + at);
      for (let bit = 0; byte >> bit !== 0; bit++) {
        const rule = rules[8 * at + bit];
        if ((byte & (1 << bit)) === 0 || rule === undefined) continue;
        found ??= [];
        found.push(rule);
      }
    }
    return found ?? NO_RULES;
  }

  #end(at: number): SocketEnd | undefined {
    const family = this.#u16(at + END.family);
    if (family !== AF_INET && family !== AF_INET6) return undefined;
    const port = this.#u16(at + END.port);
    const from = at + END.address;
    return family === AF_INET
      ? { family: 'ipv4', address: addressText(this.#bytes.subarray(from, from + 4)), port }
      : { family: 'ipv6', address: addressText(this.#bytes.subarray(from, from + 16)), port };
  }

  #u8(at: number): number {
    return this.#view.getUint8(this.#at + at);
  }

  #u16(at: number): number {
    return this.#view.getUint16(this.#at + at, true);
  }

  #u32(at: number): number {
    return this.#view.getUint32(this.#at + at, true);
  }

  #u64(at: number): bigint {
    return this.#view.getBigUint64(this.#at + at, true);
  }
}
