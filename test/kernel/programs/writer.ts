import type { Item, Register } from '../../../engine/isa/index.ts';
import * as isa from '../../../engine/isa/index.ts';
import type { Random } from '../../support/random.ts';
import {
  ANY_NUMBER,
  type Known,
  type MapName,
  NOTHING,
  newState,
  number,
  pointerTo,
  type Region,
  STACK_BYTES,
  type State,
  stepOf,
} from './knowledge.ts';
import type { Profile } from './profiles.ts';

const { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 } = isa;
export const REGISTERS: readonly Register[] = [R0, R1, R2, R3, R4, R5, R6, R7, R8, R9];

/** What makes a program more than arithmetic. */
export type Feature =
  | 'variable offset'
  | 'map'
  | 'spill'
  | 'loop'
  | 'call'
  | 'branch'
  | 'atomic'
  | 'record'
  | 'packet'
  | 'callback';

/** What a block of statements must leave alone, and how deep it lies. */
export interface Place {
  readonly locked: ReadonlySet<number>;
  readonly lockedSlots: ReadonlySet<number>;
  readonly depth: number;
  readonly calls: number;
  readonly loops: number;
  /** A reference is held, or the function is called back and returns 0 or 1 only: no early end. */
  readonly held: boolean;
}

/** A statement: whether it could be made here. */
export type Statement = (w: Writer, place: Place) => boolean;

/** A program that is being written, and what is known where it ends so far. */
export interface Writer {
  readonly random: Random;
  readonly profile: Profile;
  /** How probable it is that a single choice is made without looking. */
  readonly slip: number;
  readonly features: Set<Feature>;
  /** Functions that are finished. */
  readonly functions: Item[][];
  /** The function that is being written. */
  out: Item[];
  state: State;
  /** Bytes at the top of the own frame that are used, so that frames of nested calls have room. */
  frameBytes: number;
  label(): string;
  nextId(): number;
  slips(): boolean;
  emit(...items: readonly Item[]): void;
  known(r: Register): Known;
  set(r: Register, what: Known): void;
  /** Registers of r0 to r9 that hold what the test wants. */
  where(test: (what: Known) => boolean): Register[];
  numbers(): Register[];
  pointers(): Register[];
  /** A register that may be overwritten, of those that hold nothing first. */
  free(place: Place, except?: readonly Register[]): Register | undefined;
  constant(r: Register): void;
  /** A register with a number, made where there is none. */
  aNumber(place: Place, writable?: boolean): Register | undefined;
  /** Forgets what lay in the bytes of the own stack, where parts of pointers are not read; `certain` says that all are written. */
  overwrite(from: number, to: number, certain: boolean): void;
  /** Whether r0 to r5 may be lost. */
  callable(place: Place): boolean;
  called(result: Known): void;
  pointerArgument(r: Register, at: number): void;
  /** After an entry was replaced or deleted the kernel may give its memory to another: pointers into it are not used again. */
  forgetValues(map: MapName): void;
  /** Writes up to `length` statements. */
  block(place: Place, length: number): void;
}

const STACK: Region = { of: 'stack', size: STACK_BYTES, id: 0 };

export const ofStack = ({ of }: Region): boolean => of === 'stack' || of === 'caller';
export const isFree = (place: Place, r: Register): boolean => !place.locked.has(r.register);
export const hitsLocked = (place: Place, from: number, to: number): boolean =>
  [...place.lockedSlots].some((at) => at < to && at + 8 > from);

/** Statements that a block is made of, with their weights at a place. */
export type Menu = (w: Writer, place: Place) => readonly (readonly [weight: number, statement: Statement])[];

/** How long the main function and each other may get, in items. */
const MOST_ITEMS = 160;

/** An empty program. */
export function createWriter(random: Random, profile: Profile, slip: number, menu: Menu): Writer {
  let labels = 0;
  let ids = 0;
  const w: Writer = {
    random,
    profile,
    slip,
    features: new Set(),
    functions: [],
    out: [],
    state: newState(),
    frameBytes: 256,
    label: () => `l${labels++}`,
    nextId: () => ++ids,
    slips: () => random.chance(slip),
    emit: (...items) => void w.out.push(...items),
    known: (r) => (r === R10 ? pointerTo(STACK, STACK_BYTES) : w.state.registers[r.register]!),
    set: (r, what) => {
      w.state.registers[r.register] = what;
    },
    where: (test) => REGISTERS.filter((r) => test(w.known(r))),
    numbers: () => w.where(({ kind }) => kind === 'number'),
    pointers: () => w.where(({ kind }) => kind === 'pointer'),
    free: (place, except = []) => {
      const all = REGISTERS.filter((r) => isFree(place, r) && !except.includes(r));
      const empty = all.filter((r) => w.known(r).kind === 'nothing');
      const numeric = all.filter((r) => w.known(r).kind === 'number');
      const list =
        empty.length > 0 && random.chance(0.7) ? empty : numeric.length > 0 && random.chance(0.8) ? numeric : all;
      return list.length === 0 ? undefined : random.pick(list);
    },
    constant: (r) => {
      if (random.chance(0.3)) {
        w.emit(isa.lddw(r, random.number64()));
        w.set(r, ANY_NUMBER);
        return;
      }
      const value = random.number32();
      w.emit(random.chance(0.7) ? isa.mov(r, value) : isa.mov32(r, value));
      w.set(r, value >= 0 ? number(value, stepOf(value)) : ANY_NUMBER);
    },
    aNumber: (place, writable = false) => {
      const list = w.numbers().filter((r) => !writable || isFree(place, r));
      if (list.length > 0) return random.pick(list);
      const r = w.free(place);
      if (r) w.constant(r);
      return r;
    },
    overwrite: (from, to, certain) => {
      const { written, spills } = w.state;
      for (const [at, { kind }] of [...spills]) {
        if (at >= to || at + 8 <= from) continue;
        spills.delete(at);
        if (kind !== 'number') written.fill(0, at, at + 8);
      }
      for (let i = from; certain && i < to; i++) written[i] = 1;
    },
    callable: (place) => [R0, R1, R2, R3, R4, R5].every((r) => isFree(place, r)),
    called: (result) => {
      for (const r of [R1, R2, R3, R4, R5]) w.set(r, NOTHING);
      w.set(R0, result);
    },
    pointerArgument: (r, at) => w.emit(isa.mov(r, R10), isa.add(r, at)),
    forgetValues: (map) => {
      const stale = (k: Known): boolean =>
        (k.kind === 'pointer' || k.kind === 'maybe') && k.region.of === 'value' && k.region.map === map;
      for (const r of REGISTERS) if (stale(w.known(r))) w.set(r, NOTHING);
      for (const [at, k] of [...w.state.spills]) if (stale(k)) w.state.spills.delete(at);
    },
    block(place, length) {
      const inner = { ...place, depth: place.depth + 1 };
      for (let n = 0, tries = 0; n < length && tries < 4 * length + 4; tries++) {
        if (w.out.length > MOST_ITEMS) return;
        if (random.weighted(menu(w, inner))(w, inner)) n++;
      }
    },
  };
  return w;
}
