import { LAST_POINT, type Range } from './regex-classes.ts';
import type { Assertion, RegexNode } from './regex-syntax.ts';

/** Bytes from `first` to `last` lead to the state `to`. */
export interface ByteEdge {
  readonly first: number;
  readonly last: number;
  readonly to: number;
}

/** What can happen in a state of an automaton over bytes: whether a text may end there, and where each byte leads. */
export interface ByteState {
  readonly accepts: boolean;
  readonly edges: readonly ByteEdge[];
}

/** An automaton over the bytes of a UTF-8 text that may be in several states at once. */
export interface ByteAutomaton {
  readonly start: number;
  /** What can happen in some states that one text leads to, all behind the same byte; each edge of theirs is given once. */
  readonly join: (states: readonly number[]) => ByteState;
  /** The bytes at which classes begin: those between two of them are never told apart. */
  readonly bounds: readonly number[];
}

/** Nodes of one pattern at most. */
export const MAX_NODES = 20_000;

interface Node {
  readonly edges: ByteEdge[];
  /** Nodes that are reached without a byte, where the assertion holds. */
  readonly free: { readonly to: number; readonly assertion?: Assertion }[];
}

class TooLarge extends Error {}

/** The kinds of bytes that assertions tell apart, as bits; `END` stands for the end of the text, before and behind it. */
const LINE_END = 1;
const WORD = 2;
const OTHER = 4;
const END = 8;
const ANYTHING = LINE_END | WORD | OTHER | END;

const KINDS: readonly (readonly [first: number, last: number, kind: number])[] = [
  [0x00, 0x09, OTHER],
  [0x0a, 0x0a, LINE_END],
  [0x0b, 0x2f, OTHER],
  [0x30, 0x39, WORD],
  [0x3a, 0x40, OTHER],
  [0x41, 0x5a, WORD],
  [0x5b, 0x5e, OTHER],
  [0x5f, 0x5f, WORD],
  [0x60, 0x60, OTHER],
  [0x61, 0x7a, WORD],
  [0x7b, 0xff, OTHER],
];

/** What may come next where an assertion holds behind a byte of a kind; 0 where it can't hold. */
const nextWhere = (assertion: Assertion, before: number): number => {
  const edge = before === WORD ? ANYTHING & ~WORD : WORD;
  switch (assertion) {
    case 'line start':
      return before === END || before === LINE_END ? ANYTHING : 0;
    case 'text start':
      return before === END ? ANYTHING : 0;
    case 'line end':
      return LINE_END | END;
    case 'text end':
      return END;
    case 'word edge':
      return edge;
    case 'no word edge':
      return ANYTHING & ~edge;
  }
};

/** The ranges of code points whose UTF-8 forms have the same length, and the bytes of the last and first of each. */
const LENGTHS: readonly (readonly [first: number, last: number])[] = [
  [0x00, 0x7f],
  [0x80, 0x7ff],
  [0x800, 0xd7ff],
  [0xe000, 0xffff],
  [0x10000, LAST_POINT],
];

const encoder = new TextEncoder();
const utf8 = (point: number): readonly number[] => [...encoder.encode(String.fromCodePoint(point))];

/** One byte range for each byte of some code points' UTF-8 forms. */
type Sequence = readonly Range[];

/** The UTF-8 forms of a range of code points as rows of byte ranges. */
const sequencesOf = ([from, to]: Range): readonly Sequence[] =>
  LENGTHS.flatMap(([first, last]) => {
    const [low, high] = [Math.max(from, first), Math.min(to, last)];
    return low > high ? [] : split(utf8(low), utf8(high));
  });

/** All byte strings between two of the same length whose later bytes are 0x80 to 0xbf. */
const split = (low: readonly number[], high: readonly number[]): readonly Sequence[] => {
  const [first = 0, ...restLow] = low;
  const [last = 0, ...restHigh] = high;
  const whole: Sequence = restLow.map(() => [0x80, 0xbf]);
  if (restLow.length === 0) return [[[first, last]]];
  if (first === last) return split(restLow, restHigh).map((rest) => [[first, first], ...rest]);
  const fullLow = restLow.every((byte) => byte === 0x80);
  const fullHigh = restHigh.every((byte) => byte === 0xbf);
  const rows: Sequence[] = [];
  if (!fullLow) {
    const end = restLow.map(() => 0xbf);
    rows.push(...split(restLow, end).map((rest): Sequence => [[first, first], ...rest]));
  }
  const [from, to] = [fullLow ? first : first + 1, fullHigh ? last : last - 1];
  if (from <= to) rows.push([[from, to], ...whole]);
  if (!fullHigh) {
    const begin = restHigh.map(() => 0x80);
    rows.push(...split(begin, restHigh).map((rest): Sequence => [[last, last], ...rest]));
  }
  return rows;
};

const sequences = new WeakMap<readonly Range[], readonly Sequence[]>();

const formsOf = (ranges: readonly Range[]): readonly Sequence[] => {
  const known = sequences.get(ranges);
  if (known !== undefined) return known;
  const forms = ranges.flatMap(sequencesOf);
  sequences.set(ranges, forms);
  return forms;
};

/** Nodes with free moves between them; the last is where the pattern ends. */
interface Program {
  readonly nodes: readonly Node[];
  readonly start: number;
  readonly end: number;
  readonly asserts: boolean;
}

