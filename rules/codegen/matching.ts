import type { Bound } from '../language/index.ts';
import type { Formula, HookPlan, Plan, PlannedRule } from '../plan/index.ts';
import {
  accepts,
  addChain,
  type ChainNode,
  FIRST_NODE,
  holds,
  type LeafFormula,
  leavesOf,
  NODE,
  toLeaves,
} from './chain.ts';
import type { Dimension, Dimensions, Leaf, RowSource } from './dimensions.ts';
import { VERDICTS } from './enforce.ts';
import { type Joint, jointsOf, possibleTogether } from './joint.ts';
import type { RecordLayout } from './layout.ts';
import { placeBitNumbers } from './next-bit.ts';
import type { Tables } from './tables.ts';

/** Rules that some events of a hook share. */
export interface RuleClass {
  readonly rules: readonly PlannedRule[];
  /** Offset of the class's head in the tables. */
  readonly at: number;
}

/** Offsets into the head of a class. */
export const CLASS = {
  /** 64-bit words of candidates: the same for all classes up to `BLOCK`, and with more a multiple of it. */
  words: 0,
  entries: 4,
  /** Which rows of bytes some rule asks for, bits of `SOURCE_BITS`. */
  sources: 8,
  /**
   * For each of the hook's dimensions where the table is of who asks about it, 0: no rule does; the same for its joints; then the bits to
   * begin with.
   */
  dimensions: 16,
} as const;

const SOURCE_BITS: Readonly<Record<RowSource, number>> = { ancestors: 1, container: 2, user: 4, group: 8, login: 16 };

/** The bit of a source of rows in `CLASS.sources`. */
export const sourceBit = (source: RowSource): number => SOURCE_BITS[source];

/** Words of candidates that are looked at together. */
export const BLOCK = 4;

/** Words of the bits of the candidates that ask about a dimension, in front of the offsets of its rows; none where rules are many, of which some always do. */
export const askingWords = ({ words }: Pick<Matching, 'words'>): number => (words <= BLOCK ? words : 0);

/** Offsets into an entry: a candidate's decision, and what it means that it holds. */
export const ENTRY = {
  start: 0,
  /** The rule's bit in the record's `matched`, or, `ruleBytes * 8` further, in its `acted`. */
  bit: 4,
  verdict: 6,
  size: 8,
} as const;

/** The tables by which a hook's rules are decided. */
export interface Matching extends Dimensions {
  /** Words of candidates of the largest class. */
  readonly words: number;
  /** Bytes of a class's head. */
  readonly headBytes: number;
  /** Where the nodes of the chains are in the tables, from node 0 on. */
  readonly nodes: number;
  /** Where the table is that tells the number of a word's only bit. */
  readonly bitNumbers: number;
  readonly joints: readonly Joint[];
  readonly classes: readonly RuleClass[];
  readonly decisions: readonly Decision[];
  /** The class of an event type. */
  classOf(event: string): RuleClass;
}

/** A truth that a decision asks for, and where it goes on: at a step by its number, at `YES` or at `NO`. */
export interface DecisionStep {
  /** The hook's predicate. */
  readonly predicate: number;
  /** The truths that lead to `hit`, a bit each. */
  readonly accepts: number;
  readonly hit: number;
  readonly miss: number;
}

/** How a rule is decided for some event types of a hook; without steps it always holds. */
export interface Decision {
  readonly rule: number;
  readonly events: readonly string[];
  readonly bound: Bound;
  /** The first has the number `FIRST_NODE`; each leads to later ones. */
  readonly steps: readonly DecisionStep[];
}

/** What becomes of a candidate bit: one for a rule's match, one more for the verdict of an enforcing rule. */
interface Entry {
  readonly planned: PlannedRule;
  readonly formula: LeafFormula;
  readonly bound: Bound;
  readonly steps: readonly DecisionStep[];
  readonly start: number;
  readonly bit: number;
  readonly verdict: number;
}

const align = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Offset in the record of the number of a dimension's row. */
export const cellAt = (layout: RecordLayout, dimension: number): number => layout.predicates + 2 * dimension;

/** Offset in the record of a byte behind the numbers of rows. */
export const byteAt = (layout: RecordLayout, dimensions: readonly Dimension[], at: number): number =>
  layout.predicates + align(2 * dimensions.length, 8) + at;

