import { readQuoted } from './lexer.ts';
import { type Problem, problem } from './problems.ts';

/** Lists by name, their items as written in the policy: an item may be quoted, or be another list's name. */
export interface ListNames {
  readonly list: (name: string) => readonly string[] | undefined;
  readonly knownLists: () => Iterable<string>;
}

/** A mistake in a list; `item` is the index of the item it is in, `span` points into that item. */
export interface ListProblem extends Problem {
  readonly item: number;
}

interface Item {
  readonly text: string;
  readonly quoted: boolean;
  readonly problems: readonly Problem[];
}

/** Quotes around a whole item are taken off, as if the item stood in the condition. */
const readItem = (item: string): Item => {
  const first = item.charAt(0);
  if (first !== '"' && first !== "'") return { text: item, quoted: false, problems: [] };
  const { value, problems } = readQuoted(item, 0);
  if (value.span.end < item.length) return { text: item, quoted: false, problems: [] };
  return { text: value.text, quoted: true, problems };
};

interface Expansion {
  readonly names: ListNames;
  readonly values: Set<string>;
  /** Lists whose values are in already. */
  readonly done: Set<string>;
}

/** Adds a list's values; returns the names that form a cycle where there is one. */
const addList = (expansion: Expansion, name: string, path: readonly string[]): readonly string[] | undefined => {
  const start = path.indexOf(name);
  if (start >= 0) return [...path.slice(start), name];
  if (expansion.done.has(name)) return undefined;
  let cycle: readonly string[] | undefined;
  for (const raw of expansion.names.list(name) ?? []) {
    const { text, quoted } = readItem(raw);
    if (!quoted && expansion.names.list(text) !== undefined) cycle ??= addList(expansion, text, [...path, name]);
    else expansion.values.add(text);
  }
  expansion.done.add(name);
  return cycle;
};

/** The values of a named list with the lists inside it, each once, in order; `cycle` names the lists that contain one another. */
export const listValues = (
  name: string,
  names: ListNames,
): { readonly values: readonly string[]; readonly cycle: readonly string[] | undefined } => {
  const expansion: Expansion = { names, values: new Set(), done: new Set() };
  const cycle = addList(expansion, name, []);
  return { values: [...expansion.values], cycle };
};

/**
 * The values of a list's items with the lists inside it, each once, in order, and what is wrong with the items. `self` is the
 * name of the list the items belong to, so that it is found where it contains itself.
 */
export const expandList = (
  items: readonly string[],
  names: ListNames,
  self?: string,
): { readonly values: readonly string[]; readonly problems: readonly ListProblem[] } => {
  const expansion: Expansion = { names, values: new Set(), done: new Set() };
  const problems: ListProblem[] = [];
  for (const [index, raw] of items.entries()) {
    const item = readItem(raw);
    problems.push(...item.problems.map((entry) => ({ ...entry, item: index })));
    if (item.quoted || names.list(item.text) === undefined) {
      expansion.values.add(item.text);
      continue;
    }
    const cycle = addList(expansion, item.text, self === undefined ? [] : [self]);
    if (cycle === undefined) continue;
    problems.push({ ...problem('list-cycle', { start: 0, end: raw.length }, { path: cycle }), item: index });
  }
  return { values: [...expansion.values], problems };
};
