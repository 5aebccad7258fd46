import {
  add,
  be,
  comment,
  ja,
  jeq,
  jne,
  label,
  lddw,
  ldx,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R7,
  R9,
  type Register,
  st,
  stx,
  xor,
} from '../../engine/isa/index.ts';
import { AF_INET } from '../language/index.ts';
import type { End } from '../plan/index.ts';
import { emitAncestors } from './ancestors.ts';
import { EXTRA, type HookContext } from './context.ts';
import type { Dimension, DimensionSource } from './dimensions.ts';
import { emitSameStack, helper } from './emitter.ts';
import { emitFacts } from './facts.ts';
import { emitAskedAny, emitFilter, emitJointFilter, emitWanted } from './filter.ts';
import { emitUnmap, lookupProcess } from './gather.ts';
import { emitInterval, SIGN } from './intervals.ts';
import type { Joint } from './joint.ts';
import { END, HEAD } from './layout.ts';
import { cellAt } from './matching.ts';
import { emitNormalForm } from './normal-form.ts';
import { emitSlot, isFileSlot } from './number-slots.ts';
import { ROW } from './rows.ts';
import { emitStringTests } from './strings.ts';
import { emitWorkingFolder } from './working-folder.ts';

type Source<Kind extends DimensionSource['kind']> = DimensionSource & { readonly kind: Kind };

/** Whether a dimension needs what is gathered for candidates only: files, strings, sockets, ancestors. */
const isLate = ({ source }: Dimension): boolean => {
  switch (source.kind) {
    case 'process':
      return source.depth !== 0;
    case 'number':
      return isFileSlot(source.slot);
    case 'scope':
      return false;
    default:
      return true;
  }
};

/** Says what a dimension decides. */
const describe = ({ texts }: Dimension) => {
  const some = texts.slice(0, SHOWN).join('; ');
  return comment(texts.length > SHOWN ? `${some}; ... ${texts.length} in all` : some);
};
const SHOWN = 6;

/** The row's number is behind the first rows, by an interval in r2. */
const storeInterval = (context: HookContext, index: number, first: number) => [
  add(R2, ROW.first + first),
  stx('h', R7, cellAt(context.layout, index), R2),
];

const emitNumber = (context: HookContext, index: number, { slot, intervals }: Source<'number'>): void => {
  const { out } = context;
  const unknown = out.fresh('number.unknown');
  emitSlot(out, slot, unknown);
  if (intervals.bounds.length > 0) out.emit(lddw(R2, SIGN), xor(R1, R2));
  emitInterval(out, intervals);
  out.emit(...storeInterval(context, index, 0), label(unknown));
};

const emitPort = (context: HookContext, index: number, { end, intervals }: Source<'port'>): void => {
  const { out } = context;
  const unknown = out.fresh('port.unknown');
  out.emit(ldx('h', R1, R7, HEAD[end] + END.family), jeq(R1, 0, unknown), ldx('h', R1, R7, HEAD[end] + END.port));
  emitInterval(out, intervals);
  out.emit(...storeInterval(context, index, 0), label(unknown));
};

const word = (dst: Register, end: End, size: 'w' | 'dw', at: number) => [
  ldx(size, dst, R7, HEAD[end] + END.address + at),
  be(dst, size === 'w' ? 32 : 64),
];

const emitAddress = (context: HookContext, index: number, { end, ipv4, ipv6 }: Source<'address'>): void => {
  const { out } = context;
  const [long, unknown] = [out.fresh('address.long'), out.fresh('address.unknown')];
  out.emit(
    ldx('h', R1, R7, HEAD[end] + END.family),
    jeq(R1, 0, unknown),
    jne(R1, AF_INET, long),
    ...word(R1, end, 'w', 0),
  );
  emitInterval(out, ipv4);
  out.emit(...storeInterval(context, index, 0), ja(unknown), label(long));
  out.emit(...word(R1, end, 'dw', 0), ...word(R9, end, 'dw', 8));
  emitInterval(out, ipv6);
  out.emit(...storeInterval(context, index, ipv4.bounds.length + 1), label(unknown));
};

const emitPolicyScope = (context: HookContext, index: number, { cgroup }: Source<'scope'>): void => {
  const { out, plan } = context;
  const level = cgroup.split('/').filter((part) => part !== '').length;
  const [inside, outside, end] = [out.fresh('scope.in'), out.fresh('scope.out'), out.fresh('scope.end')];
  const cell = cellAt(context.layout, index);
  out.emit(
    mov(R1, level),
    helper('bpf_get_current_ancestor_cgroup_id'),
    loadMapValue(R1, 'scopes', plan.scopes.indexOf(cgroup) * 8),
    ldx('dw', R1, R1, 0),
    jeq(R1, 0, outside),
    jeq(R0, R1, inside),
    label(outside),
    st('h', R7, cell, ROW.first),
    ja(end),
    label(inside),
    st('h', R7, cell, ROW.first + 1),
    label(end),
  );
};

/** Where the value of the record's process is: in the map, or, at its exec, being put together. */
export type ProcessValue = 'map' | 'scratch';