/** Bytes of a record that its dimensions take. */
export const dimensionBytes = ({ dimensions, bytes }: Dimensions): number => align(2 * dimensions.length, 8) + bytes;

/** The nodes from one on, numbered in the order in which they are asked: a chain's first node is added last. */
const stepsOf = (nodes: readonly ChainNode[], from: number): readonly DecisionStep[] => {
  const number = (node: number): number =>
    node < FIRST_NODE ? node : nodes.length - 1 - (node - FIRST_NODE) + FIRST_NODE;
  return nodes
    .slice(from)
    .reverse()
    .map(({ predicate, accepts: own, hit, miss }) => ({
      predicate,
      accepts: own,
      hit: number(hit),
      miss: number(miss),
    }));
};

/** The rules' decisions, as entries of the classes they are in. */
const entriesOf = (plan: Plan, layout: RecordLayout, dimensions: Dimensions, nodes: ChainNode[]) => {
  const known = new Map<PlannedRule, readonly Entry[]>();
  const bits = new Map(layout.rules.map((rule, bit) => [rule, bit]));
  return (planned: PlannedRule): readonly Entry[] => {
    const before = known.get(planned);
    if (before !== undefined) return before;
    const rule = plan.rules[planned.rule];
    const bit = bits.get(planned.rule) ?? 0;
    const entry = (from: Formula, bound: Bound, at: number, verdict: number): Entry[] => {
      const formula = toLeaves(from, bound, dimensions.predicates);
      if (formula.kind === 'constant' && !formula.value) return [];
      const before = nodes.length;
      const start = addChain(nodes, formula);
      return [{ planned, formula, bound, steps: stepsOf(nodes, before), start, bit: at, verdict }];
    };
    const entries = entry(planned.possible, 'possible', bit, 0);
    if (planned.certain !== undefined && rule !== undefined) {
      const verdict = rule.mode === 'enforce' ? VERDICTS[rule.action] : 0;
      entries.push(...entry(planned.certain, 'certain', layout.ruleBytes * 8 + bit, verdict));
    }
    known.set(planned, entries);
    return entries;
  };
};

/** The columns that a formula asks for, by their dimension. */
const columnsOf = (formula: LeafFormula): ReadonlyMap<number, ReadonlySet<number>> => {
  const columns = new Map<number, Set<number>>();
  for (const leaf of leavesOf(formula)) {
    if (leaf.kind !== 'cell') continue;
    const known = columns.get(leaf.dimension);
    if (known === undefined) columns.set(leaf.dimension, new Set([leaf.column]));
    else known.add(leaf.column);
  }
  return columns;
};

/** For each row of a dimension whether an entry can still hold, whatever the other dimensions say; undefined: in every row. */
const possibleRows = (
  formula: LeafFormula,
  dimension: number,
  { rows }: Dimension,
  asked: ReadonlySet<number> | undefined,
): Uint8Array | undefined => {
  if (asked === undefined) return undefined;
  const columns = [...asked];
  const known = new Map<string, boolean>();
  const possible = new Uint8Array(rows.count);
  let isAlways = true;
  for (let row = 0; row < rows.count; row++) {
    const at = row * rows.width;
    const key = columns.map((column) => rows.bytes[at + column]).join();
    let can = known.get(key);
    if (can === undefined) {
      can = holds(formula, (leaf, own) => {
        if (leaf.kind !== 'cell' || leaf.dimension !== dimension) return true;
        return accepts(own, rows.bytes[at + leaf.column] ?? 0);
      });
      known.set(key, can);
    }
    possible[row] = can ? 1 : 0;
    isAlways &&= can;
  }
  return isAlways ? undefined : possible;
};

const nodeBytes = (nodes: readonly ChainNode[], dimensions: Dimensions, layout: RecordLayout): Uint8Array => {
  const bytes = new Uint8Array((FIRST_NODE + nodes.length) * NODE.size);
  const view = new DataView(bytes.buffer);
  for (const [index, { leaf, accepts: own, hit, miss }] of nodes.entries()) {
    const at = (FIRST_NODE + index) * NODE.size;
    view.setUint32(at + NODE.hit, hit, true);
    view.setUint32(at + NODE.miss, miss, true);
    view.setUint8(at + NODE.accepts, own);
    if (leaf.kind === 'byte') view.setUint32(at + NODE.base, byteAt(layout, dimensions.dimensions, leaf.at), true);
    else {
      const { rows } = dimensions.dimensions[leaf.dimension] as Dimension;
      view.setUint32(at + NODE.base, rows.at + leaf.column, true);
      view.setUint16(at + NODE.cell, cellAt(layout, leaf.dimension), true);
      view.setUint16(at + NODE.width, rows.width, true);
    }
  }
  return bytes;
};

