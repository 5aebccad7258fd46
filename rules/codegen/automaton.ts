import { compileGlob, regexOf, Truth } from '../language/index.ts';
import type { Pattern, StringTest } from '../plan/index.ts';

/**
 * A deterministic automaton over the bytes of a string that decides many string tests at once:
 *
 *     classes      256 bytes: byte -> class
 *     transitions  states x classCount u16: next state
 *     rowOf        states u16: which row holds when the string ends here
 *     rows         rowCount x width bytes: one truth a test, padded with zeros to a multiple of 8
 */
export interface Automaton {
  readonly stateCount: number;
  readonly classCount: number;
  readonly classes: Uint8Array;
  readonly transitions: Uint16Array;
  readonly rowOf: Uint16Array;
  /** The states from this one on lead to nothing but themselves: the rest of a string changes nothing. */
  readonly firstSink: number;
  readonly rowCount: number;
  /** Bytes a row; a multiple of 8. */
  readonly width: number;
  readonly rows: Uint8Array;
}

export interface AutomatonOptions {
  /** NUL bytes read as blanks: argument vectors. */
  readonly nulIsBlank?: boolean;
  /** Paths as passed: one that isn't in its normal form makes every test unknown, since only user space rewrites it. */
  readonly normalPathsOnly?: boolean;
}

/** States of one automaton at most; more are split over several, and a test that alone needs more is left to user space. */
export const STATE_BUDGET = 8192;

/** The same of an automaton that several tests share: a larger one is mostly made in vain, since their halves need far fewer together. */
const SHARED_BUDGET = 4096;

interface Token {
  readonly star: boolean;
  /** Bytes a one-byte token matches. */
  readonly bytes: ReadonlySet<number>;
}

const STAR: Token = { star: true, bytes: new Set() };
const ANY: Token = { star: false, bytes: new Set(Array.from({ length: 256 }, (_, byte) => byte)) };
const encoder = new TextEncoder();

const isLetter = (byte: number): boolean => (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);

const literal = (byte: number, fold: boolean): Token => ({
  star: false,
  bytes: new Set(fold && isLetter(byte) ? [byte | 32, byte & ~32] : [byte]),
});

const toLower = (byte: number): number => (byte >= 65 && byte <= 90 ? byte | 32 : byte);

/** The bytes whose lower case is in a set. */
const foldSet = (bytes: ReadonlySet<number>): ReadonlySet<number> =>
  new Set([...ANY.bytes].filter((byte) => bytes.has(toLower(byte))));

/** A glob in tokens, byte by byte; undefined where it can match nothing. */
const globTokens = (text: string, fold: boolean): Token[] | undefined => {
  const bytes = encoder.encode(text);
  return compileGlob(fold ? bytes.map(toLower) : bytes)?.map((step) =>
    step === 'star' ? STAR : step === 'any' ? ANY : { star: false, bytes: fold ? foldSet(step) : step },
  );
};

const tokensOf = ({ match, text, fold }: Pattern): Token[] | undefined => {
  if (match === 'glob') return globTokens(text, fold);
  const body = [...encoder.encode(text)].map((byte) => literal(byte, fold));
  const before = match === 'suffix' || match === 'contains' ? [STAR] : [];
  const after = match === 'prefix' || match === 'contains' ? [STAR] : [];
  return [...before, ...body, ...after];
};

interface Edge {
  readonly bytes: ReadonlySet<number>;
  /** The same for edges of the same bytes. */
  readonly key: string;
  readonly to: number;
}

/** A node of the nondeterministic automaton: of a trie of tokens, so that patterns share their beginnings, or of a regular expression. */
interface Node {
  readonly loops: boolean;
  readonly edges: Map<string, Edge>;
  star: number | undefined;
  /** Tests that hold when the string ends here. */
  readonly accepts: Set<number>;
  /** Tests that hold from here on, however the string goes on. */
  readonly settles: Set<number>;
}

/** Edges of one regular expression at most; one with more is left to user space. */
const REGEX_EDGES = 4000;

const NOT_NORMAL = -1;
const NOT_NORMAL_PATTERNS: readonly Pattern[] = [
  { match: 'contains', text: '//', fold: false },
  { match: 'contains', text: '/./', fold: false },
  { match: 'contains', text: '/../', fold: false },
  { match: 'glob', text: '?*/', fold: false },
  { match: 'suffix', text: '/.', fold: false },
  { match: 'suffix', text: '/..', fold: false },
];

