import { IA32_BIT, type RecordString, recordLayout, STRING_STATE } from '../../../rules/codegen/layout.ts';
import {
  type Abi,
  callNumber,
  decodeRecord,
  EVENT_TYPES,
  type EventRecord,
  HEAD,
  RECORD_KIND,
  STRING,
} from '../../../rules/index.ts';

/** What a record of the sys_exit program says; the rest is 0. */
export interface Said {
  readonly kind?: keyof typeof RECORD_KIND;
  readonly event?: string;
  readonly abi?: Abi;
  readonly pid?: number;
  readonly start?: bigint;
  readonly parentPid?: number;
  readonly parentStart?: bigint;
  readonly uid?: number;
  readonly comm?: string;
  readonly result?: bigint;
  readonly arguments?: readonly bigint[];
  readonly fd?: number;
  readonly flags?: number;
  readonly typechar?: string;
  readonly ownTable?: boolean;
  readonly ino?: bigint;
  readonly cgroup?: bigint;
  readonly time?: bigint;
  /** Family, port and address of the two ends. */
  readonly local?: readonly [family: number, port: number, address: readonly number[]];
  readonly remote?: readonly [family: number, port: number, address: readonly number[]];
  readonly strings?: Partial<
    Record<RecordString, { state: keyof typeof STRING_STATE; text: string; passed?: boolean }>
  >;
}

const EXIT = recordLayout('tp_btf/sys_exit', 0, undefined, 0, []);
const EXEC = recordLayout('tp_btf/sched_process_exec', 1, undefined, 0, []);
export const LAYOUTS = [EXIT, EXEC];

/** The bytes of a record. */
export const recordBytes = (said: Said): Uint8Array => {
  const { kind = 'event' } = said;
  const layout = kind === 'exec' ? EXEC : EXIT;
  const bytes = new Uint8Array(layout.size);
  const view = new DataView(bytes.buffer);
  const encoder = new TextEncoder();
  const event = EVENT_TYPES.get(said.event ?? 'getpid');
  const abi = said.abi ?? 'x86-64';
  const number = (event && callNumber(event, abi)) ?? 0;
  view.setUint16(HEAD.kind, RECORD_KIND[kind], true);
  view.setUint16(HEAD.hook, layout.index, true);
  view.setUint32(HEAD.event, abi === 'ia32' ? number + IA32_BIT : number, true);
  view.setBigUint64(HEAD.time, said.time ?? 0n, true);
  view.setBigUint64(HEAD.start, said.start ?? 0n, true);
  view.setUint32(HEAD.tgid, said.pid ?? 0, true);
  view.setUint32(HEAD.ppid, said.parentPid ?? 0, true);
  view.setBigUint64(HEAD.parentStart, said.parentStart ?? 0n, true);
  view.setUint32(HEAD.uid, said.uid ?? 0, true);
  view.setBigUint64(HEAD.cgroup, said.cgroup ?? 0n, true);
  view.setBigInt64(HEAD.result, said.result ?? 0n, true);
  for (const [index, value] of (said.arguments ?? []).entries())
    view.setBigUint64(HEAD.arguments + 8 * index, BigInt.asUintN(64, value), true);
  view.setInt32(HEAD.fd, said.fd ?? 0, true);
  view.setUint32(HEAD.flags, said.flags ?? 0, true);
  view.setBigUint64(HEAD.ino, said.ino ?? 0n, true);
  bytes.set(encoder.encode(said.typechar ?? ''), HEAD.typechar);
  view.setUint8(HEAD.ownTable, said.ownTable ? 1 : 0);
  bytes.set(encoder.encode(said.comm ?? ''), HEAD.comm);
  for (const end of ['local', 'remote'] as const) {
    const [family, port, address] = said[end] ?? [0, 0, []];
    view.setUint16(HEAD[end], family, true);
    view.setUint16(HEAD[end] + 2, port, true);
    bytes.set(address, HEAD[end] + 8);
  }
  for (const [name, { state, text, passed }] of Object.entries(said.strings ?? {})) {
    const at = layout.strings[name as RecordString];
    if (at === undefined) throw new Error(`records of ${layout.hook} have no string ${name}`);
    const encoded = encoder.encode(text);
    view.setUint8(at + STRING.state, STRING_STATE[state]);
    view.setUint8(at + STRING.flags, passed ? 1 : 0);
    view.setUint16(at + STRING.length, encoded.length, true);
    bytes.set(encoded, at + STRING.data);
  }
  return bytes;
};

export const record = (said: Said): EventRecord => decodeRecord(recordBytes(said), LAYOUTS);

/** A record that says something else in some of its parts. */
export const withParts = (of: EventRecord, parts: Partial<EventRecord>): EventRecord =>
  new Proxy(of, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in parts ? parts : target, name, name in parts ? parts : target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
