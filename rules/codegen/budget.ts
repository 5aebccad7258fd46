import {
  add,
  and,
  atomicAdd,
  atomicCmpxchg,
  atomicFetchAdd,
  comment,
  div,
  ja,
  jeq,
  jge,
  jgt,
  jle,
  jlt,
  jne,
  label,
  ldx,
  loadMap,
  loadMapValue,
  lsh,
  mov,
  or,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R7,
  R9,
  R10,
  rsh,
  st,
  stx,
} from '../../engine/isa/index.ts';
import type { MapSpec } from '../../engine/object/index.ts';
import { CONFIG } from './config.ts';
import type { HookContext } from './context.ts';
import { helper, STACK, stackAddress } from './emitter.ts';
import { HEAD } from './layout.ts';

/** Offsets into a key of the `kills` map: an executable's inode and device, and the id of a cgroup. */
const KEY = { ino: 0, dev: 8, cgroup: 16, size: 24 } as const;
/** Offsets into a value: the period that runs (see below), and how many kills were held back since the map was made. */
const VALUE = { period: 0, held: 8, size: 16 } as const;
export const KILLS = { key: KEY, value: VALUE } as const;

/*
 * A period is one word, so that one atomic operation changes it:
 *   |  start, ms since boot (40)  | doublings (4) | kills and the first one too many (20) |
 */
const COUNT_BITS = 20;
const DOUBLING_BITS = 4;
const START_BITS = COUNT_BITS + DOUBLING_BITS;
const COUNT_MASK = 2 ** COUNT_BITS - 1;
const DOUBLING_MASK = 2 ** DOUBLING_BITS - 1;
/** The longest period is 64 times the first. */
export const MAX_DOUBLINGS = 6;
/** Kills in a period at most, far below what the count holds. */
export const MAX_KILLS = 65_535;

const MAX_BUDGETS = 4096;
const NS_PER_MS = 1_000_000;
const BPF_NOEXIST = 1;
const NEW_VALUE = STACK.mount;

/** Executables that were killed, by cgroup; those of long ago make room. */
export const killsMap: MapSpec = {
  name: 'kills',
  type: 'lru_hash',
  keySize: KEY.size,
  valueSize: VALUE.size,
  maxEntries: MAX_BUDGETS,
};

/**
 * Takes a kill out of the budget of the executable and the cgroup, and jumps to `spent` where there is none left: `CONFIG.kills` in a period, and where
 * more were wanted, a period that begins before as much time again has passed is twice as long. Inode and device are at STACK.key. r6 to r8 stay.
 */
export const emitBudget = ({ out }: HookContext, spent: string): void => {
  const name = (part: string): string => out.fresh(`budget.${part}`);
  const [found, running, first, none, taken] = [
    name('found'),
    name('running'),
    name('first'),
    name('none'),
    name('taken'),
  ];
  const lookup = [loadMap(R1, killsMap.name), ...stackAddress(R2, STACK.key), helper('bpf_map_lookup_elem')];
  out.emit(
    comment('the budget of kills'),
    loadMapValue(R9, 'config', 0),
    ldx('w', R1, R9, CONFIG.kills),
    jeq(R1, 0, taken),
    ldx('dw', R1, R7, HEAD.cgroup),
    stx('dw', R10, STACK.key + KEY.cgroup, R1),
    ...lookup,
    jne(R0, 0, found),
    st('dw', R10, NEW_VALUE + VALUE.period, 0),
    st('dw', R10, NEW_VALUE + VALUE.held, 0),
    loadMap(R1, killsMap.name),
    ...stackAddress(R2, STACK.key),
    ...stackAddress(R3, NEW_VALUE),
    mov(R4, BPF_NOEXIST),
    helper('bpf_map_update_elem'),
    ...lookup,
    jeq(R0, 0, spent),
    label(found),
    mov(R3, R0),
    ldx('dw', R4, R7, HEAD.time),
    div(R4, NS_PER_MS),
    ldx('dw', R1, R3, VALUE.period),
    comment('r0 = how long the period is, r5 = when it ends'),
    ldx('w', R0, R9, CONFIG.period),
    mov(R2, R1),
    rsh(R2, COUNT_BITS),
    and(R2, DOUBLING_MASK),
    lsh(R0, R2),
    mov(R5, R1),
    rsh(R5, START_BITS),
    add(R5, R0),
    ldx('w', R9, R9, CONFIG.kills),
    jgt(R5, R4, running),
    comment('a new one'),
    add(R0, R5),
    mov(R2, R1),
    and(R2, COUNT_MASK),
    mov(R5, 0),
    jle(R2, R9, first),
    jle(R0, R4, first),
    mov(R5, R1),
    rsh(R5, COUNT_BITS),
    and(R5, DOUBLING_MASK),
    jge(R5, MAX_DOUBLINGS, first),
    add(R5, 1),
    label(first),
    lsh(R5, COUNT_BITS),
    lsh(R4, START_BITS),
    or(R4, R5),
    or(R4, 1),
    mov(R0, R1),
    atomicCmpxchg('dw', R3, VALUE.period, R4),
    jeq(R0, R1, taken),
    label(running),
    ldx('dw', R1, R3, VALUE.period),
    and(R1, COUNT_MASK),
    jgt(R1, R9, none),
    mov(R2, 1),
    atomicFetchAdd('dw', R3, VALUE.period, R2),
    and(R2, COUNT_MASK),
    jlt(R2, R9, taken),
    jne(R2, R9, none),
    st('b', R7, HEAD.usedUp, 1),
    label(none),
    mov(R2, 1),
    atomicAdd('dw', R3, VALUE.held, R2),
    ja(spent),
    label(taken),
  );
};
