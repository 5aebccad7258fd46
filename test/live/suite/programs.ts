import {
  add,
  assemble,
  call,
  exit,
  type Item,
  jeq,
  jne,
  label,
  ldx,
  loadMap,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R8,
  R9,
  R10,
  type Register,
  stx,
} from '../../../engine/isa/index.ts';
import type { MapSpec, ProgramSpec } from '../../../engine/object/index.ts';
import type { KernelMap, Link, LoadedProgram } from '../../../sensors/index.ts';
import type { Host } from './host.ts';

/** Helper ids (include/uapi/linux/bpf.h). */
export const HELPERS = {
  map_lookup_elem: 1,
  map_update_elem: 2,
  map_delete_elem: 3,
  ktime_get_ns: 5,
  get_prandom_u32: 7,
  get_smp_processor_id: 8,
  get_current_pid_tgid: 14,
  get_current_uid_gid: 15,
  get_current_comm: 16,
  get_current_task: 35,
  get_current_cgroup_id: 80,
  map_push_elem: 87,
  map_pop_elem: 88,
  send_signal: 109,
  probe_read_user: 112,
  probe_read_kernel: 113,
  probe_read_user_str: 114,
  probe_read_kernel_str: 115,
  get_current_ancestor_cgroup_id: 123,
  ktime_get_boot_ns: 125,
  ringbuf_output: 130,
  ringbuf_reserve: 131,
  ringbuf_submit: 132,
  ringbuf_discard: 133,
  ringbuf_query: 134,
  get_current_task_btf: 158,
} as const;

/** The label at which every confined program ends, with what r0 says. */
export const OUT = 'out';

/** Where a program finds the cgroup it confines itself to: id as u64, then its level below the root as u32. */
export const SCOPE: MapSpec = { name: 'scope', type: 'array', keySize: 4, valueSize: 16, maxEntries: 1 };

/**
 * What every attached program begins with: tasks outside the scope's cgroup leave at once. The context is in r9 afterwards; r0 to
 * r5 and r8 are lost. The helper's level counts from the root, which is 0.
 */
export const confine = (allow: number): readonly Item[] => [
  mov(R9, R1),
  loadMapValue(R8, SCOPE.name, 0),
  ldx('w', R1, R8, 8),
  call(HELPERS.get_current_ancestor_cgroup_id),
  ldx('dw', R1, R8, 0),
  mov(R8, R0),
  mov(R0, allow),
  jeq(R1, 0, OUT),
  jne(R1, R8, OUT),
];

/** The whole of a confined program: `body` may jump to OUT, and ends with r0 as it is to be. */
export const confined = (body: readonly Item[], allow = 0): ReturnType<typeof assemble> =>
  assemble([...confine(allow), ...body, label(OUT), exit()]);

/** The map with the host's scope in it, for the programs of a case. */
export const scopeMap = (host: Host): KernelMap => {
  const map = host.createMap(SCOPE);
  const value = new Uint8Array(SCOPE.valueSize);
  const view = new DataView(value.buffer);
  const id = host.kernel.cgroupId(host.scope);
  if (id === undefined) throw new Error(`there is no cgroup ${host.scope}`);
  view.setBigUint64(0, id, true);
  view.setUint32(8, host.scope.split('/').filter((part) => part !== '').length, true);
  map.update(new Uint8Array(4), value);
  return map;
};

/** Loads and attaches a confined program, alone or with maps of its own. */
export const attachConfined = (
  host: Host,
  hook: string,
  body: readonly Item[],
  options: { readonly maps?: readonly KernelMap[]; readonly allow?: number; readonly name?: string } = {},
): { readonly program: LoadedProgram; readonly link: Link } => {
  const spec: ProgramSpec<string> = { name: options.name ?? 'confined', hook, ...confined(body, options.allow) };
  const program = host.load(spec, [scopeMap(host), ...(options.maps ?? [])]);
  return { program, link: host.attach(program) };
};

/** Puts a register at word `index` of the record. */
export const keep = (index: number, from: Register): Item => stx('dw', R10, -8 * (index + 1), from);

/** The address of word `index` of the record, for helpers that write there; words lie below each other. */
export const place = (dst: Register, index: number): readonly Item[] => [mov(dst, R10), add(dst, -8 * (index + 1))];

export const RING: MapSpec = { name: 'events', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 65_536 };

/** What a program recorded so far, each record once, its words in the order of their indexes. */
export interface Observation {
  readonly program: LoadedProgram;
  readonly link: Link;
  readonly ring: KernelMap;
  records(): bigint[][];
}

/**
 * Attaches a confined program that records `words` values of 8 bytes each time it runs: `fill` puts them in place, and jumps to OUT
 * where there is nothing to record. r9 is the context. Then `end` says what it returns, 0 without one.
 */
export const observe = (
  host: Host,
  hook: string,
  words: number,
  fill: readonly Item[],
  options: { readonly end?: readonly Item[]; readonly maps?: readonly KernelMap[]; readonly allow?: number } = {},
): Observation => {
  const ring = host.createMap(RING);
  const body = [
    ...fill,
    loadMap(R1, RING.name),
    ...place(R2, words - 1),
    mov(R3, 8 * words),
    mov(R4, 0),
    call(HELPERS.ringbuf_output),
    ...(options.end ?? [mov(R0, options.allow ?? 0)]),
  ];
  const attached = attachConfined(host, hook, body, {
    name: 'observer',
    maps: [ring, ...(options.maps ?? [])],
    ...(options.allow !== undefined && { allow: options.allow }),
  });
  const reader = host.kernel.ringBuffer(ring);
  return {
    ...attached,
    ring,
    records() {
      const found: bigint[][] = [];
      reader.consume((record) => found.push(wordsOf(record, words)));
      return found;
    },
  };
};

/** The words of a record that `observe` made. */
export const wordsOf = (record: Uint8Array, words: number): bigint[] => {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  return Array.from({ length: words }, (_, index) => view.getBigUint64(8 * (words - 1 - index), true));
};

/** The 64 bits that stand for a signed number. */
export const word = (value: number | bigint): bigint => BigInt.asUintN(64, BigInt(value));

/** Up to 8 bytes of text as the word that holds them in memory. */
export const textWord = (text: string): bigint => {
  const bytes = new Uint8Array(8);
  bytes.set(new TextEncoder().encode(text).subarray(0, 8));
  return new DataView(bytes.buffer).getBigUint64(0, true);
};
