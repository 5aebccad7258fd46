import { and, comment, type Item, jeq, label, ldx, loadMap, R0, R1, R2, R7, R10, stx } from '../../engine/isa/index.ts';
import { BPF_F_NO_PREALLOC, type MapSpec } from '../../engine/object/index.ts';
import type { Truth } from '../language/index.ts';
import {
  FACT_SOURCES,
  type FactSource,
  type FactTest,
  factKey,
  type KernelPredicate,
  type Plan,
} from '../plan/index.ts';
import type { HookContext } from './context.ts';
import { helper, STACK, stackAddress } from './emitter.ts';
import { workOf } from './filter.ts';
import { HEAD } from './layout.ts';
import { byteAt, CLASS, sourceBit } from './matching.ts';

/** The rows of one source: a truth byte a column, in a hash map that user space fills in. A missing row leaves every column unknown. */
export interface FactRows {
  readonly source: FactSource;
  /** The map's name. */
  readonly map: string;
  /** Bytes of a key: 8 of a cgroup's id, 4 of a user's or a group's. */
  readonly keySize: 4 | 8;
  /** By column. */
  readonly tests: readonly FactTest[];
  /** Bytes of a row; a multiple of 8. */
  readonly size: number;
}

/** Where in a record a source's key is, and how many rows its map takes. */
const SOURCES: Readonly<
  Record<FactSource, { readonly map: string; readonly keySize: 4 | 8; readonly at: number; readonly rows: number }>
> = {
  container: { map: 'containers', keySize: 8, at: HEAD.cgroup, rows: 65_536 },
  user: { map: 'users', keySize: 4, at: HEAD.uid, rows: 16_384 },
  group: { map: 'groups', keySize: 4, at: HEAD.gid, rows: 16_384 },
  login: { map: 'logins', keySize: 4, at: HEAD.loginuid, rows: 16_384 },
};

const ORDER = Object.keys(FACT_SOURCES) as readonly FactSource[];

/** The sources that a plan's rules use, with their columns. */
export const layOutFacts = (plan: Plan): readonly FactRows[] =>
  ORDER.flatMap((source) => {
    const tests = plan.factTests.filter((test) => test.source === source);
    const { map, keySize } = SOURCES[source];
    return tests.length === 0 ? [] : [{ source, map, keySize, tests, size: (tests.length + 7) & ~7 }];
  });

/** The maps that rows are in; they take memory as rows come. */
export const factMaps = (facts: readonly FactRows[]): readonly MapSpec[] =>
  facts.map(({ source, map, keySize, size }) => ({
    name: map,
    type: 'hash',
    keySize,
    valueSize: size,
    maxEntries: SOURCES[source].rows,
    flags: BPF_F_NO_PREALLOC,
  }));

/** The key of a row, of a cgroup's, a user's or a group's id. */
export const factRowKey = ({ keySize }: FactRows, id: bigint | number): Uint8Array => {
  const key = new Uint8Array(keySize);
  const view = new DataView(key.buffer);
  if (keySize === 8) view.setBigUint64(0, BigInt(id), true);
  else view.setUint32(0, Number(id), true);
  return key;
};

/** A row: the truth of each of its source's tests. */
export const factRow = ({ tests, size }: FactRows, truthOf: (test: FactTest) => Truth): Uint8Array => {
  const row = new Uint8Array(size);
  for (const [column, test] of tests.entries()) row[column] = truthOf(test);
  return row;
};

/** r0 = the row of the record's container, user, group or login user, or 0. */
export const lookupFacts = (source: FactSource): readonly Item[] => {
  const { map, keySize, at } = SOURCES[source];
  const size = keySize === 8 ? 'dw' : 'w';
  return [
    ldx(size, R1, R7, at),
    stx(size, R10, STACK.key, R1),
    loadMap(R1, map),
    ...stackAddress(R2, STACK.key),
    helper('bpf_map_lookup_elem'),
  ];
};

/** A predicate's column in its source's rows. */
export const factColumn = (facts: readonly FactRows[], kernel: KernelPredicate & { place: 'facts' }): number => {
  const key = factKey(kernel.of, kernel.predicate);
  return facts.find(({ source }) => source === kernel.of)?.tests.findIndex((test) => test.key === key) ?? -1;
};

/** Copies the rows that the class's rules ask for into the record, with one lookup a source; without a row its truths stay unknown. */
export const emitFacts = (context: HookContext): void => {
  const { out, layout, matching } = context;
  for (const { rows, at } of matching.facts) {
    const end = out.fresh('facts.end');
    const into = byteAt(layout, matching.dimensions, at);
    out.emit(
      comment(`facts of ${FACT_SOURCES[rows.source]}`),
      ldx('w', R1, R7, workOf(context).head + CLASS.sources),
      and(R1, sourceBit(rows.source)),
      jeq(R1, 0, end),
      ...lookupFacts(rows.source),
      jeq(R0, 0, end),
    );
    for (let byte = 0; byte < rows.size; byte += 8) out.emit(ldx('dw', R1, R0, byte), stx('dw', R7, into + byte, R1));
    out.emit(label(end));
  }
};