/** Nodes with those that the string begins in. */
interface Graph {
  readonly nodes: readonly Node[];
  readonly starts: readonly number[];
}

const makeNode = (loops: boolean): Node => ({
  loops,
  edges: new Map(),
  star: undefined,
  accepts: new Set(),
  settles: new Set(),
});

/** Adds a pattern of tokens to the trie below node 0. */
const addTokens = (nodes: Node[], tokens: readonly Token[], test: number): void => {
  let at = 0;
  for (const token of tokens) {
    const node = nodes[at]!;
    if (token.star) {
      if (node.loops) continue;
      node.star ??= nodes.push(makeNode(true)) - 1;
      at = node.star;
      continue;
    }
    const key = [...token.bytes].join();
    let edge = node.edges.get(key);
    if (edge === undefined) {
      edge = { bytes: token.bytes, key, to: nodes.push(makeNode(false)) - 1 };
      node.edges.set(key, edge);
    }
    at = edge.to;
  }
  const { settles, accepts } = nodes[at]!;
  (tokens.at(-1)?.star ? settles : accepts).add(test);
};

/** Adds a regular expression's states and gives the first; undefined where there are too many. */
const addRegex = (nodes: Node[], pattern: string, test: number): number | undefined => {
  const automaton = regexOf(pattern)?.automaton;
  if (automaton === undefined) return undefined;
  const numbers = new Map<number, number>();
  const numberOf = (state: number): number => {
    const known = numbers.get(state) ?? nodes.push(makeNode(false)) - 1;
    numbers.set(state, known);
    return known;
  };
  const start = numberOf(automaton.start);
  let edges = 0;
  for (const [state, number] of numbers) {
    const joined = automaton.join([state]);
    if (joined.accepts) nodes[number]!.accepts.add(test);
    edges += joined.edges.length;
    if (edges > REGEX_EDGES) return undefined;
    for (const { first, last, to } of joined.edges) {
      const bytes = new Set(Array.from({ length: last - first + 1 }, (_, index) => first + index));
      const target = numberOf(to);
      nodes[number]!.edges.set(`${first}-${last}>${target}`, { bytes, key: `${first}-${last}`, to: target });
    }
  }
  return start;
};

const buildGraph = (tests: readonly StringTest[], options: AutomatonOptions): Graph | undefined => {
  const nodes = [makeNode(false)];
  const starts = [0];
  for (const [index, test] of tests.entries())
    for (const pattern of test.patterns) {
      if (pattern.match !== 'regex') {
        const tokens = tokensOf(pattern);
        if (tokens !== undefined) addTokens(nodes, tokens, index);
        continue;
      }
      const start = addRegex(nodes, pattern.text, index);
      if (start === undefined) return undefined;
      starts.push(start);
    }
  if (options.normalPathsOnly)
    for (const pattern of NOT_NORMAL_PATTERNS) addTokens(nodes, tokensOf(pattern) ?? [], NOT_NORMAL);
  return { nodes, starts };
};

/** A test in a set of tests as bits: test n is bit n + 1, what is not normal is bit 0. */
const bitOf = (test: number): bigint => 1n << BigInt(test + 1);

const bitsOf = (tests: Iterable<number>): bigint => {
  let bits = 0n;
  for (const test of tests) bits |= bitOf(test);
  return bits;
};

/** The tests that each node can still lead to, as bits. */
const servedBy = (nodes: readonly Node[]): readonly bigint[] => {
  const served = nodes.map(({ accepts, settles }) => bitsOf(accepts) | bitsOf(settles));
  for (let changed = true; changed; ) {
    changed = false;
    for (let index = nodes.length - 1; index >= 0; index--) {
      const { edges, star } = nodes[index]!;
      let bits = served[index]!;
      if (star !== undefined) bits |= served[star]!;
      for (const { to } of edges.values()) bits |= served[to]!;
      if (bits === served[index]) continue;
      served[index] = bits;
      changed = true;
    }
  }
  return served;
};

