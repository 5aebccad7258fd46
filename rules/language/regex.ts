import { type ByteAutomaton, type ByteState, byteAutomaton, MAX_NODES } from './regex-nfa.ts';
import { parseRegex, type RegexProblem } from './regex-syntax.ts';

/** A compiled regular expression, which takes whole texts only. */
export interface Regex {
  /** Whether the whole text matches, in time proportional to text times pattern at most. */
  readonly test: (text: Uint8Array) => boolean;
  readonly automaton: ByteAutomaton;
}

/** Sets of states, and edges of theirs, that a matcher keeps at most; beyond them it goes on without keeping any more. */
export const MAX_KEPT = 2000;
const MAX_KEPT_EDGES = 500_000;

interface StateSet extends ByteState {
  /** The set that each class of bytes leads to; undefined where it was not asked for yet. */
  readonly next: (StateSet | undefined)[];
}

const createMatcher = ({ start, join, bounds }: ByteAutomaton): ((text: Uint8Array) => boolean) => {
  const classes = new Uint16Array(256);
  for (let byte = 0, index = 0; byte < 256; byte++) {
    while (byte >= (bounds[index + 1] ?? 256)) index++;
    classes[byte] = index;
  }
  const kept = new Map<string, StateSet>();
  let room = MAX_KEPT_EDGES;
  /** The set with these states, and whether it is kept. */
  const setOf = (states: readonly number[]): readonly [set: StateSet, isKept: boolean] => {
    const key = states.join();
    const known = kept.get(key);
    if (known !== undefined) return [known, true];
    const made = { ...join(states), next: [] };
    const fits = kept.size < MAX_KEPT && room >= made.edges.length;
    if (fits) {
      kept.set(key, made);
      room -= made.edges.length;
    }
    return [made, fits];
  };
  const step = ({ edges }: StateSet, byte: number): readonly number[] => {
    const reached = new Set<number>();
    for (const edge of edges) if (byte >= edge.first && byte <= edge.last) reached.add(edge.to);
    return [...reached].sort((a, b) => a - b);
  };
  const [first] = setOf([start]);
  return (text) => {
    let at = first;
    for (const byte of text) {
      const cls = classes[byte] ?? 0;
      let next = at.next[cls];
      if (next === undefined) {
        const [set, isKept] = setOf(step(at, byte));
        if (isKept) at.next[cls] = set;
        next = set;
      }
      if (next.edges.length === 0 && !next.accepts) return false;
      at = next;
    }
    return at.accepts;
  };
};

/**
 * Compiles a pattern in RE2's syntax, anchored at both ends: POSIX's with classes such as `\d`, `(?i)` and lazy repetitions, which
 * match the same; `^` and `$` are those of lines. What is wrong comes with its place in the pattern.
 */
export const compileRegex = (pattern: string): { readonly regex: Regex } | { readonly problem: RegexProblem } => {
  const parsed = parseRegex(pattern);
  if ('problem' in parsed) return parsed;
  const automaton = byteAutomaton(parsed.node);
  if (automaton === undefined)
    return { problem: { at: 0, reason: `it needs more than ${MAX_NODES} states; make its repetitions smaller` } };
  return { regex: { test: createMatcher(automaton), automaton } };
};

const compiled = new Map<string, Regex | undefined>();

/** Patterns kept compiled at most. */
const MAX_COMPILED = 1000;

/** The regular expression of a pattern, compiled once; undefined where the pattern is wrong. */
export const regexOf = (pattern: string): Regex | undefined => {
  if (compiled.has(pattern)) return compiled.get(pattern);
  const found = compileRegex(pattern);
  const regex = 'regex' in found ? found.regex : undefined;
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  compiled.set(pattern, regex);
  return regex;
};
