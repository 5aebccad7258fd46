import { isItems, print, type Tree } from './language/index.ts';

/** Conditions that are a step smaller. */
export const smaller = (tree: Tree): readonly Tree[] => {
  switch (tree.kind) {
    case 'macro':
      return [];
    case 'not':
      return [tree.of, ...smaller(tree.of).map((of): Tree => ({ kind: 'not', of }))];
    case 'check': {
      const { right } = tree;
      if (!isItems(right) || right.length < 2) return [];
      return right.map((_, index) => ({ ...tree, right: right.filter((__, at) => at !== index) }));
    }
    default: {
      const without = (index: number): Tree => ({ ...tree, of: tree.of.filter((_, at) => at !== index) });
      const dropped = tree.of.length > 2 ? tree.of.map((_, index) => without(index)) : [];
      const inside = tree.of.flatMap((part, index) =>
        smaller(part).map((one): Tree => ({ ...tree, of: tree.of.map((each, at) => (at === index ? one : each)) })),
      );
      return [...tree.of, ...dropped, ...inside];
    }
  }
};

const MOST_AT_ONCE = 60;
const ROUNDS = 12;

/** The smallest condition below one that still fails; `failing` says which of some do. */
export const shrink = async (
  tree: Tree,
  failing: (trees: readonly Tree[]) => Promise<readonly Tree[]>,
): Promise<Tree> => {
  let smallest = tree;
  for (let round = 0; round < ROUNDS; round++) {
    const byLength = smaller(smallest).toSorted((a, b) => print(a).length - print(b).length);
    const [next] = await failing(byLength.slice(0, MOST_AT_ONCE));
    if (next === undefined) return smallest;
    smallest = next;
  }
  return smallest;
};
