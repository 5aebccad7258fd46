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
  mul,
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
import type { Joint } from './joint.ts';
import type { RecordLayout } from './layout.ts';
import { askingWords, BLOCK, CLASS, cellAt, type Matching } from './matching.ts';
import { emitTable } from './tables.ts';

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

/** r1 = the table of who asks about a dimension, or a joint behind them; jumps to `unused` where no rule of the class does. */
const emitAsked = (context: HookContext, dimension: number, unused: string): void =>
  context.out.emit(ldx('w', R1, R7, workOf(context).head + CLASS.dimensions + 4 * dimension), jeq(R1, 0, unused));

/** Jumps to `unused` where no rule of the class asks about any of some dimensions. r1 and r2 are used. */
export const emitAskedAny = (context: HookContext, dimensions: readonly number[], unused: string): void => {
  const asked = workOf(context).head + CLASS.dimensions;
  context.out.emit(
    ...dimensions.flatMap((dimension, index) =>
      index === 0 ? [ldx('w', R1, R7, asked + 4 * dimension)] : [ldx('w', R2, R7, asked + 4 * dimension), or(R1, R2)],
    ),
    jeq(R1, 0, unused),
  );
};

/** Jumps to `unused` where no candidate that is left asks about a dimension. r0 to r4 are used. */
export const emitWanted = (context: HookContext, dimension: number, unused: string): void => {
  const { out, matching, tables } = context;
  const words = askingWords(matching);
  emitAsked(context, dimension, unused);
  if (words === 0) return;
  emitTable(out, tables, R3, R1, 8 * words, unused);
  for (let word = 0; word < words; word++)
    out.emit(
      ldx('dw', R4, R3, 8 * word),
      ldx('dw', R2, R7, workOf(context).candidates + 8 * word),
      and(R4, R2),
      word === 0 ? mov(R0, R4) : or(R0, R4),
    );
  out.emit(jeq(R0, 0, unused));
};

/**
 * Takes away the candidates that can't match with the row that a dimension has; jumps to `none` where no candidate is left. r0 to r5 and r9
 * are used.
 */
export const emitFilter = (context: HookContext, dimension: number, none: string): void => {
  const { out, layout, matching } = context;
  const skip = out.fresh('filter.skip');
  emitAsked(context, dimension, skip);
  out.emit(ldx('h', R2, R7, cellAt(layout, dimension)));
  emitRuleOut(context, 8 * askingWords(matching), none, skip);
  out.emit(label(skip));
};

/** The same with the rows that both dimensions of a joint have. */
export const emitJointFilter = (context: HookContext, joint: Joint, none: string): void => {
  const { out, layout, matching } = context;
  const { dimensions, joints } = matching;
  const skip = out.fresh('joint.skip');
  emitAsked(context, dimensions.length + joints.indexOf(joint), skip);
  out.emit(
    comment('both together'),
    ldx('h', R2, R7, cellAt(layout, joint.first)),
    mul(R2, dimensions[joint.second]?.rows.count ?? 0),
    ldx('h', R3, R7, cellAt(layout, joint.second)),
    add(R2, R3),
  );
  emitRuleOut(context, 0, none, skip);
  out.emit(label(skip));
};

/** Takes away the candidates that row r2 rules out, by the offsets that lie `before` bytes behind r1 in the tables. */
const emitRuleOut = (context: HookContext, before: number, none: string, skip: string): void => {
  const { out, matching, tables } = context;
  const { candidates, head } = workOf(context);
  const [loop, end] = [out.fresh('filter.loop'), out.fresh('filter.end')];
  out.emit(lsh(R2, 2), add(R1, R2));
  emitTable(out, tables, R3, R1, before + 4, skip);
  out.emit(ldx('w', R1, R3, before), mov(R0, 0));
  /** Words that are ANDed in one turn. */
  const wordsATurn = Math.min(BLOCK, matching.words);
  const bytesATurn = 8 * wordsATurn;
  const turn = (from: typeof R5 | typeof R7): void => {
    for (let word = 0; word < wordsATurn; word++)
      out.emit(
        ldx('dw', R4, R3, 8 * word),
        ldx('dw', R9, from, candidates + 8 * word),
        and(R4, R9),
        stx('dw', from, candidates + 8 * word, R4),
        or(R0, R4),
      );
  };
  if (matching.words === wordsATurn) {
    emitTable(out, tables, R3, R1, bytesATurn, skip);
    turn(R7);
  } else {
    const last = 8 * matching.words - bytesATurn;
    out.emit(
      ...loopStart(out, R2, 0, context.loopCell, 0),
      label(loop),
      ...loopHead(out, end),
      ldx('w', R4, R7, head + CLASS.words),
      lsh(R4, 3),
      jge(R2, R4, end),
      jgt(R2, last, end),
      mov(R5, R7),
      add(R5, R2),
    );
    emitTable(out, tables, R3, R1, bytesATurn, end);
    turn(R5);
    out.emit(add(R1, bytesATurn), add(R2, bytesATurn), ja(loop), label(end));
  }
  out.emit(jeq(R0, 0, none));
};