/** Splits the 256 bytes into classes that no edge tells apart. */
const classify = (nodes: readonly Node[]): { readonly classes: Uint8Array; readonly count: number } => {
  const sets = new Map<string, ReadonlySet<number>>();
  for (const node of nodes) for (const edge of node.edges.values()) sets.set(edge.key, edge.bytes);
  const classes = new Uint8Array(256);
  let count = 1;
  for (const set of sets.values()) {
    const split = new Map<number, number>();
    const sizes = new Map<number, number>();
    for (const cls of classes) sizes.set(cls, (sizes.get(cls) ?? 0) + 1);
    const inside = new Map<number, number>();
    for (const byte of set) inside.set(classes[byte]!, (inside.get(classes[byte]!) ?? 0) + 1);
    for (const byte of set) {
      const cls = classes[byte]!;
      if (!split.has(cls)) {
        if (inside.get(cls) === sizes.get(cls)) continue;
        split.set(cls, count++);
      }
      classes[byte] = split.get(cls)!;
    }
  }
  return { classes, count };
};

const rowBytes = (tests: readonly StringTest[], accepted: bigint, width: number): Uint8Array => {
  const row = new Uint8Array(width);
  const isNormal = (accepted & bitOf(NOT_NORMAL)) === 0n;
  for (const [index, test] of tests.entries()) {
    const holds = (accepted & bitOf(index)) !== 0n;
    row[index] = !isNormal ? Truth.UNKNOWN : holds !== test.negated ? Truth.TRUE : Truth.FALSE;
  }
  return row;
};

const CODE_UNITS = 65_536;

/** What a deterministic state stands for: nodes that the string may be in, and the tests that are settled, as bits of `servedBy`. */
interface State {
  readonly members: readonly number[];
  readonly settled: bigint;
}

/** Where states lead that share their looping nodes and what is settled, for the bytes that only those nodes have an edge for. */
interface Staying {
  readonly otherwise: number;
  /** By class: the nodes that the looping ones lead to besides themselves. */
  readonly reached: readonly (readonly number[])[];
  /** By class: the state, or -1 where it wasn't asked for yet. */
  readonly next: Int32Array;
  /** Classes whose state wasn't asked for yet. */
  open: number;
}

/** States that a table of transitions has room for at first. */
const FIRST_STATES = 64;

const doubled = (table: Uint16Array<ArrayBuffer>): Uint16Array<ArrayBuffer> => {
  const larger = new Uint16Array(2 * table.length);
  larger.set(table);
  return larger;
};

/** Numbers states anew, in their order but for those that lead to nothing but themselves, which come last. */
const sinksLast = (
  transitions: Uint16Array,
  rowOf: Uint16Array,
): Pick<Automaton, 'transitions' | 'rowOf' | 'firstSink'> => {
  const classCount = transitions.length / rowOf.length;
  const isSink = (state: number): boolean =>
    transitions.subarray(state * classCount, (state + 1) * classCount).every((next) => next === state);
  const [sinks, others]: [number[], number[]] = [[], []];
  for (const state of rowOf.keys()) (isSink(state) ? sinks : others).push(state);
  const order = [...others, ...sinks];
  const numbers = new Uint16Array(order.length);
  for (const [number, state] of order.entries()) numbers[state] = number;
  const moved = new Uint16Array(transitions.length);
  for (const [number, state] of order.entries())
    for (let cls = 0; cls < classCount; cls++)
      moved[number * classCount + cls] = numbers[transitions[state * classCount + cls]!]!;
  return { transitions: moved, rowOf: Uint16Array.from(order, (state) => rowOf[state]!), firstSink: others.length };
};

