import { Truth } from '../language/index.ts';
import {
  type AddressTest,
  type End,
  type FactSource,
  type HookPlan,
  type KernelPredicate,
  LOWEST,
  type NumberSlot,
  type NumberTest,
  processTestKey,
} from '../plan/index.ts';
import type { ProcessGroup, ProcessLayout, StringGroup } from './context.ts';
import { type FactRows, factColumn } from './facts.ts';
import { boundsOf, type Intervals, placeIntervals, SIGN, samplesOf } from './intervals.ts';
import { placeRows, type Rows } from './rows.ts';
import type { Tables } from './tables.ts';

/** What a dimension's row is found by. */
export type DimensionSource =
  /** The row that the process (depth 0), its parent (1) or its nth ancestor has, from its exec on. */
  | { readonly kind: 'process'; readonly depth: number; readonly group: ProcessGroup }
  | { readonly kind: 'string'; readonly group: StringGroup }
  /** Signed numbers, moved up by half their range. */
  | { readonly kind: 'number'; readonly slot: NumberSlot; readonly intervals: Intervals }
  | { readonly kind: 'port'; readonly end: End; readonly intervals: Intervals }
  /** The rows of IPv6 addresses follow those of IPv4 addresses. */
  | { readonly kind: 'address'; readonly end: End; readonly ipv4: Intervals; readonly ipv6: Intervals }
  /** The first row is that of tasks outside of the cgroup. */
  | { readonly kind: 'scope'; readonly cgroup: string };

/** One value of an event, cut into as many rows as its tests tell apart: each row has the truth of every test, a column each. */
export interface Dimension {
  readonly source: DimensionSource;
  readonly rows: Rows;
  /** The tests in the conditions' words. */
  readonly texts: readonly string[];
}

/** Where a truth is found: a column of a dimension's row, or a byte behind the rows' numbers in the record. */
export type Leaf =
  | { readonly kind: 'cell'; readonly dimension: number; readonly column: number }
  | { readonly kind: 'byte'; readonly source: RowSource; readonly at: number };

/** Where rows of bytes come from. */
export type RowSource = 'ancestors' | FactSource;

/** A predicate's truth: that of its leaf, or of any or all of several; no leaves: it stays unknown. */
export interface Leaves {
  readonly join: 'any' | 'all';
  readonly leaves: readonly Leaf[];
}

/** Truths of tests of any ancestor: a row of bytes in the record, which the walk puts together. */
export interface AncestorRow {
  readonly group: ProcessGroup;
  /** Offset in the bytes behind the rows' numbers. */
  readonly at: number;
}

/** A row of facts that the hook's rules ask for. */
export interface FactRow {
  readonly rows: FactRows;
  /** Offset in the bytes behind the rows' numbers. */
  readonly at: number;
}

/** How a hook's predicates are decided. */
export interface Dimensions {
  readonly dimensions: readonly Dimension[];
  /** By the predicates' numbers. */
  readonly predicates: readonly Leaves[];
  readonly ancestors: readonly AncestorRow[];
  readonly facts: readonly FactRow[];
  /** Bytes behind the rows' numbers. */
  readonly bytes: number;
}

/** A column that is still to be placed. */
interface Column<Test> {
  readonly predicate: number;
  readonly test: Test;
  readonly text: string;
}

const UNKNOWN: Leaves = { join: 'any', leaves: [] };

const align = (value: number): number => (value + 7) & ~7;

const truth = (holds: boolean): number => (holds ? Truth.TRUE : Truth.FALSE);

const inRanges = ({ ranges }: NumberTest, value: bigint): boolean =>
  ranges.some(([low, high]) => value >= low && value <= high);

/** Rows of truths: for each sample what each test says of it. */
const truthRows = <Test, Sample>(
  columns: readonly Column<Test>[],
  samples: readonly Sample[],
  holds: (test: Test, sample: Sample) => boolean,
): Uint8Array => Uint8Array.from(samples.flatMap((sample) => columns.map(({ test }) => truth(holds(test, sample)))));

/** Collects a hook's dimensions. */
class DimensionBuilder {
  readonly dimensions: Dimension[] = [];
  readonly leaves: Leaf[][];
  /** Bytes behind the rows' numbers. */
  bytes = 0;
  readonly #hook: HookPlan;
  readonly #tables: Tables;

  constructor(hook: HookPlan, tables: Tables) {
    this.#hook = hook;
    this.#tables = tables;
    this.leaves = hook.predicates.map(() => []);
  }

