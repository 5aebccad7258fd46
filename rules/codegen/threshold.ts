import {
  add,
  and,
  atomicAdd,
  atomicCmpxchg,
  atomicXchg,
  comment,
  type Item,
  ja,
  jeq,
  jlt,
  jne,
  jsgt,
  jsle,
  label,
  lddw,
  ldx,
  loadMap,
  loadMapValue,
  lsh,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R8,
  R9,
  R10,
  st,
  stx,
  sub,
} from '../../engine/isa/index.ts';
import type { MapSpec } from '../../engine/object/index.ts';
import { type CountedRule, countedRules, type Plan } from '../plan/index.ts';
import type { HookContext } from './context.ts';
import { helper, STACK, stackAddress } from './emitter.ts';
import { HEAD } from './layout.ts';
import { CRITICAL_PRIORITIES, lostAt, NO_WAKEUP, type Ring } from './rings.ts';

/** Times that are kept for each key; a power of two above `MOST_IN_KERNEL`. */
const SLOTS = 64;

/** Keys that programs count at once, of all rules; matches of further ones are handed over one by one. */
export const MAX_WINDOWS = 16_384;

/**
 * Offsets into a value of the `windows` map, which is also a record: what `HEAD` has in front of `start`, the map's key, and the times
 * of the last matches. User space is given each time once.
 */
export const WINDOW = {
  kind: HEAD.kind,
  hook: HEAD.hook,
  generation: HEAD.generation,
  /** The plan's index. */
  rule: HEAD.event,
  /** One nanosecond before the match that it is handed over with, so that it comes first. */
  time: HEAD.time,
  /** Three values of 4 bytes. */
  key: 16,
  /** 1: a program is at it. */
  lock: 32,
  /** Matches so far. */
  next: 40,
  /** Of these, those that user space knows. */
  told: 48,
  /** Time of match n at n modulo `SLOTS`. */
  times: 56,
  slots: SLOTS,
  size: 56 + 8 * SLOTS,
} as const;

/** `HEAD.kind` of a window's record. */
export const WINDOW_KIND = 5;

/**
 * The maps of windows. `windows-paused` holds 1 (8 bytes) where programs leave the windows alone. `uncounted` holds for each counted rule
 * when a match of it was last handed over without being counted (8 bytes): as long as a window can hold that match, all matches of the
 * rule are handed over.
 */
export const WINDOW_MAPS = {
  windows: 'windows',
  paused: 'windows-paused',
  uncounted: 'uncounted',
  blank: 'blank',
} as const;

/** Nanoseconds by which the times of programs may differ from the order in which they count. */
export const SLACK = 100_000_000n;
/** A window that another processor is at is tried again so often. */
const TRIES = 4;
const BPF_NOEXIST = 1;
const WORD_BITS = 64;

/** Those maps, where there are rules to count. */
export const thresholdMaps = (plan: Plan): readonly MapSpec[] => {
  const counted = countedRules(plan).length;
  if (counted === 0) return [];
  const one = { type: 'array', keySize: 4, maxEntries: 1 } as const;
  return [
    { name: WINDOW_MAPS.windows, type: 'hash', keySize: 16, valueSize: WINDOW.size, maxEntries: MAX_WINDOWS },
    { ...one, name: WINDOW_MAPS.blank, valueSize: WINDOW.size },
    { ...one, name: WINDOW_MAPS.paused, valueSize: 8 },
    { ...one, name: WINDOW_MAPS.uncounted, valueSize: 8 * counted },
  ];
};

/**
 * Counts the matches of rules with a threshold that programs can count, and clears their bits where they can't exceed it; where they
 * may, the times that user space does not know yet are handed over in front of the record. Where no bit is left it jumps to `nothing`, if
 * that is given. r7 stays.
 */
