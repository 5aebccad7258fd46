import { compileGlob, Truth } from '../language/index.ts';
import type { Pattern, StringTest } from '../plan/index.ts';

/**
 * A deterministic automaton over the bytes of a string that decides many string tests at once. Its table goes into a map:
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

/** A node of the nondeterministic automaton: a trie of tokens, so that patterns share their beginnings. */
interface Node {
  readonly loops: boolean;
  readonly edges: Map<string, { readonly bytes: ReadonlySet<number>; readonly to: number }>;
  star: number | undefined;
  /** Tests that hold when the string ends here. */
  readonly accepts: Set<number>;
}

const NOT_NORMAL = -1;
const NOT_NORMAL_PATTERNS: readonly Pattern[] = [
  { match: 'contains', text: '//', fold: false },
  { match: 'contains', text: '/./', fold: false },
  { match: 'contains', text: '/../', fold: false },
  { match: 'suffix', text: '/', fold: false },
  { match: 'suffix', text: '/.', fold: false },
  { match: 'suffix', text: '/..', fold: false },
];

const buildTrie = (tests: readonly StringTest[], options: AutomatonOptions): Node[] => {
  const make = (loops: boolean): Node => ({ loops, edges: new Map(), star: undefined, accepts: new Set() });
  const nodes = [make(false)];
  const add = (pattern: Pattern, test: number): void => {
    const tokens = tokensOf(pattern);
    if (tokens === undefined) return;
    let at = 0;
    for (const token of tokens) {
      const node = nodes[at]!;
      if (token.star) {
        if (node.loops) continue;
        node.star ??= nodes.push(make(true)) - 1;
        at = node.star;
        continue;
      }
      const key = [...token.bytes].join();
      let edge = node.edges.get(key);
      if (edge === undefined) {
        edge = { bytes: token.bytes, to: nodes.push(make(false)) - 1 };
        node.edges.set(key, edge);
      }
      at = edge.to;
    }
    nodes[at]!.accepts.add(test);
  };
  for (const [index, test] of tests.entries()) for (const pattern of test.patterns) add(pattern, index);
  if (options.normalPathsOnly) for (const pattern of NOT_NORMAL_PATTERNS) add(pattern, NOT_NORMAL);
  return nodes;
};

