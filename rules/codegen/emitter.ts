import {
  add,
  addField,
  and,
  call,
  type Item,
  ja,
  jeq,
  jlt,
  label,
  ldx,
  loadMap,
  mayGoto,
  mov,
  R1,
  R2,
  R3,
  R7,
  R10,
  type Register,
  st,
} from '../../engine/isa/index.ts';
import { helperByName } from '../../engine/vm/index.ts';

/** How loops are made so that a verifier sees their end: it follows each turn, or may_goto ends them and it follows one for all. */
export type Loops = 'bounded' | 'may_goto';

/** Collects a program's items; labels made by `fresh` are its own. */
export interface Emitter {
  readonly loops: Loops;
  readonly items: Item[];
  emit(...items: readonly Item[]): void;
  fresh(prefix: string): string;
}

export const createEmitter = (loops: Loops = 'bounded'): Emitter => {
  const items: Item[] = [];
  let labels = 0;
  return {
    loops,
    items,
    emit: (...more) => {
      for (const item of more) items.push(item);
    },
    fresh: (prefix) => `${prefix}.${labels++}`,
  };
};

/** The head of a loop: leaves it at `end` where loops need may_goto. */
export const loopHead = (out: Emitter, end: string): readonly Item[] =>
  out.loops === 'may_goto' ? [mayGoto(end)] : [];

/**
 * register = a loop's first value, from 0 to `mask`. Where loops end by may_goto a verifier must not know it, or it takes each turn for
 * another: it goes through the 8 bytes at `cell` from r7 on, which no verifier keeps in mind.
 */
export const loopStart = (
  out: Emitter,
  register: Register,
  value: number,
  cell: number,
  mask: number,
): readonly Item[] =>
  out.loops === 'may_goto'
    ? [st('dw', R7, cell, value), ldx('dw', register, R7, cell), and(register, mask)]
    : [mov(register, value)];

/** Jumps to the label of the number in a register, by halving; falls through where no case has it. The numbers of `cases` ascend. */
export const emitSwitch = (
  out: Emitter,
  register: Register,
  cases: readonly (readonly [number: number, label: string])[],
): void => {
  const end = out.fresh('switch.end');
  const emit = (some: typeof cases): void => {
    const middle = some.length >> 1;
    const [number] = some[middle] ?? [0];
    if (some.length <= 3) {
      for (const [value, to] of some) out.emit(jeq(register, value, to));
      out.emit(ja(end));
      return;
    }
    const low = out.fresh('switch');
    out.emit(jlt(register, number, low));
    emit(some.slice(middle));
    out.emit(label(low));
    emit(some.slice(0, middle));
  };
  emit(cases);
  out.emit(label(end));
};

/** Calls a helper by its kernel name. */
export const helper = (name: string): Item => {
  const found = helperByName(name);
  if (found === undefined) throw new Error(`no helper is called ${name}`);
  return call(found.id);
};

/**
 * Offsets below the frame pointer that programs keep things in. The keys of look-ups come first: a verifier that takes a key's address
 * for a reading of all that lies above it has then nothing more to tell paths apart by.
 */
export const STACK = {
  index: -8,
  /** 16 bytes: a process's key. */
  key: -24,
  dentry: -32,
  mount: -40,
  parent: -48,
  root: -56,
  name: -64,
  length: -72,
  file: -80,
  inode: -88,
  socket: -96,
  scratch: -104,
} as const;

/** Clears the stack in front of loops, so that a verifier follows them once for all ways there. */
export const emitSameStack = (out: Emitter): void => {
  for (let slot = STACK.index; slot >= STACK.scratch; slot -= 8) out.emit(st('dw', R10, slot, 0));
};

/** dst = the address of a stack slot. */
export const stackAddress = (dst: Register, offset: number): readonly Item[] => [mov(dst, R10), add(dst, offset)];

/** r0 = the value of `map` at the index in r0's place: 0; jumps to `miss` where there is none. */
export const lookupFirst = (map: string): readonly Item[] => [
  st('w', R10, STACK.index, 0),
  loadMap(R1, map),
  ...stackAddress(R2, STACK.index),
  helper('bpf_map_lookup_elem'),
];

/** Reads `size` bytes of a member of the struct whose address is in a stack slot into another; on a fault that is 0. */
export const probeFieldAt = (into: number, size: number, slot: number, access: string): readonly Item[] => [
  ldx('dw', R3, R10, slot),
  addField(R3, access),
  ...stackAddress(R1, into),
  mov(R2, size),
  helper('bpf_probe_read_kernel'),
];