const assemble = (pattern: RegexNode): Program => {
  const nodes: Node[] = [];
  let asserts = false;
  const make = (): number => {
    if (nodes.length >= MAX_NODES) throw new TooLarge();
    return nodes.push({ edges: [], free: [] }) - 1;
  };
  const at = (number: number): Node => nodes[number] as Node;
  /** Adds the UTF-8 forms of some code points from one node to another; equal ends of forms are shared. */
  const addForms = (from: number, ranges: readonly Range[], to: number): void => {
    const shared = new Map<string, number>();
    const nodeBefore = (rest: Sequence): number => {
      const [first, ...later] = rest;
      if (first === undefined) return to;
      const key = rest.join(';');
      let node = shared.get(key);
      if (node === undefined) {
        node = make();
        shared.set(key, node);
        at(node).edges.push({ first: first[0], last: first[1], to: nodeBefore(later) });
      }
      return node;
    };
    for (const [first, ...rest] of formsOf(ranges))
      if (first !== undefined) at(from).edges.push({ first: first[0], last: first[1], to: nodeBefore(rest) });
  };
  /** Adds a part from a node on and gives the node behind it. */
  const add = (part: RegexNode, from: number): number => {
    switch (part.kind) {
      case 'points': {
        const to = make();
        addForms(from, part.ranges, to);
        return to;
      }
      case 'byte': {
        const to = make();
        at(from).edges.push({ first: 0, last: 0xff, to });
        return to;
      }
      case 'assertion': {
        asserts = true;
        const to = make();
        at(from).free.push({ to, assertion: part.assertion });
        return to;
      }
      case 'all':
        return part.of.reduce((before, each) => add(each, before), from);
      case 'any': {
        const to = make();
        for (const each of part.of) {
          const start = make();
          at(from).free.push({ to: start });
          at(add(each, start)).free.push({ to });
        }
        return to;
      }
      case 'repeat': {
        let before = from;
        for (let count = 0; count < part.least; count++) before = add(part.of, before);
        const to = make();
        if (Number.isFinite(part.most)) {
          for (let count = part.least; count < part.most; count++) {
            at(before).free.push({ to });
            before = add(part.of, before);
          }
          at(before).free.push({ to });
        } else {
          const loop = make();
          at(before).free.push({ to: loop });
          at(add(part.of, loop)).free.push({ to: loop });
          at(loop).free.push({ to });
        }
        return to;
      }
    }
  };
  const start = make();
  const end = add(pattern, start);
  return { nodes, start, end, asserts };
};

/** The part of an edge over bytes of one kind. */
function* byKind(edge: ByteEdge, kinds: number): Iterable<readonly [first: number, last: number, kind: number]> {
  for (const [first, last, kind] of KINDS)
    if ((kinds & kind) !== 0 && first <= edge.last && last >= edge.first)
      yield [Math.max(first, edge.first), Math.min(last, edge.last), kind];
}

/**
 * The automaton of a pattern over the bytes of a whole text. A state is a node together with the kind of byte before it, so that
 * nothing is left of assertions. Undefined where the pattern needs more than `MAX_NODES` nodes.
 */
export const byteAutomaton = (pattern: RegexNode): ByteAutomaton | undefined => {
  let program: Program;
  try {
    program = assemble(pattern);
  } catch (error) {
    if (error instanceof TooLarge) return undefined;
    throw error;
  }
  const { nodes, start, end, asserts } = program;
  const numberOf = (node: number, before: number): number => (asserts ? node * 16 + before : node);
  /** Which nodes were met, by what may come next: the number of the call that met them last. */
  const met = new Uint32Array(nodes.length * (asserts ? 16 : 1));
  let call = 0;
  const open: number[] = [];
  const meet = (node: number, next: number): void => {
    const key = asserts ? node * 16 + next : node;
    if (next === 0 || met[key] === call) return;
    met[key] = call;
    open.push(node, next);
  };
  const join = (states: readonly number[]): ByteState => {
    const edges: ByteEdge[] = [];
    let accepts = false;
    call++;
    const before = asserts ? (states[0] ?? 0) & 15 : OTHER;
    for (const number of states) meet(asserts ? number >> 4 : number, ANYTHING);
    while (open.length > 0) {
      const next = open.pop() ?? 0;
      const at = open.pop() ?? 0;
      if (at === end && (next & END) !== 0) accepts = true;
      const { edges: own, free } = nodes[at] as Node;
      for (const edge of own) {
        if (!asserts) edges.push(edge);
        else
          for (const [first, last, kind] of byKind(edge, next))
            edges.push({ first, last, to: numberOf(edge.to, kind) });
      }
      for (const { to, assertion } of free)
        meet(to, assertion === undefined ? next : next & nextWhere(assertion, before));
    }
    return { accepts, edges };
  };
  const bounds = new Set([0, ...(asserts ? KINDS.map(([first]) => first) : [])]);
  for (const node of nodes)
    for (const { first, last } of node.edges) {
      bounds.add(first);
      bounds.add(last + 1);
    }
  bounds.delete(256);
  return { start: numberOf(start, END), join, bounds: [...bounds].sort((a, b) => a - b) };
};
