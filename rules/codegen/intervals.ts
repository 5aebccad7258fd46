import {
  add,
  and,
  jle,
  label,
  ldx,
  loadMapValue,
  lsh,
  mov,
  neg,
  or,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R9,
  type Register,
  rsh,
  sub,
  xor,
} from '../../engine/isa/index.ts';
import type { Emitter } from './emitter.ts';
import { TABLES_MAP, type Tables } from './tables.ts';

/**
 * Numbers cut into intervals by sorted bounds: interval 0 lies below the first bound, interval i from bound i - 1 on. `words` of 64 bits
 * make a number; they are unsigned, the highest first.
 */
export interface Intervals {
  readonly bounds: readonly bigint[];
  readonly words: 1 | 2;
  /** Where the bounds are in the tables: padded with the highest number to a power of two less one. */
  readonly at: number;
}

const WORD = (1n << 64n) - 1n;

/** Half the range of 64 bits: added to signed numbers it makes their order that of unsigned ones. */
export const SIGN = 1n << 63n;

const stepsFor = (count: number): number => Math.ceil(Math.log2(count + 1));

/** The bounds at which membership in closed ranges changes. */
export const boundsOf = (ranges: Iterable<readonly [low: bigint, high: bigint]>): readonly bigint[] => {
  const bounds = new Set<bigint>();
  for (const [low, high] of ranges) bounds.add(low).add(high + 1n);
  return [...bounds].sort((a, b) => (a < b ? -1 : 1));
};

/** A number of each interval, given the least there is. */
export const samplesOf = (bounds: readonly bigint[], least: bigint): readonly bigint[] => [least, ...bounds];

export const placeIntervals = (tables: Tables, bounds: readonly bigint[], words: 1 | 2): Intervals => {
  const padded = 2 ** stepsFor(bounds.length) - 1;
  const bytes = new Uint8Array(padded * words * 8).fill(0xff);
  const view = new DataView(bytes.buffer);
  for (const [index, bound] of bounds.entries())
    for (let word = 0; word < words; word++)
      view.setBigUint64((index * words + word) * 8, (bound >> BigInt(64 * (words - 1 - word))) & WORD, true);
  return { bounds, words, at: tables.placeShared(bytes) };
};

/**
 * r2 = the interval of the number in r1 (with its lower word in r9 where it has two), by binary search without jumps: a verifier would
 * follow both ways of each of them. r0 and r3 to r5 are used.
 */
export const emitInterval = (out: Emitter, { bounds, words, at }: Intervals): void => {
  out.emit(mov(R2, 0));
  if (bounds.length === 0) return;
  for (let step = stepsFor(bounds.length) - 1; step >= 0; step--) {
    const half = 2 ** step;
    out.emit(
      mov(R4, R2),
      ...(half > 1 ? [add(R4, half - 1)] : []),
      lsh(R4, words === 1 ? 3 : 4),
      loadMapValue(R5, TABLES_MAP, at),
      add(R5, R4),
      ...(words === 1 ? lessThanWord : lessThanPair),
      xor(R0, 1),
      ...(step > 0 ? [lsh(R0, step)] : []),
      add(R2, R0),
    );
  }
  const within = out.fresh('interval');
  out.emit(jle(R2, bounds.length, within), mov(R2, bounds.length), label(within));
};

/** diff >> 63 = the borrow of a - b, where diff is a - b, not is ~a and b is overwritten: the majority of ~a, b and the difference. */
const borrow = (diff: Register, not: Register, b: Register) => [
  xor(b, not),
  xor(diff, not),
  and(diff, b),
  xor(diff, not),
  rsh(diff, 63),
];

/** r0 = whether r1 is less than the word at r5. */
const lessThanWord = [ldx('dw', R5, R5, 0), mov(R0, R1), sub(R0, R5), mov(R4, R1), xor(R4, -1), ...borrow(R0, R4, R5)];

/** r0 = whether the number r1, r9 is less than the one whose two words are at r5. Linux 6.1 forgets that the disjunction of two bits is one. */
const lessThanPair = [
  ldx('dw', R4, R5, 8),
  ldx('dw', R5, R5, 0),
  mov(R0, R9),
  sub(R0, R4),
  mov(R3, R9),
  xor(R3, -1),
  ...borrow(R0, R3, R4),
  mov(R3, R1),
  sub(R3, R5),
  mov(R4, R3),
  neg(R4),
  or(R4, R3),
  rsh(R4, 63),
  xor(R4, 1),
  and(R0, R4),
  mov(R4, R1),
  xor(R4, -1),
  ...borrow(R3, R4, R5),
  or(R0, R3),
  and(R0, 1),
];
