import {
  add,
  and,
  atomicAdd,
  atomicCmpxchg,
  comment,
  type Item,
  ja,
  jeq,
  jge,
  jgt,
  jlt,
  jne,
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
  rsh,
  st,
  stx,
  sub,
  xor,
} from '../../engine/isa/index.ts';
import type { MapSpec } from '../../engine/object/index.ts';
import type { Plan } from '../plan/index.ts';
import type { Limit } from '../rule.ts';
import { CONFIG } from './config.ts';
import type { HookContext } from './context.ts';
import { helper, loopHead, STACK, stackAddress } from './emitter.ts';
import { workOf } from './filter.ts';
import { HEAD, type RecordLayout } from './layout.ts';
import { emitNextBit } from './next-bit.ts';

/** Entries of the `buckets` map at most: pairs of a rule and a cgroup that matched; pairs beyond it have no limit. */
export const MAX_BUCKETS = 16_384;

/** Offsets into a key of the `buckets` map: the hook's index, the rule's bit in its records, the cgroup's id. */
const KEY = { hook: 0, bit: 2, cgroup: 8, size: 16 } as const;
/** Offsets into a value: the time at which the bucket is full again (generic cell rate algorithm), and how many records it held back. */
const VALUE = { full: 0, held: 8, size: 16 } as const;
export const BUCKET = { key: KEY, value: VALUE } as const;

const BPF_NOEXIST = 1;
const WORD_BITS = 64;
/** A bucket that another CPU changes at the same moment is tried again so often, then the record passes. */
const TRIES = 2;
/** 16 bytes of the stack for a new value. */
const NEW_VALUE = STACK.mount;
/** The interval and the burst that the bucket at hand goes by. */
const INTERVAL = STACK.parent;
const BURST = STACK.root;

/** A key of the `limits` map is the hook's index and the rule's bit in its records, 2 bytes each. */
const OWN = { hook: 0, bit: 2, interval: 0, burst: 8, keySize: 4, valueSize: 16 } as const;

/** Whether a rule's matches are looked at together: each counts, and only what they come to is limited, in user space. */
const isCorrelated = (plan: Plan, rule: number): boolean => plan.rules[rule]?.correlation !== undefined;

/** Rules of a hook's records, by bit, whose own limit its program keeps: what user space decides is limited there, after it matched. */
const ownLimits = (plan: Plan, { hook, rules }: RecordLayout): readonly (Limit | undefined)[] => {
  const late = new Set<number>();
  for (const { rule, hook: at, placed } of plan.placements) if (at === hook && placed.kind === 'user') late.add(rule);
  return rules.map((rule) => (late.has(rule) || isCorrelated(plan, rule) ? undefined : plan.rules[rule]?.limit));
};

/** Rules whose own limit the program of a hook keeps, so that user space doesn't. */
export const rulesLimitedInKernel = (plan: Plan, layout: RecordLayout): ReadonlySet<number> => {
  const limits = ownLimits(plan, layout);
  return new Set(layout.rules.filter((_, bit) => limits[bit] !== undefined));
};

/** The `limits` map: rules' own limits, which go before the agent's. */
export const limitsMap = (plan: Plan, layouts: readonly RecordLayout[]): MapSpec => {
  const contents = layouts.flatMap((layout) =>
    ownLimits(plan, layout).flatMap((limit, bit) => {
      if (limit === undefined) return [];
      const key = new DataView(new ArrayBuffer(OWN.keySize));
      key.setUint16(OWN.hook, layout.index, true);
      key.setUint16(OWN.bit, bit, true);
      const value = new DataView(new ArrayBuffer(OWN.valueSize));
      value.setBigUint64(OWN.interval, BigInt(limit.interval), true);
      value.setBigUint64(OWN.burst, BigInt(limit.interval) * BigInt(limit.burst - 1), true);
      return [[new Uint8Array(key.buffer), new Uint8Array(value.buffer)] as const];
    }),
  );
  const { keySize, valueSize } = OWN;
  return { name: 'limits', type: 'hash', keySize, valueSize, maxEntries: Math.max(1, contents.length), contents };
};

/**
 * Takes a token for each rule of the record that raises alerts or denies, from the bucket of the rule and the record's cgroup; the bit of
 * a rule whose bucket is empty is cleared, and counted. The call is denied all the same, and what killing rules say stays. Where no bit is left it jumps to `nothing`,
 * if that is given. r7 stays.
 */
export const emitLimits = (context: HookContext, nothing: string | undefined): void => {
  const { out, layout, plan } = context;
  const limited = layout.rules.map((rule) => plan.rules[rule]?.action !== 'kill' && !isCorrelated(plan, rule));
  if (!limited.includes(true)) return;
  const done = out.fresh('limits.done');
  out.emit(comment('a token for each rule'), loadMapValue(R6, 'config', 0));
  const own = ownLimits(plan, layout).some((limit) => limit !== undefined);
  if (!own) out.emit(ldx('dw', R1, R6, CONFIG.interval), jeq(R1, 0, done), ...fromConfig());
  emitTokens(context, limited, own);
  if (nothing !== undefined) {
    for (let at = layout.matched; at < layout.acted; at += 8) out.emit(ldx('dw', R1, R7, at), jne(R1, 0, done));
    out.emit(ja(nothing));
  }
  out.emit(label(done));
};