export const emitThresholds = (context: HookContext, nothing: string | undefined): void => {
  const { out, layout, plan } = context;
  const here = countedRules(plan)
    .map((counted, cell) => ({ counted, cell, bit: layout.rules.indexOf(counted.rule) }))
    .filter(({ bit }) => bit >= 0);
  if (here.length === 0) return;
  for (const { counted, cell, bit } of here) emitCount(context, counted, 8 * cell, bit);
  if (nothing === undefined) return;
  const some = out.fresh('threshold.some');
  for (let at = layout.matched; at < layout.acted; at += 8) out.emit(ldx('dw', R1, R7, at), jne(R1, 0, some));
  out.emit(ja(nothing), label(some));
};

/** r2 = the address of the time of match r1 (which stays) in the window at r6. */
const slotAddress = (back: number): readonly Item[] => [
  mov(R2, R1),
  ...(back > 0 ? [sub(R2, back)] : []),
  and(R2, SLOTS - 1),
  lsh(R2, 3),
  add(R2, R6),
];

/** Counts a match of one rule, if its bit is set. r6 is the window, r8 the cells of `uncounted`, r9 the record's time. */
const emitCount = (context: HookContext, counted: CountedRule, cell: number, bit: number): void => {
  const { out, layout, plan } = context;
  const { rule, threshold, key } = counted;
  const word = layout.matched + 8 * Math.floor(bit / WORD_BITS);
  const mask = 1n << BigInt(bit % WORD_BITS);
  const longest = threshold.within + SLACK;
  const ring: Ring = CRITICAL_PRIORITIES.has(plan.rules[rule]?.priority ?? 'debug') ? 'critical' : 'events';
  const fresh = (name: string): string => out.fresh(`threshold.${name}`);
  const [found, locked, few, tell] = [fresh('found'), fresh('locked'), fresh('few'), fresh('tell')];
  const [full, park, pass, next] = [fresh('full'), fresh('park'), fresh('pass'), fresh('next')];
  const lookup = [loadMap(R1, WINDOW_MAPS.windows), ...stackAddress(R2, STACK.key), helper('bpf_map_lookup_elem')];
  out.emit(
    comment(`count ${plan.rules[rule]?.name ?? ''}`),
    ldx('dw', R1, R7, word),
    lddw(R2, mask),
    and(R1, R2),
    jeq(R1, 0, next),
    loadMapValue(R8, WINDOW_MAPS.uncounted, 0),
    ldx('dw', R9, R7, HEAD.time),
    loadMapValue(R1, WINDOW_MAPS.paused, 0),
    ldx('dw', R1, R1, 0),
    jne(R1, 0, pass),
    st('dw', R10, STACK.key, 0),
    st('dw', R10, STACK.key + 8, 0),
    st('w', R10, STACK.key, rule),
    ...key.flatMap((member, index) => [ldx('w', R1, R7, HEAD[member]), stx('w', R10, STACK.key + 4 + 4 * index, R1)]),
    ...lookup,
    jne(R0, 0, found),
    loadMap(R1, WINDOW_MAPS.windows),
    ...stackAddress(R2, STACK.key),
    loadMapValue(R3, WINDOW_MAPS.blank, 0),
    mov(R4, BPF_NOEXIST),
    helper('bpf_map_update_elem'),
    ...lookup,
    jeq(R0, 0, pass),
    label(found),
    mov(R6, R0),
  );
  for (let tried = 0; tried < TRIES; tried++)
    out.emit(mov(R0, 0), mov(R1, 1), atomicCmpxchg('dw', R6, WINDOW.lock, R1), jeq(R0, 0, locked));
  out.emit(
    ja(pass),
    label(locked),
    ldx('dw', R1, R6, WINDOW.next),
    ...slotAddress(0),
    stx('dw', R2, WINDOW.times, R9),
    mov(R3, R1),
    add(R3, 1),
    stx('dw', R6, WINDOW.next, R3),
    comment('a match nobody counted may belong to it'),
    lddw(R5, longest),
    ldx('dw', R4, R8, cell),
    jeq(R4, 0, few),
    mov(R3, R9),
    sub(R3, R4),
    jsle(R3, R5, tell),
    label(few),
    jlt(R1, threshold.moreThan, park),
    ...slotAddress(threshold.moreThan),
    ldx('dw', R4, R2, WINDOW.times),
    mov(R3, R9),
    sub(R3, R4),
    jsgt(R3, R5, park),
    label(tell),
    st('h', R6, WINDOW.kind, WINDOW_KIND),
    st('b', R6, WINDOW.hook, layout.index),
    ldx('b', R1, R7, HEAD.generation),
    stx('b', R6, WINDOW.generation, R1),
    sub(R9, 1),
    stx('dw', R6, WINDOW.time, R9),
    st('w', R6, WINDOW.rule, rule),
    ...key.flatMap((member, index) => [ldx('w', R1, R7, HEAD[member]), stx('w', R6, WINDOW.key + 4 * index, R1)]),
    loadMap(R1, ring),
    mov(R2, R6),
    mov(R3, WINDOW.size),
    mov(R4, NO_WAKEUP),
    helper('bpf_ringbuf_output'),
    jne(R0, 0, full),
    ldx('dw', R1, R6, WINDOW.next),
    stx('dw', R6, WINDOW.told, R1),
    ...unlock,
    ja(next),
    label(full),
    ...unlock,
    loadMapValue(R1, 'lost', lostAt(layout.index, ring)),
    mov(R2, 1),
    atomicAdd('dw', R1, 0, R2),
    ja(next),
    label(park),
    ...unlock,
    ldx('dw', R1, R7, word),
    lddw(R2, ~mask & 0xffff_ffff_ffff_ffffn),
    and(R1, R2),
    stx('dw', R7, word, R1),
    ja(next),
    label(pass),
    stx('dw', R8, cell, R9),
    label(next),
  );
};

