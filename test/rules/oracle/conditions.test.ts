import { expect, it } from 'vitest';
import { parseCondition, resolveCondition } from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';
import { createRandom } from '../../support/random.ts';
import { policyOf, ruleOf } from '../../support/rules.ts';
import { type Compared, compare } from './compare.ts';
import { describeDifference } from './describe.ts';
import { type Ingredients, randomCondition } from './generate.ts';
import { type Modifier, parse, print } from './language/index.ts';
import { happen, populate, type Step } from './steps.ts';
import { FIELD_TABLE } from './values.ts';
import type { Happened, World } from './world/index.ts';

const CONDITIONS = 10_000;
const RULES_A_RUN = 100;
const STEPS_A_RUN = 25;

const none = { list: () => undefined, macro: () => undefined, knownLists: () => [], knownMacros: () => [] };

/** Whether the compiler takes a condition. */
const isTaken = (text: string): boolean => {
  const parsed = parseCondition(text);
  const resolved = parsed.condition && resolveCondition(parsed.condition, none);
  return (
    resolved?.condition !== undefined &&
    ![...parsed.problems, ...resolved.problems].some(({ severity }) => severity === 'error')
  );
};

const EXAMPLES: Readonly<Record<string, string>> = {
  '=': 'proc.name = x',
  '!=': 'proc.name != x',
  '<': 'fd.num < 1',
  '<=': 'fd.num <= 1',
  '>': 'fd.num > 1',
  '>=': 'fd.num >= 1',
  in: 'proc.name in (x)',
  intersects: 'proc.name intersects (x)',
  exists: 'proc.name exists',
  startswith: 'proc.name startswith x',
  endswith: 'proc.name endswith x',
  contains: 'proc.name contains x',
  icontains: 'proc.name icontains x',
  glob: 'proc.name glob x',
  iglob: 'proc.name iglob x',
  pmatch: 'proc.exepath pmatch (/x)',
  regex: 'proc.name regex x',
  bcontains: 'proc.name bcontains 78',
  bstartswith: 'proc.name bstartswith 78',
};

const ingredients: Ingredients = {
  fields: FIELD_TABLE.filter(({ field }) => isTaken(`${field} exists`)),
  operators: new Set(Object.keys(EXAMPLES).filter((operator) => isTaken(EXAMPLES[operator] ?? ''))),
  modifiers: (['oneof', 'anyof', 'allof'] satisfies Modifier[]).filter((each) => isTaken(`proc.name = ${each} (x)`)),
  transformers: ['tolower', 'toupper', 'basename', 'len'].filter((each) =>
    isTaken(`${each}(proc.name) = ${each === 'len' ? '1' : 'x'}`),
  ),
};

it('raises exactly the alerts that conditions mean, whatever the kernel and user space decide of them', async () => {
  const wanted = count(CONDITIONS);
  const random = createRandom(seed('oracle conditions'));
  const seen = new Set<string>();
  let [pairs, matches, skipped, events] = [0, 0, 0, 0];
  const found = new Map<string, string>();
  while (seen.size < wanted) {
    const trees: Compared[] = [];
    while (trees.length < Math.min(RULES_A_RUN, wanted)) {
      const text = print(randomCondition(random, ingredients));
      if (seen.has(text) || text.length > 3_000) continue;
      if (!isTaken(text)) {
        found.set(text, `not taken: ${text}`);
        continue;
      }
      seen.add(text);
      trees.push({ name: `rule ${trees.length}`, tree: parse(text) });
    }
    const rules = trees.map(({ name, tree }) => ruleOf(name, print(tree)));
    const play = function* (world: World): Generator<readonly Happened[]> {
      for (let step = 0; step < STEPS_A_RUN; step++) {
        const numbers = Array.from({ length: 5 }, () => random.below(1000)) as unknown as Step;
        yield happen(world, numbers);
      }
    };
    const result = await compare({ policies: [policyOf(rules)], rules: trees, prepare: populate, play });
    pairs += result.pairs;
    matches += result.matches;
    skipped += result.skipped;
    events += result.events;
    for (const one of result.differences) found.set(print(one.rule.tree), describeDifference(one));
  }
  console.log(`${seen.size} conditions, ${events} events, ${pairs} pairs, ${matches} matches, ${skipped} skipped`);
  const shortest = [...found].sort(([a], [b]) => a.length - b.length).map(([, difference]) => difference);
  expect(shortest.slice(0, 12).join('\n\n')).toBe('');
  expect(matches).toBeGreaterThan(pairs / 10);
  expect(matches).toBeLessThan((pairs * 9) / 10);
}, 3_600_000);