/** Makes the tables by which a hook's rules are decided. */
export const matchingOf = (
  plan: Plan,
  hook: HookPlan,
  layout: RecordLayout,
  dimensions: Dimensions,
  tables: Tables,
): Matching => {
  const nodes: ChainNode[] = [];
  const entriesFor = entriesOf(plan, layout, dimensions, nodes);
  const numbers = new Map<string, number>();
  const lists: (readonly PlannedRule[])[] = [];
  const eventsOf: string[][] = [];
  const classNumbers = new Map<string, number>();
  const ids = new Map<PlannedRule, number>();
  for (const { event, rules } of hook.events) {
    const key = rules
      .map((rule) => {
        if (!ids.has(rule)) ids.set(rule, ids.size);
        return ids.get(rule);
      })
      .join();
    let number = numbers.get(key);
    if (number === undefined) {
      number = lists.push(rules) - 1;
      eventsOf.push([]);
      numbers.set(key, number);
    }
    eventsOf[number]?.push(event.type);
    classNumbers.set(event.type, number);
  }
  // what acts is decided first: however many other rules an event is made to match, its turns suffice for that
  const entries = lists.map((rules) => rules.flatMap(entriesFor).sort((one, other) => other.verdict - one.verdict));
  const most = Math.max(1, ...entries.map((each) => Math.ceil(each.length / 64)));
  const words = most <= BLOCK ? most : align(most, BLOCK);
  const wordsOf = (count: number): number => (words <= BLOCK ? words : align(Math.ceil(count / 64), BLOCK));
  const joints = jointsOf(
    new Set(entries.flatMap((each) => each.map(({ formula }) => formula))),
    dimensions.dimensions,
  );
  const headBytes = CLASS.dimensions + align(4 * (dimensions.dimensions.length + joints.length), 8);
  const possible = new Map<LeafFormula, readonly (Uint8Array | undefined)[]>();
  const possibleOf = (formula: LeafFormula) => {
    let rows = possible.get(formula);
    if (rows === undefined) {
      const columns = columnsOf(formula);
      rows = dimensions.dimensions.map((dimension, index) =>
        possibleRows(formula, index, dimension, columns.get(index)),
      );
      possible.set(formula, rows);
    }
    return rows;
  };
  const askedBy = askedByRules(plan, hook, dimensions);
  const askingBytes = 8 * askingWords({ words });
  const classes = lists.map((rules, index): RuleClass => {
    const its = entries[index] ?? [];
    const askedByRule = new Map(
      rules.map((planned) => [
        planned,
        (eventsOf[index] ?? []).flatMap((event) => askedBy.get(`${planned.rule} ${event}`) ?? []),
      ]),
    );
    const asked = new Set([...askedByRule.values()].flat());
    const askedDimensions = new Set([...asked].map((leaf) => (leaf.kind === 'cell' ? leaf.dimension : undefined)));
    const own = wordsOf(its.length);
    const initial = new Uint8Array(words * 8);
    for (const bit of its.keys()) initial[bit >> 3] = (initial[bit >> 3] ?? 0) | (1 << (bit & 7));
    const head = new Uint8Array(headBytes + initial.length);
    head.set(initial, headBytes);
    const view = new DataView(head.buffer);
    /** Places the candidates that each of some rows leaves, and where they are into `offsets`. */
    const placeCandidates = (
      excluding: readonly { readonly bit: number; readonly can: Uint8Array }[],
      count: number,
      offsets: DataView,
    ): void => {
      for (let row = 0; row < count; row++) {
        const bits = initial.slice(0, own * 8);
        for (const { bit, can } of excluding)
          if (can[row] === 0) bits[bit >> 3] = (bits[bit >> 3] ?? 0) & ~(1 << (bit & 7));
        offsets.setUint32(row * 4, tables.placeShared(bits), true);
      }
    };
    view.setUint32(CLASS.words, own, true);
    view.setUint32(CLASS.entries, tables.place(entryBytes(its)), true);
    view.setUint32(
      CLASS.sources,
      [...asked].reduce((bits, leaf) => bits | sourceOf(leaf, dimensions), 0),
      true,
    );
    for (const [number, { rows }] of dimensions.dimensions.entries()) {
      if (!askedDimensions.has(number)) continue;
      const excluding = its.flatMap(({ formula }, bit) => {
        const can = possibleOf(formula)[number];
        return can === undefined ? [] : [{ bit, can }];
      });
      const table = new Uint8Array(askingBytes + rows.count * 4);
      if (askingBytes > 0)
        for (const [bit, { planned }] of its.entries())
          if (askedByRule.get(planned)?.some((leaf) => leaf.kind === 'cell' && leaf.dimension === number))
            table[bit >> 3] = (table[bit >> 3] ?? 0) | (1 << (bit & 7));
      placeCandidates(excluding, rows.count, new DataView(table.buffer, askingBytes));
      view.setUint32(CLASS.dimensions + 4 * number, tables.placeShared(table), true);
    }
    for (const [number, joint] of joints.entries()) {
      if (!askedDimensions.has(joint.first) || !askedDimensions.has(joint.second)) continue;
      const excluding = its.flatMap(({ formula }, bit) => {
        const columns = columnsOf(formula);
        if (!columns.has(joint.first) || !columns.has(joint.second)) return [];
        return [{ bit, can: possibleTogether(formula, joint, dimensions.dimensions) }];
      });
      const [first] = excluding;
      if (first === undefined) continue;
      const table = new Uint8Array(4 * first.can.length);
      placeCandidates(excluding, first.can.length, new DataView(table.buffer));
      view.setUint32(CLASS.dimensions + 4 * (dimensions.dimensions.length + number), tables.placeShared(table), true);
    }
    return { rules, at: tables.place(head) };
  });
  return {
    ...dimensions,
    words,
    headBytes,
    nodes: tables.place(nodeBytes(nodes, dimensions, layout)),
    bitNumbers: placeBitNumbers(tables),
    joints,
    classes,
    decisions: lists.flatMap((rules, index) =>
      rules.flatMap((planned) =>
        entriesFor(planned).map(({ bound, steps }) => ({
          rule: planned.rule,
          events: eventsOf[index] ?? [],
          bound,
          steps,
        })),
      ),
    ),
    classOf: (event) => classes[classNumbers.get(event) ?? -1] as RuleClass,
  };
};