  /** The predicates of a place as columns, under the key of the value that they test. */
  columns<Place extends KernelPredicate['place'], Test>(
    place: Place,
    each: (kernel: KernelPredicate & { place: Place }) => readonly { readonly key: string; readonly test: Test }[],
  ): ReadonlyMap<string, Column<Test>[]> {
    const found = new Map<string, Column<Test>[]>();
    for (const [predicate, { kernel, text }] of this.#hook.predicates.entries()) {
      if (kernel.place !== place) continue;
      for (const { key, test } of each(kernel as KernelPredicate & { place: Place })) {
        const column = { predicate, test, text };
        const known = found.get(key);
        if (known === undefined) found.set(key, [column]);
        else known.push(column);
      }
    }
    return found;
  }

  add(
    source: DimensionSource,
    rows: Rows,
    columns: readonly { readonly predicate: number; readonly column: number }[],
  ): void {
    const dimension = this.dimensions.length;
    const texts = columns.map(({ predicate }) => this.#hook.predicates[predicate]?.text ?? '');
    this.dimensions.push({ source, rows, texts });
    for (const { predicate, column } of columns) this.leaves[predicate]?.push({ kind: 'cell', dimension, column });
  }

  /** Adds a dimension whose rows are the truths of samples. */
  addSampled<Test>(source: DimensionSource, columns: readonly Column<Test>[], truths: Uint8Array): void {
    const rows = placeRows(this.#tables, columns.length, truths);
    this.add(
      source,
      rows,
      columns.map(({ predicate }, column) => ({ predicate, column })),
    );
  }

  numbers(): void {
    const columns = this.columns('number', ({ of, test }) => [{ key: JSON.stringify(of), test }]);
    for (const [key, its] of columns) {
      const slot = JSON.parse(key) as NumberSlot;
      const bounds = boundsOf(its.flatMap(({ test }) => test.ranges)).filter((bound) => bound > LOWEST && bound < SIGN);
      const intervals = placeIntervals(
        this.#tables,
        bounds.map((bound) => bound + SIGN),
        1,
      );
      const truths = truthRows(its, samplesOf(bounds, LOWEST), inRanges);
      this.addSampled({ kind: 'number', slot, intervals }, its, truths);
    }
  }

  ports(): void {
    const columns = this.columns('port', ({ ends, test, negated }) =>
      ends.map((key) => ({ key, test: { ...test, negated } })),
    );
    for (const [end, its] of columns) {
      const bounds = boundsOf(its.flatMap(({ test }) => test.ranges)).filter((bound) => bound > 0n && bound <= 0xffffn);
      const truths = truthRows(its, samplesOf(bounds, 0n), (test, port) => inRanges(test, port) !== test.negated);
      const intervals = placeIntervals(this.#tables, bounds, 1);
      this.addSampled({ kind: 'port', end: end as End, intervals }, its, truths);
    }
  }

  addresses(): void {
    const columns = this.columns('address', ({ ends, test }) => ends.map((key) => ({ key, test })));
    for (const [end, its] of columns) {
      const families = ([4, 16] as const).map((length) => {
        const ranges = (test: AddressTest) => networkRanges(test, length);
        const bounds = boundsOf(its.flatMap(({ test }) => ranges(test))).filter(
          (bound) => bound > 0n && bound < 1n << BigInt(8 * length),
        );
        const truths = truthRows(
          its,
          samplesOf(bounds, 0n),
          (test, address) => inRanges({ ranges: ranges(test) }, address) !== test.negated,
        );
        return { intervals: placeIntervals(this.#tables, bounds, length === 4 ? 1 : 2), truths };
      });
      const [ipv4, ipv6] = families as [(typeof families)[number], (typeof families)[number]];
      this.addSampled(
        { kind: 'address', end: end as End, ipv4: ipv4.intervals, ipv6: ipv6.intervals },
        its,
        Uint8Array.from([...ipv4.truths, ...ipv6.truths]),
      );
    }
  }

  scopes(): void {
    const columns = this.columns('scope', ({ cgroup }) => [{ key: cgroup, test: cgroup }]);
    for (const [cgroup, its] of columns)
      this.addSampled(
        { kind: 'scope', cgroup },
        its,
        truthRows(its, [false, true], (_, inside) => inside),
      );
  }

  strings(groups: readonly StringGroup[]): void {
    for (const group of groups) {
      const columns = group.predicates.flatMap((predicate, column) =>
        predicate === undefined ? [] : [{ predicate, column }],
      );
      this.add({ kind: 'string', group }, group.placed.rows, columns);
    }
  }

  processes({ groups }: ProcessLayout): void {
    const columns = this.columns('process', ({ depth, fact, test }) =>
      depth === 'any' ? [] : [{ key: String(depth), test: processTestKey(fact, test) }],
    );
    for (const [depth, its] of columns) {
      for (const group of groups) {
        if (group.ofAny) continue;
        const own = its.flatMap(({ predicate, test }) => {
          const column = group.columns.get(test);
          return column === undefined ? [] : [{ predicate, column }];
        });
        if (own.length > 0) this.add({ kind: 'process', depth: Number(depth), group }, group.placed.rows, own);
      }
    }
  }

  /** Returns the rows of bytes that the walk over the ancestors fills. */
  ancestors({ groups }: ProcessLayout): readonly AncestorRow[] {
    const rows: AncestorRow[] = [];
    for (const group of groups) {
      if (!group.ofAny) continue;
      const at = this.bytes;
      const isUsed = this.bytesFor('process', 'ancestors', (kernel) =>
        kernel.depth === 'any' ? group.columns.get(processTestKey(kernel.fact, kernel.test)) : undefined,
      );
      if (!isUsed) continue;
      rows.push({ group, at });
      this.bytes += align(group.placed.rows.width);
    }
    return rows;
  }

  /** Returns the rows of facts that are copied into the record. */
  facts(all: readonly FactRows[]): readonly FactRow[] {
    const found: FactRow[] = [];
    for (const rows of all) {
      const at = this.bytes;
      const isUsed = this.bytesFor('facts', rows.source, (kernel) =>
        kernel.of === rows.source ? factColumn(all, kernel) : undefined,
      );
      if (!isUsed) continue;
      found.push({ rows, at });
      this.bytes += rows.size;
    }
    return found;
  }

  /** Gives predicates of a place the bytes of their columns, from the next byte on; says whether there are any. */
  bytesFor<Place extends KernelPredicate['place']>(
    place: Place,
    source: RowSource,
    columnOf: (kernel: KernelPredicate & { place: Place }) => number | undefined,
  ): boolean {
    let isUsed = false;
    for (const [predicate, { kernel }] of this.#hook.predicates.entries()) {
      if (kernel.place !== place) continue;
      const column = columnOf(kernel as KernelPredicate & { place: Place });
      if (column === undefined || column < 0) continue;
      this.leaves[predicate]?.push({ kind: 'byte', source, at: this.bytes + column });
      isUsed = true;
    }
    return isUsed;
  }
}

/** The networks of one family as ranges of numbers. */
const networkRanges = ({ networks }: AddressTest, length: number): readonly (readonly [bigint, bigint])[] =>
  networks.flatMap(({ bytes, prefix }) => {
    if (bytes.length !== length) return [];
    const address = bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
    const host = BigInt(8 * length - prefix);
    const low = (address >> host) << host;
    return [[low, low + (1n << host) - 1n] as const];
  });

/** Whether a predicate over both ends of a connection holds only where it does at both. */
const needsAll = (kernel: KernelPredicate): boolean =>
  (kernel.place === 'port' && kernel.negated) || (kernel.place === 'address' && kernel.test.negated);

/** What a hook's dimensions take their rows from. */
export interface Sources {
  readonly processes: ProcessLayout;
  readonly facts: readonly FactRows[];
  readonly groups: readonly StringGroup[];
}

/** Puts a hook's predicates into dimensions, and their tables into `tables`. */
export const dimensionsOf = (hook: HookPlan, { processes, facts, groups }: Sources, tables: Tables): Dimensions => {
  const builder = new DimensionBuilder(hook, tables);
  builder.scopes();
  builder.processes(processes);
  builder.numbers();
  builder.ports();
  builder.addresses();
  builder.strings(groups);
  const ancestors = builder.ancestors(processes);
  const rows = builder.facts(facts);
  return {
    dimensions: builder.dimensions,
    predicates: hook.predicates.map(({ kernel }, index) => {
      const leaves = builder.leaves[index] ?? [];
      return leaves.length === 0 ? UNKNOWN : { join: needsAll(kernel) ? 'all' : 'any', leaves };
    }),
    ancestors,
    facts: rows,
    bytes: builder.bytes,
  };
};
