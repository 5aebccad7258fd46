import {
  add,
  and,
  comment,
  ja,
  jeq,
  jge,
  jgt,
  label,
  ldx,
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
  stx,
} from '../../engine/isa/index.ts';
import type { HookContext } from './context.ts';
import { loopHead, loopStart } from './emitter.ts';
import type { RecordLayout } from './layout.ts';
import { BLOCK, CLASS, cellAt, type Matching } from './matching.ts';
import { CELL_BYTES } from './strings.ts';
import { emitTable } from './tables.ts';

/** Bytes that are ANDed in one turn. */
const BLOCK_BYTES = 8 * BLOCK;

/** Where matching keeps what it works on, from `HookContext.work` on: the head of the class, its candidates, the decision. */
export const workOf = ({ matching, work }: HookContext) => {
  const candidates = work + matching.headBytes;
  const decision = candidates + 8 * matching.words;
  return {
    head: work,
    candidates,
    node: decision,
    word: decision + 4,
    entry: decision + 8,
    /** Bits of rules, as many as the record has. */
    rules: decision + 16,
  } as const;
};

/** Bytes of the work of a hook. */
export const workBytes = ({ headBytes, words }: Matching, { ruleBytes }: RecordLayout): number =>
  headBytes + 8 * words + 16 + ruleBytes;

/** Takes the class whose head is at r9 in the tables: all of its rules are candidates. r1 and r2 are used. */
export const emitClass = (context: HookContext, none: string): void => {
  const { out, matching, tables, work } = context;
  const bytes = matching.headBytes + 8 * matching.words;
  out.emit(comment('the rules that look at it'));
  emitTable(out, tables, R1, R9, bytes, none);
  for (let at = 0; at < bytes; at += 8) out.emit(ldx('dw', R2, R1, at), stx('dw', R7, work + at, R2));
};

/** r1 = where the class's rows of candidates are for a dimension; jumps to `unused` where no rule of the class asks about it. */
export const askedBy = (context: HookContext, dimension: number, unused: string) => [
  ldx('w', R1, R7, workOf(context).head + CLASS.dimensions + 4 * dimension),
  jeq(R1, 0, unused),
];

/**
 * Takes away the candidates that can't match with the row that a dimension has; jumps to `none` where no candidate is left. r0 to r5 and r9
 * are used.
 */
export const emitFilter = (context: HookContext, dimension: number, none: string): void => {
  const { out, layout, matching, tables } = context;
  const { candidates, head } = workOf(context);
  const [skip, loop, end] = [out.fresh('filter.skip'), out.fresh('filter.loop'), out.fresh('filter.end')];
  out.emit(...askedBy(context, dimension, skip), ldx('h', R2, R7, cellAt(layout, dimension)), lsh(R2, 2), add(R1, R2));
  emitTable(out, tables, R3, R1, 4, skip);
  out.emit(ldx('w', R1, R3, 0), mov(R0, 0));
  const block = (from: typeof R5 | typeof R7): void => {
    for (let word = 0; word < BLOCK; word++)
      out.emit(
        ldx('dw', R4, R3, 8 * word),
        ldx('dw', R9, from, candidates + 8 * word),
        and(R4, R9),
        stx('dw', from, candidates + 8 * word, R4),
        or(R0, R4),
      );
  };
  if (matching.words === BLOCK) {
    emitTable(out, tables, R3, R1, BLOCK_BYTES, skip);
    block(R7);
  } else {
    const last = 8 * matching.words - BLOCK_BYTES;
    out.emit(
      ...loopStart(out, R2, 0, context.states - CELL_BYTES, 0),
      label(loop),
      ...loopHead(out, end),
      ldx('w', R4, R7, head + CLASS.words),
      lsh(R4, 3),
      jge(R2, R4, end),
      jgt(R2, last, end),
      mov(R5, R7),
      add(R5, R2),
    );
    emitTable(out, tables, R3, R1, BLOCK_BYTES, end);
    block(R5);
    out.emit(add(R1, BLOCK_BYTES), add(R2, BLOCK_BYTES), ja(loop), label(end));
  }
  out.emit(jeq(R0, 0, none), label(skip));
};
