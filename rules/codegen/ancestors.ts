import {
  add,
  and,
  comment,
  ja,
  jeq,
  label,
  lddw,
  ldx,
  ldxField,
  loadMap,
  mov,
  mul,
  or,
  R0,
  R1,
  R2,
  R3,
  R4,
  R7,
  R8,
  R9,
  st,
  stx,
} from '../../engine/isa/index.ts';
import { Truth } from '../language/index.ts';
import { MAX_ANCESTORS } from '../plan/index.ts';
import type { HookContext } from './context.ts';
import { helper, STACK, stackAddress } from './emitter.ts';
import { workOf } from './filter.ts';
import { storeKey } from './gather.ts';
import { byteAt, CLASS, cellAt, sourceBit } from './matching.ts';
import { ROW, type Rows } from './rows.ts';
import { emitOtherInScope } from './scope.ts';
import { emitTable } from './tables.ts';

const repeated = (truth: Truth): bigint => BigInt(truth) * 0x0101_0101_0101_0101n;

/**
 * Walks up the living parents of the task in r8: takes the rows that they have from their exec on, and for tests of any ancestor the
 * disjunction over all of them, unknown when the walk ends before the first process or meets one that is not in the map.
 */
export const emitAncestors = (context: HookContext): void => {
  const { out, layout, matching } = context;
  const cells = matching.dimensions.flatMap(({ source }, index) =>
    source.kind === 'process' && source.depth > 0
      ? [{ at: cellAt(layout, index), depth: source.depth, from: source.group.at }]
      : [],
  );
  const rows = matching.ancestors.map(({ group, at }) => ({
    rows: group.placed.rows,
    from: group.at,
    at: byteAt(layout, matching.dimensions, at),
  }));
  if (cells.length === 0 && rows.length === 0) return;
  const deepest = rows.length > 0 ? MAX_ANCESTORS : Math.max(...cells.map(({ depth }) => depth));
  const ended = out.fresh('ancestors.ended');
  out.emit(
    comment('the living parents'),
    ldx('w', R1, R7, workOf(context).head + CLASS.sources),
    and(R1, sourceBit('ancestors')),
    jeq(R1, 0, ended),
    mov(R9, R8),
  );
  for (const { at } of cells) out.emit(st('h', R7, at, ROW.absent));
  if (rows.length > 0) out.emit(lddw(R1, repeated(Truth.FALSE)));
  for (const { at, rows: its } of rows)
    for (let byte = 0; byte < its.width; byte += 8) out.emit(stx('dw', R7, at + byte, R1));
  const anyUnknown = (): void => {
    if (rows.length > 0) out.emit(lddw(R2, repeated(Truth.TRUE)));
    for (const { at, rows: its } of rows)
      for (let byte = 0; byte < its.width; byte += 8)
        out.emit(ldx('dw', R1, R7, at + byte), or(R1, R2), stx('dw', R7, at + byte, R1));
  };
  for (let depth = 1; depth <= deepest; depth++) {
    const here = cells.filter((each) => each.depth === depth);
    const [miss, next] = [out.fresh('ancestor.miss'), out.fresh('ancestor.next')];
    out.emit(ldxField('dw', R9, R9, 'task_struct.real_parent'), jeq(R9, 0, ended));
    emitOtherInScope(out, ended);
    out.emit(
      ldxField('w', R1, R9, 'task_struct.tgid'),
      jeq(R1, 0, ended),
      ldxField('dw', R2, R9, 'task_struct.group_leader'),
      ldxField('dw', R2, R2, 'task_struct.start_boottime'),
      ...storeKey,
      loadMap(R1, 'processes'),
      ...stackAddress(R2, STACK.key),
      helper('bpf_map_lookup_elem'),
      jeq(R0, 0, miss),
    );
    for (const { at, from } of here) out.emit(ldx('h', R1, R0, from), stx('h', R7, at, R1));
    for (const each of rows) emitDisjunction(context, each, miss);
    out.emit(ja(next), label(miss));
    for (const { at } of here) out.emit(st('h', R7, at, ROW.unknown));
    anyUnknown();
    out.emit(label(next));
  }
  if (rows.length > 0) {
    out.emit(ldxField('dw', R9, R9, 'task_struct.real_parent'), jeq(R9, 0, ended));
    emitOtherInScope(out, ended);
    out.emit(ldxField('w', R1, R9, 'task_struct.tgid'), jeq(R1, 0, ended));
    anyUnknown();
  }
  out.emit(label(ended));
};

/** Where a row of tests of any ancestor comes from, and where it goes. */
interface AnyRow {
  readonly rows: Rows;
  readonly from: number;
  readonly at: number;
}

/**
 * Joins the row of the process whose value is at r0 into a row of the record, eight truths at a time: it may be true where one of both may,
 * and false where both may. r0 stays.
 */
const emitDisjunction = ({ out, tables }: HookContext, { rows, from, at }: AnyRow, fault: string): void => {
  out.emit(ldx('h', R1, R0, from), mul(R1, rows.width), add(R1, rows.at));
  emitTable(out, tables, R4, R1, rows.width, fault);
  for (let byte = 0; byte < rows.width; byte += 8)
    out.emit(
      ldx('dw', R1, R4, byte),
      ldx('dw', R2, R7, at + byte),
      mov(R3, R1),
      or(R3, R2),
      and(R1, R2),
      lddw(R2, repeated(Truth.TRUE)),
      and(R3, R2),
      lddw(R2, repeated(Truth.FALSE)),
      and(R1, R2),
      or(R3, R1),
      stx('dw', R7, at + byte, R3),
    );
};
