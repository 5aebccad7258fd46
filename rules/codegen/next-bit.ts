import {
  add,
  and,
  comment,
  ja,
  jgt,
  jne,
  label,
  lddw,
  ldx,
  loadMapValue,
  lsh,
  mov,
  mul,
  neg,
  R1,
  R2,
  R3,
  R4,
  R7,
  rsh,
  stx,
  sub,
} from '../../engine/isa/index.ts';
import type { HookContext } from './context.ts';
import { TABLES_MAP, type Tables } from './tables.ts';

/** Times a word with one bit it has that bit's number in its six highest bits, each time another. */
const DE_BRUIJN = 0x03f7_9d71_b4cb_0a89n;

/** Places the table that tells the number of a word's only bit. */
export const placeBitNumbers = (tables: Tables): number => {
  const numbers = new Uint8Array(64);
  for (let bit = 0n; bit < 64n; bit++) numbers[Number(BigInt.asUintN(64, DE_BRUIJN << bit) >> 58n)] = Number(bit);
  return tables.placeShared(numbers);
};

/** Words of bits in the scratch value, with the offset of the word that is looked at: four bytes that begin as 0. */
export interface BitWords {
  readonly words: number;
  readonly count: number;
  readonly at: number;
}

/**
 * r1 = the number of the lowest bit that is set, which it clears; jumps to `again`, to be called once more, where the word at hand has none, and to
 * `done` behind the last. r2 to r4 are used.
 */
export const emitNextBit = (
  { out, matching }: HookContext,
  { words, count, at }: BitWords,
  again: string,
  done: string,
): void => {
  const found = out.fresh('bit.found');
  out.emit(
    ldx('w', R2, R7, at),
    jgt(R2, 8 * (count - 1), done),
    mov(R3, R7),
    add(R3, R2),
    ldx('dw', R1, R3, words),
    jne(R1, 0, found),
    add(R2, 8),
    stx('w', R7, at, R2),
    ja(again),
    comment('the lowest bit'),
    label(found),
    mov(R4, R1),
    sub(R4, 1),
    and(R4, R1),
    stx('dw', R3, words, R4),
    mov(R4, R1),
    neg(R4),
    and(R1, R4),
    lddw(R4, DE_BRUIJN),
    mul(R1, R4),
    rsh(R1, 58),
    loadMapValue(R4, TABLES_MAP, matching.bitNumbers),
    add(R4, R1),
    ldx('b', R1, R4, 0),
    lsh(R2, 3),
    add(R1, R2),
  );
};