/** Takes the rows of the record's own process from its value; a process that is not in the map leaves them unknown. */
const emitOwnProcess = (context: HookContext, from: ProcessValue): void => {
  const { out, matching, layout, extra } = context;
  const own = matching.dimensions.flatMap(({ source }, index) =>
    source.kind === 'process' && source.depth === 0 ? [{ group: source.group, index }] : [],
  );
  if (own.length === 0) return;
  const end = out.fresh('process.end');
  out.emit(comment('facts as of exec, from the process'));
  emitAskedAny(
    context,
    own.map(({ index }) => index),
    end,
  );
  out.emit(...(from === 'map' ? [...lookupProcess, jeq(R0, 0, end)] : [mov(R0, R7), add(R0, extra + EXTRA.process)]));
  for (const { group, index } of own) out.emit(ldx('h', R1, R0, group.at), stx('h', R7, cellAt(layout, index), R1));
  out.emit(label(end));
};

/** Finds the row of one dimension that no others share their work with. */
const emitCell = (context: HookContext, index: number, dimension: Dimension): void => {
  const { source } = dimension;
  context.out.emit(describe(dimension));
  if (source.kind === 'number') emitNumber(context, index, source);
  else if (source.kind === 'port') emitPort(context, index, source);
  else if (source.kind === 'address') emitAddress(context, index, source);
  else if (source.kind === 'scope') emitPolicyScope(context, index, source);
};

/** Finds the rows of some dimensions and takes away the candidates that they rule out; jumps to `none` where none is left. */
const emitEach = (context: HookContext, wanted: (dimension: Dimension) => boolean, none: string): void => {
  const { out, matching } = context;
  for (const [index, dimension] of matching.dimensions.entries()) {
    if (!wanted(dimension)) continue;
    if (dimension.source.kind !== 'process') {
      const unused = out.fresh('dimension.unused');
      emitWanted(context, index, unused);
      emitCell(context, index, dimension);
      emitFilter(context, index, none);
      out.emit(label(unused));
    } else emitFilter(context, index, none);
  }
};

/** What is known at once: the process's own facts, numbers, scopes. Jumps to `none` where no rule can match any more. */
export const emitEarlyCells = (context: HookContext, none: string, from: ProcessValue = 'map'): void => {
  emitOwnProcess(context, from);
  emitFacts(context);
  emitEach(context, (dimension) => !isLate(dimension), none);
};

/**
 * What is gathered for candidates only: files and sockets, then texts that most often are left soon, then the ancestors, of which each takes
 * a look-up, then texts that are read to their end. r8 is the task.
 */
export const emitLateCells = (context: HookContext, none: string): void => {
  const { out } = context;
  const late = (wanted: (kind: DimensionSource['kind']) => boolean): void =>
    emitEach(context, (dimension) => isLate(dimension) && wanted(dimension.source.kind), none);
  emitUnmap(out);
  late((kind) => kind !== 'string' && kind !== 'process');
  emitSameStack(out);
  emitFolder(context);
  emitStrings(context, true, none);
  emitAncestors(context);
  late((kind) => kind === 'process');
  emitSameStack(out);
  emitStrings(context, false, none);
};

/** Reads the working directory where rules test it; else it is only for a record. */
const emitFolder = (context: HookContext): void => {
  const { out, matching } = context;
  const tests: number[] = [];
  for (const [index, { source }] of matching.dimensions.entries())
    if (source.kind === 'string' && source.group.of === 'cwd') tests.push(index);
  if (tests.length === 0) return;
  const unused = out.fresh('folder.unused');
  emitAskedAny(context, tests, unused);
  emitWorkingFolder(context);
  out.emit(label(unused));
};

const emitStrings = (context: HookContext, anchored: boolean, none: string): void => {
  const { out, matching, layout, loopCell, normalForm } = context;
  for (const [index, dimension] of matching.dimensions.entries()) {
    if (dimension.source.kind !== 'string') continue;
    const { of, part, placed } = dimension.source.group;
    const slot = layout.strings[of];
    if (slot === undefined || placed.anchored !== anchored) continue;
    const unused = out.fresh('strings.unused');
    emitWanted(context, index, unused);
    const cell = cellAt(layout, index);
    out.emit(describe(dimension));
    emitStringTests(out, placed, loopCell, slot, part, cell, (unknown) => {
      emitNormalForm(out, normalForm, loopCell, slot, cell, unknown);
      out.emit(comment('the tests themselves'));
    });
    emitFilter(context, index, none);
    for (const joint of matching.joints) if (isSecond(context, joint, index)) emitJointFilter(context, joint, none);
    out.emit(label(unused));
  }
};

/** Whether a dimension is that of a joint whose row is found last: of texts that are read to their end, and then of the later one. */
const isSecond = ({ matching }: HookContext, { first, second }: Joint, dimension: number): boolean => {
  const isFloating = (index: number): boolean => {
    const source = matching.dimensions[index]?.source;
    return source?.kind === 'string' && !source.group.placed.anchored;
  };
  return dimension === (isFloating(first) && !isFloating(second) ? first : second);
};