/**
 * The leaves of each rule's predicates, by the rule and an event type: also of those that its formula doesn't depend on, because user space
 * decides the rest of the condition with them.
 */
const askedByRules = (
  { placements }: Plan,
  { hook }: HookPlan,
  { predicates }: Dimensions,
): ReadonlyMap<string, readonly Leaf[]> => {
  const asked = new Map<string, Leaf[]>();
  for (const placement of placements) {
    if (placement.hook !== hook || placement.number === undefined) continue;
    const key = `${placement.rule} ${placement.event}`;
    const leaves = predicates[placement.number]?.leaves ?? [];
    const known = asked.get(key);
    if (known === undefined) asked.set(key, [...leaves]);
    else known.push(...leaves);
  }
  return asked;
};

/** What has to be looked up for a leaf beside its dimension: the ancestors, also of a certain depth, or a row of facts. */
const sourceOf = (leaf: Leaf, { dimensions }: Dimensions): number => {
  if (leaf.kind === 'byte') return sourceBit(leaf.source);
  const source = dimensions[leaf.dimension]?.source;
  return source?.kind === 'process' && source.depth > 0 ? sourceBit('ancestors') : 0;
};

const entryBytes = (entries: readonly Entry[]): Uint8Array => {
  const bytes = new Uint8Array(Math.max(1, entries.length) * ENTRY.size);
  const view = new DataView(bytes.buffer);
  for (const [index, { start, bit, verdict }] of entries.entries()) {
    view.setUint32(index * ENTRY.size + ENTRY.start, start, true);
    view.setUint16(index * ENTRY.size + ENTRY.bit, bit, true);
    view.setUint8(index * ENTRY.size + ENTRY.verdict, verdict);
  }
  return bytes;
};
