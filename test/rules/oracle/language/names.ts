import { type Item, isItems, type Tree } from './syntax.ts';

/** Lists and macros by name. */
export interface Names {
  readonly lists: ReadonlyMap<string, readonly Item[]>;
  readonly macros: ReadonlyMap<string, Tree>;
}

/** The values that items stand for, lists in lists among them. */
const expand = (items: readonly Item[], names: Names): readonly Item[] =>
  items.flatMap((item) => {
    const list = item.quoted ? undefined : names.lists.get(item.text);
    return list === undefined ? [item] : expand(list, names);
  });

/** A condition with its lists and macros in place. @throws Error for a macro that isn't there */
export const substitute = (tree: Tree, names: Names): Tree => {
  switch (tree.kind) {
    case 'macro': {
      const macro = names.macros.get(tree.name);
      if (macro === undefined) throw new Error(`there is no macro ${tree.name}`);
      return substitute(macro, names);
    }
    case 'not':
      return { kind: 'not', of: substitute(tree.of, names) };
    case 'check':
      return isItems(tree.right) ? { ...tree, right: expand(tree.right, names) } : tree;
    default:
      return { ...tree, of: tree.of.map((part) => substitute(part, names)) };
  }
};
