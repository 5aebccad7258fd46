import { stringify } from 'yaml';
import type { Random } from '../../support/random.ts';
import { type Ingredients, randomCondition, randomItems } from './generate.ts';
import { type Item, type Names, print, type Tree } from './language/index.ts';

const LISTS = 8;
const MACROS = 6;

/** An item as a list has it: what isn't bare text is quoted within it. */
const written = ({ text, quoted }: Item): string => (quoted ? `"${text.replace(/["\\]/g, '\\$&')}"` : text);

/** Lists and macros for conditions to use; a list may have another in it, a macro another one. */
export const randomNames = (random: Random, ingredients: Ingredients): Names => {
  const lists = new Map<string, readonly Item[]>();
  for (let number = 0; number < LISTS; number++) {
    const inner = random.chance(0.3) && number > 1 ? [{ text: `list_${random.below(number)}`, quoted: false }] : [];
    lists.set(`list_${number}`, [...randomItems(random, ingredients), ...inner]);
  }
  const macros = new Map<string, Tree>();
  for (let number = 0; number < MACROS; number++)
    macros.set(
      `macro_${number}`,
      randomCondition(random, { ...ingredients, names: { lists, macros: new Map(macros) } }),
    );
  return { lists, macros };
};

/** A rules file of these conditions, each a rule. */
export const policyText = (names: Names, rules: readonly { readonly name: string; readonly tree: Tree }[]): string =>
  stringify([
    ...[...names.lists].map(([list, items]) => ({ list, items: items.map(written) })),
    ...[...names.macros].map(([macro, tree]) => ({ macro, condition: print(tree) })),
    ...rules.map(({ name, tree }) => ({
      rule: name,
      desc: 'made by chance',
      condition: print(tree),
      output: '%proc.name',
      priority: 'NOTICE',
    })),
  ]);