/** Splits the 256 bytes into classes that no edge tells apart. */
const classify = (nodes: readonly Node[]): { readonly classes: Uint8Array; readonly count: number } => {
  const sets = new Map<string, ReadonlySet<number>>();
  for (const node of nodes) for (const [key, edge] of node.edges) sets.set(key, edge.bytes);
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

const rowBytes = (tests: readonly StringTest[], accepted: ReadonlySet<number>, width: number): Uint8Array => {
  const row = new Uint8Array(width);
  for (const [index, test] of tests.entries())
    row[index] = accepted.has(NOT_NORMAL)
      ? Truth.UNKNOWN
      : accepted.has(index) !== test.negated
        ? Truth.TRUE
        : Truth.FALSE;
  return row;
};

/** Builds the automaton of some tests; undefined when it would need more states than `STATE_BUDGET`, or `SHARED_BUDGET` for several. */
export const buildAutomaton = (tests: readonly StringTest[], options: AutomatonOptions = {}): Automaton | undefined => {
  const budget = tests.length > 1 ? SHARED_BUDGET : STATE_BUDGET;
  const nodes = buildTrie(tests, options);
  const { classes, count: classCount } = classify(nodes);
  const representative = new Int16Array(classCount).fill(-1);
  for (const [byte, cls] of classes.entries()) if (representative[cls] === -1) representative[cls] = byte;
  const edges = nodes.map((node) =>
    [...node.edges.values()].map((edge) => ({
      to: edge.to,
      classes: [...new Set([...edge.bytes].map((byte) => classes[byte]!))],
    })),
  );

  const states: number[][] = [];
  const numbers = new Map<string, number>();
  const marks = new Uint32Array(nodes.length);
  let mark = 0;
  /** The state of the nodes in either list and of those that their stars lead to. */
  const numberOf = (members: readonly number[], more: readonly number[]): number => {
    const closed: number[] = [];
    mark++;
    const add = (member: number): void => {
      if (marks[member] === mark) return;
      marks[member] = mark;
      closed.push(member);
      const { star } = nodes[member]!;
      if (star !== undefined) add(star);
    };
    for (const member of members) add(member);
    for (const member of more) add(member);
    closed.sort((a, b) => a - b);
    const key = closed.join();
    let number = numbers.get(key);
    if (number === undefined) {
      number = states.push(closed) - 1;
      numbers.set(key, number);
    }
    return number;
  };
  numberOf([0], []);
  const transitions: number[] = [];
  const next = Array.from({ length: classCount }, (): number[] => []);
  for (let state = 0; state < states.length; state++) {
    if (states.length > budget) return undefined;
    const members = states[state]!;
    const loops = members.filter((member) => nodes[member]!.loops);
    for (const member of members)
      for (const edge of edges[member]!) for (const cls of edge.classes) next[cls]!.push(edge.to);
    const otherwise = numberOf(loops, []);
    for (const reached of next) {
      transitions.push(reached.length === 0 ? otherwise : numberOf(loops, reached));
      reached.length = 0;
    }
  }

  const width = Math.max(8, (tests.length + 7) & ~7);
  const rows: Uint8Array[] = [];
  const rowNumbers = new Map<string, number>();
  const rowOf = new Uint16Array(states.length);
  for (const [state, members] of states.entries()) {
    const accepted = new Set(members.flatMap((member) => [...nodes[member]!.accepts]));
    const key = [...accepted].sort((a, b) => a - b).join();
    let row = rowNumbers.get(key);
    if (row === undefined) {
      row = rows.push(rowBytes(tests, accepted, width)) - 1;
      rowNumbers.set(key, row);
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
    transitions: Uint16Array.from(transitions),
    rowOf,
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
}

/** Whether a pattern's beginning is fixed: such patterns form a trie, which patterns that may begin anywhere would multiply. */
const isAnchored = ({ match, text }: Pattern): boolean =>
  match === 'equals' || match === 'prefix' || (match === 'glob' && !text.startsWith('*'));

const halve = (tests: readonly StringTest[], options: AutomatonOptions): { built: Built[]; refused: StringTest[] } => {
  if (tests.length === 0) return { built: [], refused: [] };
  const automaton = buildAutomaton(tests, options);
  if (automaton !== undefined) return { built: [{ automaton, tests }], refused: [] };
  const [only] = tests;
  if (tests.length === 1 && only !== undefined) return { built: [], refused: [only] };
  const half = Math.ceil(tests.length / 2);
  const left = halve(tests.slice(0, half), options);
  const right = halve(tests.slice(half), options);
  return { built: [...left.built, ...right.built], refused: [...left.refused, ...right.refused] };
};

/**
 * Builds the automata of tests over one field: one for tests with a fixed beginning and one for the others, each split in halves
 * where the budget asks for it. Tests that alone are too large come back in `refused`.
 */
export const buildAutomata = (
  tests: readonly StringTest[],
  options: AutomatonOptions = {},
): { readonly built: readonly Built[]; readonly refused: readonly StringTest[] } => {
  const anchored = halve(
    tests.filter((test) => test.patterns.every(isAnchored)),
    options,
  );
  const floating = halve(
    tests.filter((test) => !test.patterns.every(isAnchored)),
    options,
  );
  return { built: [...anchored.built, ...floating.built], refused: [...anchored.refused, ...floating.refused] };
};

/** Where an automaton's parts lie in its table, in bytes from the table's start. */
export const automatonLayout = (automaton: Automaton) => {
  const transitions = 256;
  const rowOf = transitions + automaton.transitions.length * 2;
  const rows = (rowOf + automaton.rowOf.length * 2 + 7) & ~7;
  return { classes: 0, transitions, rowOf, rows, size: rows + automaton.rows.length } as const;
};

/** An automaton as the bytes of its table. */
export const automatonTable = (automaton: Automaton): Uint8Array => {
  const layout = automatonLayout(automaton);
  const table = new Uint8Array(layout.size);
  const view = new DataView(table.buffer);
  table.set(automaton.classes, layout.classes);
  for (const [index, state] of automaton.transitions.entries())
    view.setUint16(layout.transitions + index * 2, state, true);
  for (const [index, row] of automaton.rowOf.entries()) view.setUint16(layout.rowOf + index * 2, row, true);
  table.set(automaton.rows, layout.rows);
  return table;
};