const unlock: readonly Item[] = [mov(R1, 0), atomicXchg('dw', R6, WINDOW.lock, R1)];

/** Matches that programs counted and had not handed over, as a window's record has them. */
export interface WindowRecord {
  /** The plan's index. */
  readonly rule: number;
  readonly key: readonly number[];
  /** In nanoseconds since boot, without the match that it was handed over with. */
  readonly times: readonly bigint[];
}

/** Nanoseconds after its last match at which a window can be forgotten. */
export const windowLife = ({ threshold }: CountedRule): bigint => threshold.within + SLACK;

/** Whether bytes of a ring buffer are a window's record. */
export const isWindow = (bytes: Uint8Array): boolean =>
  bytes.length === WINDOW.size && bytes[WINDOW.kind] === WINDOW_KIND && bytes[WINDOW.kind + 1] === 0;

/** Reads a window's record. */
export const decodeWindow = (bytes: Uint8Array): WindowRecord => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    rule: view.getUint32(WINDOW.rule, true),
    key: [0, 4, 8].map((at) => view.getUint32(WINDOW.key + at, true)),
    times: untold(view, view.getBigUint64(WINDOW.next, true) - 1n),
  };
};

/** An entry of the map `windows`, when no program counts there any more: all matches that were not handed over. */
export const windowEntry = (key: Uint8Array, value: Uint8Array): WindowRecord => {
  const keyView = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return {
    rule: keyView.getUint32(0, true),
    key: [4, 8, 12].map((at) => keyView.getUint32(at, true)),
    times: untold(view, view.getBigUint64(WINDOW.next, true)),
  };
};

/** Times of matches in front of `end` that user space was not told of, as far as they are kept. */
const untold = (view: DataView, end: bigint): readonly bigint[] => {
  const next = view.getBigUint64(WINDOW.next, true);
  const told = view.getBigUint64(WINDOW.told, true);
  const kept = next > BigInt(SLOTS) ? next - BigInt(SLOTS) : 0n;
  const times: bigint[] = [];
  for (let match = told > kept ? told : kept; match < end; match++) times.push(timeOf(view, match));
  return times;
};

/** Time of the last match in a value of the map `windows`; 0 before the first. */
export const lastInWindow = (value: Uint8Array): bigint => {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const next = view.getBigUint64(WINDOW.next, true);
  return next === 0n ? 0n : timeOf(view, next - 1n);
};

const timeOf = (view: DataView, match: bigint): bigint =>
  view.getBigUint64(WINDOW.times + 8 * Number(match % BigInt(SLOTS)), true);