/** Builds the automaton of some tests; undefined when it would need more states than `STATE_BUDGET`, or `SHARED_BUDGET` for several. */
export const buildAutomaton = (tests: readonly StringTest[], options: AutomatonOptions = {}): Automaton | undefined => {
  const budget = tests.length > 1 ? SHARED_BUDGET : STATE_BUDGET;
  const graph = buildGraph(tests, options);
  if (graph === undefined) return undefined;
  const { nodes, starts } = graph;
  const served = servedBy(nodes);
  const everything = (1n << BigInt(tests.length + 1)) - 1n;
  const settling = nodes.map(({ settles }) => bitsOf(settles));
  const accepting = nodes.map(({ accepts }) => bitsOf(accepts));
  const { classes, count: classCount } = classify(nodes);
  const edges = nodes.map((node) =>
    [...node.edges.values()].map((edge) => ({
      to: edge.to,
      classes: [...new Set([...edge.bytes].map((byte) => classes[byte]!))],
    })),
  );

  const states: State[] = [];
  const numbers = new Map<string, number>();
  const settledNumbers = new Map<bigint, number>();
  /** Some nodes and what is settled, as code units where they fit. */
  const keyOf = (members: readonly number[], settled: bigint): string => {
    let number = settledNumbers.get(settled);
    if (number === undefined) {
      number = settledNumbers.size;
      settledNumbers.set(settled, number);
    }
    if (nodes.length > CODE_UNITS || number >= CODE_UNITS) return `${number}:${members.join()}`;
    let key = String.fromCharCode(number);
    for (const member of members) key += String.fromCharCode(member);
    return key;
  };
  const marks = new Uint32Array(nodes.length);
  let mark = 0;
  /** The state of the nodes in either list and of those that their stars lead to, less those that only serve what is settled. */
  const numberOf = (members: readonly number[], more: readonly number[], before: bigint): number => {
    const closed: number[] = [];
    let settled = before;
    mark++;
    const add = (member: number): void => {
      if (marks[member] === mark) return;
      marks[member] = mark;
      closed.push(member);
      if (settling[member] !== 0n) settled |= settling[member]!;
      const { star } = nodes[member]!;
      if (star !== undefined) add(star);
    };
    for (const member of members) add(member);
    for (const member of more) add(member);
    if ((settled & bitOf(NOT_NORMAL)) !== 0n) settled = everything;
    const open = settled === 0n ? closed : closed.filter((member) => (served[member]! & ~settled) !== 0n);
    open.sort((a, b) => a - b);
    const key = keyOf(open, settled);
    let number = numbers.get(key);
    if (number === undefined) {
      number = states.push({ members: open, settled }) - 1;
      numbers.set(key, number);
    }
    return number;
  };
  numberOf(starts, [], 0n);
  const reachedBy = (members: readonly number[]): readonly number[][] => {
    const reached = Array.from({ length: classCount }, (): number[] => []);
    for (const member of members)
      for (const edge of edges[member]!) for (const cls of edge.classes) reached[cls]!.push(edge.to);
    return reached;
  };
  let transitions = new Uint16Array(FIRST_STATES * classCount);
  const stays = new Map<string, Staying>();
  const everyClass = Array.from({ length: classCount }, (_, cls) => cls);
  const moved = everyClass.map((): number[] => []);
  for (let state = 0; state < states.length; state++) {
    if (states.length > budget) return undefined;
    const { members, settled } = states[state]!;
    const loops = members.filter((member) => nodes[member]!.loops);
    const key = keyOf(loops, settled);
    let staying = stays.get(key);
    if (staying === undefined) {
      const otherwise = numberOf(loops, [], settled);
      staying = { otherwise, reached: reachedBy(loops), next: new Int32Array(classCount).fill(-1), open: classCount };
      stays.set(key, staying);
    }
    const leaving: number[] = [];
    for (const member of members) {
      if (nodes[member]!.loops) continue;
      for (const edge of edges[member]!)
        for (const cls of edge.classes) if (moved[cls]!.push(edge.to) === 1) leaving.push(cls);
    }
    const { otherwise, reached, next } = staying;
    const row = state * classCount;
    if (row === transitions.length) transitions = doubled(transitions);
    transitions.set(next, row);
    for (const cls of staying.open > 0 ? everyClass : leaving.sort((a, b) => a - b)) {
      const targets = moved[cls]!;
      const ofLoops = reached[cls]!;
      if (targets.length > 0) {
        for (const to of ofLoops) targets.push(to);
        transitions[row + cls] = numberOf(loops, targets, settled);
        targets.length = 0;
        continue;
      }
      if (next[cls]! < 0) {
        next[cls] = ofLoops.length === 0 ? otherwise : numberOf(loops, ofLoops, settled);
        staying.open--;
      }
      transitions[row + cls] = next[cls]!;
    }
  }

  const width = Math.max(8, (tests.length + 7) & ~7);
  const rows: Uint8Array[] = [];
  const rowNumbers = new Map<bigint, number>();
  const rowOf = new Uint16Array(states.length);
  for (const [state, { members, settled }] of states.entries()) {
    let accepted = settled;
    for (const member of members) if (accepting[member] !== 0n) accepted |= accepting[member]!;
    let row = rowNumbers.get(accepted);
    if (row === undefined) {
      row = rows.push(rowBytes(tests, accepted, width)) - 1;
      rowNumbers.set(accepted, row);
    }
    rowOf[state] = row;
  }
  if (options.nulIsBlank) classes[0] = classes[32]!;
  const flat = new Uint8Array(rows.length * width);
  for (const [index, row] of rows.entries()) flat.set(row, index * width);
  return {
    stateCount: states.length,
    classCount,
    classes,
    ...sinksLast(transitions.subarray(0, states.length * classCount), rowOf),
    rowCount: rows.length,
    width,
    rows: flat,
  };
};

