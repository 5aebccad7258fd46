import {
  add,
  and,
  comment,
  ja,
  jeq,
  jge,
  jgt,
  jlt,
  jne,
  label,
  lddw,
  ldx,
  lsh,
  mov,
  mul,
  or,
  R1,
  R2,
  R3,
  R4,
  R5,
  R7,
  R9,
  rsh,
  st,
  stx,
} from '../../engine/isa/index.ts';
import { NO, NODE, YES } from './chain.ts';
import type { HookContext } from './context.ts';
import { loopHead } from './emitter.ts';
import { workOf } from './filter.ts';
import { HEAD } from './layout.ts';
import { CLASS, ENTRY } from './matching.ts';
import { emitNextBit } from './next-bit.ts';
import { emitTable } from './tables.ts';

/** Turns of the decision where a verifier follows each: a turn finds a candidate, or asks for one truth. */
const BOUNDED_TURNS = 512;

/**
 * Decides the candidates that are left, one by one, along their chains of nodes: sets the bits of the rules that match and of the verdicts
 * that are certain, and what enforcing rules want; jumps to `none` where no rule matched. Where the turns don't suffice every rule of the
 * hook counts as matched, and user space decides; enforcing rules don't act then. r1 to r5 and r9 are used.
 */
export const emitDecisions = (context: HookContext, none: string): void => {
  const { out, layout } = context;
  const work = workOf(context);
  const name = (part: string): string => out.fresh(`decide.${part}`);
  const [loop, again, next, step, done] = [name('loop'), name('again'), name('next'), name('step'), name('done')];
  const any = name('any');
  const isBounded = out.loops === 'bounded';
  out.emit(
    comment('decide the rules that are left'),
    st('w', R7, work.node, NO),
    st('w', R7, work.word, 0),
    ...(isBounded ? [mov(R9, 0)] : []),
    label(loop),
    ...loopHead(out, done),
    ldx('w', R1, R7, work.node),
    jgt(R1, YES, step),
    jne(R1, YES, next),
  );
  emitMatch(context, again);
  out.emit(label(next));
  emitCandidate(context, again, done);
  out.emit(label(step));
  emitStep(context, again);
  out.emit(label(again), ...(isBounded ? [add(R9, 1), jlt(R9, BOUNDED_TURNS, loop)] : [ja(loop)]));
  if (isBounded) emitUndecided(context);
  out.emit(label(done));
  for (let at = layout.matched; at < layout.acted; at += 8) out.emit(ldx('dw', R1, R7, at), jne(R1, 0, any));
  out.emit(ja(none), label(any));
};

/** Takes the next candidate and begins its chain; jumps to `done` behind the last. */
const emitCandidate = (context: HookContext, again: string, done: string): void => {
  const { out, matching, tables } = context;
  const work = workOf(context);
  const broken = out.fresh('decide.broken');
  emitNextBit(context, { words: work.candidates, count: matching.words, at: work.word }, again, done);
  out.emit(mul(R1, ENTRY.size), ldx('w', R2, R7, work.head + CLASS.entries), add(R1, R2), stx('w', R7, work.entry, R1));
  emitTable(out, tables, R3, R1, ENTRY.size, broken);
  out.emit(ldx('w', R1, R3, ENTRY.start), stx('w', R7, work.node, R1), label(broken), ja(again));
};

/** Asks the truth of node r1, and goes on where it leads. A node outside of the tables, which there is none of, counts as a match. */
const emitStep = (context: HookContext, again: string): void => {
  const { out, layout, matching, tables } = context;
  const work = workOf(context);
  const name = (part: string): string => out.fresh(`decide.${part}`);
  const [broken, byte, test, miss, store] = [name('fault'), name('byte'), name('test'), name('miss'), name('store')];
  const last = layout.predicates + layout.predicateBytes;
  out.emit(mul(R1, NODE.size), add(R1, matching.nodes));
  emitTable(out, tables, R3, R1, NODE.size, broken);
  out.emit(
    ldx('w', R1, R3, NODE.base),
    ldx('h', R2, R3, NODE.cell),
    jeq(R2, 0, byte),
    jgt(R2, last - 2, broken),
    mov(R4, R7),
    add(R4, R2),
    ldx('h', R2, R4, 0),
    ldx('h', R4, R3, NODE.width),
    mul(R2, R4),
    add(R1, R2),
  );
  emitTable(out, tables, R4, R1, 1, broken);
  out.emit(
    ldx('b', R1, R4, 0),
    ja(test),
    label(byte),
    jgt(R1, last - 1, broken),
    mov(R4, R7),
    add(R4, R1),
    ldx('b', R1, R4, 0),
    label(test),
    ldx('b', R2, R3, NODE.accepts),
    and(R1, 7),
    rsh(R2, R1),
    and(R2, 1),
    jeq(R2, 0, miss),
    ldx('w', R1, R3, NODE.hit),
    ja(store),
    label(miss),
    ldx('w', R1, R3, NODE.miss),
    ja(store),
    label(broken),
    mov(R1, YES),
    label(store),
    stx('w', R7, work.node, R1),
    ja(again),
  );
};

/** Notes that the candidate whose chain has ended holds. */
const emitMatch = (context: HookContext, again: string): void => {
  const { out, layout, tables } = context;
  const work = workOf(context);
  out.emit(st('w', R7, work.node, NO), ldx('w', R1, R7, work.entry));
  emitTable(out, tables, R3, R1, ENTRY.size, again);
  out.emit(
    ldx('h', R1, R3, ENTRY.bit),
    ldx('b', R4, R3, ENTRY.verdict),
    mov(R2, R1),
    rsh(R2, 3),
    jgt(R2, 2 * layout.ruleBytes - 1, again),
    mov(R3, R7),
    add(R3, R2),
    and(R1, 7),
    mov(R5, 1),
    lsh(R5, R1),
    ldx('b', R2, R3, layout.matched),
    or(R2, R5),
    stx('b', R3, layout.matched, R2),
    ldx('b', R1, R7, HEAD.verdict),
    jge(R1, R4, again),
    stx('b', R7, HEAD.verdict, R4),
    ja(again),
  );
};

/** Lets every rule of the hook match. */
const emitUndecided = ({ out, layout }: HookContext): void => {
  for (let at = 0; at < layout.ruleBytes; at += 8) {
    const bits = Math.min(64, layout.rules.length - at * 8);
    out.emit(lddw(R1, (1n << BigInt(bits)) - 1n), stx('dw', R7, layout.matched + at, R1));
  }
};
