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
import { STATE_ROWS } from './automaton-table.ts';
import { type Emitter, helper, loopHead } from './emitter.ts';
import { AS_PASSED, PATH_BYTES, STRING, STRING_STATE } from './layout.ts';
import { type PlacedAutomaton, ROW } from './rows.ts';
import { TABLES_MAP } from './tables.ts';

/** r3 = the first state of an automaton. Loops start through the 8 bytes at `cell` of the scratch value. */
export const emitStart = (out: Emitter, cell: number): void =>
  out.emit(...(out.loops === 'may_goto' ? [st('dw', R7, cell, 0), ldx('h', R3, R7, cell)] : [mov(R3, 0)]));

/**
 * Takes an automaton from the state in r3 over bytes r1 up to r2 (exclusive) of the scratch value's data at `data`, of which there are at most
 * `limit`, as far as its state can change at all; r0 to r4 are used. More bytes than that jump to `fault`.
 *
 * Ways out of the loop fall through and the way on is the jump: a verifier looks at the former first, and keeps the latter in mind. The other
 * way round every turn would be one more thing to keep, of which there may be 8192 (BPF_COMPLEXITY_LIMIT_JMP_SEQ).
 */
export const emitSteps = (
  out: Emitter,
  { table, at }: PlacedAutomaton,
  cell: number,
  data: number,
  limit: number,
  fault: string,
): void => {
  const [loop, more, on, end] = ['loop', 'more', 'on', 'end'].map((name) => out.fresh(`steps.${name}`)) as [
    string,
    string,
    string,
    string,
  ];
  const byMayGoto = out.loops === 'may_goto';
  out.emit(jgt(R2, limit, fault));
  if (byMayGoto) out.emit(stx('dw', R7, cell, R1), ldx('dw', R1, R7, cell));
  else out.emit(jge(R1, limit, end));
  out.emit(
    jge(R1, R2, end),
    label(loop),
    // what a verifier knew of r1 before may_goto, it may have given up there (widen_imprecise_scalars, Linux 6.9 to 6.12)
    ...(byMayGoto ? [...loopHead(out, end), jge(R1, limit, end)] : []),
    jlt(R3, table.firstSink, on),
    ja(end),
    label(on),
    mov(R0, R7),
    add(R0, R1),
    ldx('b', R4, R0, data),
    loadMapValue(R0, TABLES_MAP, at),
    add(R0, R4),
    ldx('b', R4, R0, 0),
    ...(table.pairs ? [lsh(R4, 1)] : []),
    ...(table.shift > 0 ? [lsh(R3, table.shift)] : []),
    add(R3, R4),
    loadMapValue(R0, TABLES_MAP, at + STATE_ROWS),
    add(R0, R3),
    ldx('h', R3, R0, 0),
    add(R1, 1),
    ...(byMayGoto ? [] : [jlt(R1, limit, more), ja(end), label(more)]),
    jlt(R1, R2, loop),
    label(end),
  );
};

/** Puts the number of a row into every cell. */
export const emitFill = (out: Emitter, cells: readonly number[], row: number): void => {
  for (const cell of cells) out.emit(st('h', R7, cell, row));
};

/** Puts the number of the row that the automaton's state in r3 has into a cell, an offset from r7 on. */
export const emitRow = (out: Emitter, { table, at }: PlacedAutomaton, cell: number, fault: string): void =>
  out.emit(
    jgt(R3, table.lastState, fault),
    ...(table.shift > 0 ? [lsh(R3, table.shift)] : []),
    loadMapValue(R0, TABLES_MAP, at + STATE_ROWS + table.end),
    add(R0, R3),
    ldx('h', R3, R0, 0),
    stx('h', R7, cell, R3),
  );

/** Finds the row of an automaton for a string slot, or a part of it; `check` jumps away from whole paths of which nothing can be said. */
export const emitStringTests = (
  out: Emitter,
  placed: PlacedAutomaton,
  loopCell: number,
  slot: number,
  part: StringPart,
  cell: number,
  check: (unknown: string) => void,
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
  if (part === 'whole') check(unknown);
  emitStart(out, loopCell);
  emitSteps(out, placed, loopCell, slot + STRING.data, PATH_BYTES, unknown);
  emitRow(out, placed, cell, unknown);
  out.emit(
    ja(end),
    label(unknown),
    st('h', R7, cell, ROW.unknown),
    ja(end),
    label(absent),
    st('h', R7, cell, ROW.absent),
    label(end),
  );
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