/** The agent's limit, from the configuration at r6. */
const fromConfig = (): readonly Item[] => [
  ldx('dw', R1, R6, CONFIG.interval),
  stx('dw', R10, INTERVAL, R1),
  ldx('dw', R1, R6, CONFIG.burst),
  stx('dw', R10, BURST, R1),
];

/** The limit of the rule of bit r8: its own, else the agent's; jumps to `none` where it has neither. */
const emitLimitOf = ({ out, layout }: HookContext, none: string): void => {
  const [shared, known] = [out.fresh('limits.shared'), out.fresh('limits.known')];
  out.emit(
    st('dw', R10, STACK.key, 0),
    st('h', R10, STACK.key + OWN.hook, layout.index),
    stx('h', R10, STACK.key + OWN.bit, R8),
    loadMap(R1, 'limits'),
    ...stackAddress(R2, STACK.key),
    helper('bpf_map_lookup_elem'),
    jeq(R0, 0, shared),
    ldx('dw', R1, R0, OWN.interval),
    stx('dw', R10, INTERVAL, R1),
    ldx('dw', R1, R0, OWN.burst),
    stx('dw', R10, BURST, R1),
    ja(known),
    label(shared),
    ldx('dw', R1, R6, CONFIG.interval),
    jeq(R1, 0, none),
    ...fromConfig(),
    label(known),
  );
};

/** Turns of the loop where a verifier follows each: rules beyond those that it comes to pass. */
const BOUNDED_TURNS = 128;

/** Takes a token for each rule of the record that has a limit, and clears the bits of those that get none. */
const emitTokens = (context: HookContext, limited: readonly boolean[], own: boolean): void => {
  const { out, layout } = context;
  const work = workOf(context);
  const name = (part: string): string => out.fresh(`limits.${part}`);
  const [loop, again, hold, end] = [name('loop'), name('again'), name('hold'), name('end')];
  const isBounded = out.loops === 'bounded';
  for (let at = 0; at < layout.ruleBytes; at += 8) {
    const bits = limited.slice(8 * at, 8 * at + WORD_BITS);
    const mask = bits.reduce((sum, each, bit) => (each ? sum | (1n << BigInt(bit)) : sum), 0n);
    out.emit(ldx('dw', R1, R7, layout.matched + at), lddw(R2, mask), and(R1, R2), stx('dw', R7, work.rules + at, R1));
  }
  out.emit(st('w', R7, work.word, 0), ...(isBounded ? [mov(R9, 0)] : []), label(loop), ...loopHead(out, end));
  emitNextBit(context, { words: work.rules, count: layout.ruleBytes / 8, at: work.word }, again, end);
  out.emit(mov(R8, R1));
  if (own) emitLimitOf(context, again);
  emitBucket(context, again);
  emitToken(context, hold, again);
  out.emit(
    label(hold),
    mov(R1, 1),
    atomicAdd('dw', R3, VALUE.held, R1),
    mov(R2, R8),
    and(R2, 7),
    lsh(R1, R2),
    xor(R1, -1),
    rsh(R8, 3),
    jgt(R8, layout.ruleBytes - 1, again),
    mov(R3, R7),
    add(R3, R8),
    ldx('b', R2, R3, layout.matched),
    and(R2, R1),
    stx('b', R3, layout.matched, R2),
    label(again),
    ...(isBounded ? [add(R9, 1), jlt(R9, BOUNDED_TURNS, loop)] : [ja(loop)]),
    label(end),
  );
};

/** r3 = the value of the bucket of bit r8; jumps to `none` where the map has no room for it. */
const emitBucket = ({ out, layout }: HookContext, none: string): void => {
  const found = out.fresh('limits.found');
  const lookup = [loadMap(R1, 'buckets'), ...stackAddress(R2, STACK.key), helper('bpf_map_lookup_elem')];
  out.emit(
    st('dw', R10, STACK.key, 0),
    st('h', R10, STACK.key + KEY.hook, layout.index),
    stx('h', R10, STACK.key + KEY.bit, R8),
    ldx('dw', R1, R7, HEAD.cgroup),
    stx('dw', R10, STACK.key + KEY.cgroup, R1),
    ...lookup,
    jne(R0, 0, found),
    st('dw', R10, NEW_VALUE + VALUE.full, 0),
    st('dw', R10, NEW_VALUE + VALUE.held, 0),
    loadMap(R1, 'buckets'),
    ...stackAddress(R2, STACK.key),
    ...stackAddress(R3, NEW_VALUE),
    mov(R4, BPF_NOEXIST),
    helper('bpf_map_update_elem'),
    ...lookup,
    jeq(R0, 0, none),
    label(found),
    mov(R3, R0),
  );
};

/** Takes a token out of the bucket at r3 and jumps to `taken`, or to `empty` where there is none. */
const emitToken = ({ out }: HookContext, empty: string, taken: string): void => {
  out.emit(ldx('dw', R1, R7, HEAD.time), ldx('dw', R0, R3, VALUE.full));
  for (let tried = 0; tried < TRIES; tried++) {
    const later = out.fresh('limits.later');
    out.emit(
      mov(R2, R0),
      jge(R2, R1, later),
      mov(R2, R1),
      label(later),
      mov(R4, R2),
      sub(R4, R1),
      ldx('dw', R5, R10, BURST),
      jgt(R4, R5, empty),
      ldx('dw', R5, R10, INTERVAL),
      add(R2, R5),
      mov(R4, R0),
      atomicCmpxchg('dw', R3, VALUE.full, R2),
      jeq(R0, R4, taken),
    );
  }
  out.emit(ja(taken));
};