/** The row of truths for a string, as the emitted code finds it. */
export const runAutomaton = (automaton: Automaton, text: Uint8Array): Uint8Array => {
  let state = 0;
  for (const byte of text) state = automaton.transitions[state * automaton.classCount + automaton.classes[byte]!]!;
  const row = automaton.rowOf[state]! * automaton.width;
  return automaton.rows.subarray(row, row + automaton.width);
};

/** Tests over one field with the automaton that decides them. */
interface Built {
  readonly automaton: Automaton;
  readonly tests: readonly StringTest[];
  /** Whether the beginnings of all patterns are fixed, so that most texts are left after a few bytes. */
  readonly anchored: boolean;
}

/** Whether a pattern's beginning is fixed: such patterns form a trie, which patterns that may begin anywhere would multiply. */
const isAnchored = ({ match, text }: Pattern): boolean =>
  match === 'equals' || match === 'prefix' || (match === 'glob' && !text.startsWith('*'));

const isAnchoredTest = ({ patterns }: StringTest): boolean => patterns.every(isAnchored);

/** Whether a pattern may end before the string does, so that states have to keep in mind that it was met. */
const isKeptInMind = ({ match, text }: Pattern): boolean =>
  match === 'contains' || match === 'regex' || (match === 'glob' && /[*?[]/.test(text.slice(1)));

/** States that automata of several tests are meant to have at most: with more the tables grow faster than their number falls. */
const WANTED_STATES = 2048;

/** Bytes of a test's patterns. */
const lengthOf = ({ patterns }: StringTest): number => patterns.reduce((sum, { text }) => sum + text.length, 1);

/** About how many states tests need together: each that is kept in mind doubles them. */
const estimate = (tests: readonly StringTest[]): number => {
  const kept = tests.filter(({ patterns }) => patterns.some(isKeptInMind));
  const [all, inMind] = [tests, kept].map((some) => some.reduce((sum, test) => sum + lengthOf(test), 0));
  return 2 ** kept.length * ((all ?? 0) - (inMind ?? 0) / 2);
};

/** Splits tests into groups that need about `WANTED_STATES` each; those with short patterns, which are cheap, stand together. */
const split = (tests: readonly StringTest[]): readonly (readonly StringTest[])[] => {
  const groups: StringTest[][] = [];
  for (const test of [...tests].sort((a, b) => lengthOf(a) - lengthOf(b))) {
    const group = groups.at(-1);
    if (group !== undefined && estimate([...group, test]) <= WANTED_STATES) group.push(test);
    else groups.push([test]);
  }
  return groups;
};

interface BuiltTests {
  readonly built: readonly Built[];
  readonly refused: readonly StringTest[];
}

const together = (parts: readonly BuiltTests[]): BuiltTests => ({
  built: parts.flatMap(({ built }) => built),
  refused: parts.flatMap(({ refused }) => refused),
});

const halve = (tests: readonly StringTest[], options: AutomatonOptions): BuiltTests => {
  if (tests.length === 0) return { built: [], refused: [] };
  const automaton = buildAutomaton(tests, options);
  if (automaton !== undefined)
    return { built: [{ automaton, tests, anchored: tests.every(isAnchoredTest) }], refused: [] };
  const [only] = tests;
  if (tests.length === 1 && only !== undefined) return { built: [], refused: [only] };
  const half = Math.ceil(tests.length / 2);
  return together([halve(tests.slice(0, half), options), halve(tests.slice(half), options)]);
};

/**
 * Builds the automata of tests over one field: one for tests with a fixed beginning and one for the others, where the latter don't
 * need too many states together; if they do, those for ends share one and the rest is split into groups. Groups are split in halves
 * where the budget still asks for it. Tests that alone are too large come back in `refused`.
 */
export const buildAutomata = (tests: readonly StringTest[], options: AutomatonOptions = {}): BuiltTests => {
  const anchored = tests.filter(isAnchoredTest);
  const floating = tests.filter((test) => !isAnchoredTest(test));
  if (estimate(floating) <= SHARED_BUDGET) return together([halve(anchored, options), halve(floating, options)]);
  const forgotten = floating.filter((test) => !test.patterns.some(isKeptInMind));
  const kept = floating.filter((test) => test.patterns.some(isKeptInMind));
  return together([
    halve(anchored, options),
    halve(forgotten, options),
    ...split(kept).map((group) => halve(group, options)),
  ]);
};
