import {
  add,
  comment,
  ja,
  jeq,
  jge,
  jgt,
  jle,
  jlt,
  jne,
  jsle,
  label,
  ldx,
  loadMapValue,
  lsh,
  mov,
  mul,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R7,
  type Register,
  st,
  stx,
  sub,
} from '../../engine/isa/index.ts';
import type { StringPart } from '../plan/index.ts';
import { type Emitter, helper, loopHead } from './emitter.ts';
import { AS_PASSED, PATH_BYTES, STRING, STRING_STATE } from './layout.ts';
import { automatonParts, type PlacedAutomaton, ROW } from './rows.ts';
import { TABLES_MAP } from './tables.ts';

/** Automata that read a text together, and where the state of each is kept: two bytes one after the other, from `states` on in the record. */
export interface Reading {
  readonly automata: readonly PlacedAutomaton[];
  readonly states: number;
}

/** Bytes in front of the states that loops start through. */
export const CELL_BYTES = 8;
const cellOf = (states: number): number => states - CELL_BYTES;

/** Puts every automaton of a reading into its first state. */
export const emitStart = (out: Emitter, { automata, states }: Reading): void => {
  for (const index of automata.keys()) out.emit(st('h', R7, states + 2 * index, 0));
};

/**
 * Runs automata over bytes r1 up to r2 (exclusive) of the record's data at `data`, each from the state it is in; r1 to r5 and r0 are
 * used. At most `limit` bytes are read. Where a table would be left (which can't happen), it jumps to `fault`.
 *
 * All automata run in one loop, since a verifier follows every turn of every loop. Ways out of it fall through and the way on is the
 * jump: a verifier looks at the former first, and keeps the latter in mind. The other way round every turn would be one more thing to
 * keep, of which there may be 8192 (BPF_COMPLEXITY_LIMIT_JMP_SEQ).
 */
export const emitSteps = (
  out: Emitter,
  { automata, states }: Reading,
  data: number,
  limit: number,
  fault: string,
): void => {
  const [loop, more, end] = [out.fresh('steps.loop'), out.fresh('steps.more'), out.fresh('steps.end')];
  const byMayGoto = out.loops === 'may_goto';
  if (byMayGoto) {
    const cell = cellOf(states);
    out.emit(stx('dw', R7, cell, R1), ldx('dw', R1, R7, cell), label(loop), ...loopHead(out, end));
  }
  out.emit(jge(R1, limit, end), jge(R1, R2, end));
  if (!byMayGoto) out.emit(label(loop));
  out.emit(mov(R0, R7), add(R0, R1), ldx('b', R4, R0, data));
  for (const [index, { automaton, at }] of automata.entries()) {
    const layout = automatonParts(automaton);
    const known = out.fresh('steps.known');
    out.emit(
      loadMapValue(R5, TABLES_MAP, at),
      mov(R0, R5),
      add(R0, R4),
      ldx('b', R0, R0, layout.classes),
      ldx('h', R3, R7, states + 2 * index),
      mul(R3, automaton.classCount),
      add(R3, R0),
      jle(R3, automaton.stateCount * automaton.classCount - 1, known),
      ja(fault),
      label(known),
      lsh(R3, 1),
      add(R5, R3),
      ldx('h', R3, R5, layout.transitions),
      stx('h', R7, states + 2 * index, R3),
    );
  }
  out.emit(add(R1, 1));
  if (byMayGoto) out.emit(ja(loop));
  else out.emit(jlt(R1, limit, more), ja(end), label(more), jlt(R1, R2, loop));
  out.emit(label(end));
};

/** Puts the number of a row into every cell. */
export const emitFill = (out: Emitter, cells: readonly number[], row: number): void => {
  for (const cell of cells) out.emit(st('h', R7, cell, row));
};

/** Puts the number of the row that each automaton's state has into its cell, an offset from r7 on. */
export const emitRows = (
  out: Emitter,
  { automata, states }: Reading,
  cells: readonly number[],
  fault: string,
): void => {
  for (const [index, { automaton, at }] of automata.entries())
    out.emit(
      ldx('h', R3, R7, states + 2 * index),
      jgt(R3, automaton.stateCount - 1, fault),
      lsh(R3, 1),
      loadMapValue(R0, TABLES_MAP, at + automatonParts(automaton).rowOf),
      add(R0, R3),
      ldx('h', R3, R0, 0),
      stx('h', R7, cells[index] ?? 0, R3),
    );
};

/** Finds the row of each automaton for a string slot, or a part of it. */
export const emitStringTests = (
  out: Emitter,
  reading: Reading,
  slot: number,
  part: StringPart,
  cells: readonly number[],
): void => {
  const [unknown, absent, end] = [out.fresh('string.unknown'), out.fresh('string.absent'), out.fresh('string.end')];
  const there = out.fresh('string.there');
  out.emit(
    ldx('b', R1, R7, slot + STRING.state),
    jeq(R1, STRING_STATE.absent, absent),
    ...(part === 'raw' ? [jeq(R1, STRING_STATE.relative, there)] : []),
    jne(R1, STRING_STATE.present, unknown),
    label(there),
    ldx('h', R2, R7, slot + STRING.length),
    mov(R1, 0),
  );
  if (part === 'directory' || part === 'filename') {
    const [named, enough] = [out.fresh('string.named'), out.fresh('string.enough')];
    out.emit(
      ldx('h', R4, R7, slot + STRING.nameLength),
      jne(R4, 0, named),
      comment('without a name it is the root, or nothing is known of it'),
      jne(R2, 1, unknown),
      label(named),
      mov(R5, R2),
      sub(R5, R4),
      jgt(R5, PATH_BYTES, unknown),
      ...(part === 'filename' ? [mov(R1, R5)] : [mov(R2, R5), jle(R2, 1, enough), sub(R2, 1), label(enough)]),
    );
  }
  emitStart(out, reading);
  emitSteps(out, reading, slot + STRING.data, PATH_BYTES, unknown);
  emitRows(out, reading, cells, unknown);
  out.emit(ja(end), label(unknown));
  emitFill(out, cells, ROW.unknown);
  out.emit(ja(end), label(absent));
  emitFill(out, cells, ROW.absent);
  out.emit(label(end));
};

/** Reads the path at the address in `address` (r1 to r5), of the caller's memory or of the kernel's copy, into a string slot. */
export const emitPassedPath = (
  out: Emitter,
  address: Register,
  slot: number,
  read: 'bpf_probe_read_user_str' | 'bpf_probe_read_kernel_str',
): void => {
  const [unknown, relative, end] = [out.fresh('passed.unknown'), out.fresh('passed.relative'), out.fresh('passed.end')];
  out.emit(
    comment('a path as the caller passed it'),
    mov(R3, address),
    mov(R1, R7),
    add(R1, slot + STRING.data),
    mov(R2, PATH_BYTES),
    st('b', R7, slot + STRING.flags, AS_PASSED),
    helper(read),
    jsle(R0, 0, unknown),
    jge(R0, PATH_BYTES, unknown),
    sub(R0, 1),
    stx('h', R7, slot + STRING.length, R0),
    ldx('b', R1, R7, slot + STRING.data),
    jne(R1, 0x2f, relative),
    st('b', R7, slot + STRING.state, STRING_STATE.present),
    ja(end),
    label(relative),
    st('b', R7, slot + STRING.state, STRING_STATE.relative),
    ja(end),
    label(unknown),
    st('b', R7, slot + STRING.state, STRING_STATE.unknown),
    label(end),
  );
};
