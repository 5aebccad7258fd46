import { expect, it } from 'vitest';
import { loadPolicyText } from '../../../policies/index.ts';
import { count, seed, suiteSize } from '../../support/counts.ts';
import { createRandom } from '../../support/random.ts';
import { type Comparison, compare } from './compare.ts';
import { describeDifference } from './describe.ts';
import { randomCondition } from './generate.ts';
import { ingredients } from './ingredients.ts';
import { type Names, print, readFalcoFiles, substitute, type Tree } from './language/index.ts';
import { policyText, randomNames } from './policy-text.ts';
import { shrink } from './shrink.ts';
import { happen, populate, type Step } from './steps.ts';
import type { Happened, World } from './world/index.ts';

const CONDITIONS = 10_000;
const RULES_A_RUN = 100;
const STEPS_A_RUN = suiteSize === 'quick' ? 15 : 25;
const LONGEST = 3_000;
const NO_NAMES: Names = { lists: new Map(), macros: new Map() };

interface Result extends Comparison {
  /** Rules that the compiler did not take, with why. */
  readonly refused: readonly string[];
}

/** Writes conditions to a rules file, which both sides read, and compares them over some steps. */
const compareText = async (names: Names, trees: readonly Tree[], steps: readonly Step[]): Promise<Result> => {
  const text = policyText(
    names,
    trees.map((tree, index) => ({ name: `rule ${index}`, tree })),
  );
  const { policies, diagnostics } = loadPolicyText('oracle.yaml', text);
  const loaded = new Set(policies.flatMap((policy) => policy.rules.map(({ name }) => name)));
  const rules = readFalcoFiles([text]);
  const play = function* (world: World): Generator<readonly Happened[]> {
    for (const step of steps) yield happen(world, step);
  };
  const compared = rules.filter(({ name }) => loaded.has(name));
  const comparison = await compare({ policies, rules: compared, prepare: populate, play });
  const errors = diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message);
  const refused = rules
    .filter(({ name }) => !loaded.has(name))
    .map(({ tree }) => `not taken: ${print(tree)}\n  ${errors.join('\n  ')}`);
  return { ...comparison, refused };
};

it('raises exactly the alerts that conditions mean, whatever the kernel and user space decide of them', async () => {
  const wanted = count(CONDITIONS);
  const random = createRandom(seed('oracle conditions'));
  const seen = new Set<string>();
  let [pairs, matches, skipped, events] = [0, 0, 0, 0];
  const found = new Map<string, string>();
  while (seen.size < wanted) {
    const names = randomNames(random, ingredients);
    const trees: Tree[] = [];
    while (trees.length < Math.min(RULES_A_RUN, wanted)) {
      const tree = randomCondition(random, { ...ingredients, names });
      const text = print(substitute(tree, names));
      if (seen.has(text) || text.length > LONGEST) continue;
      seen.add(text);
      trees.push(tree);
    }
    const numbers = (): Step => [0, 0, 0, 0, 0].map(() => random.below(1000)) as unknown as Step;
    const steps = Array.from({ length: STEPS_A_RUN }, numbers);
    const result = await compareText(names, trees, steps);
    pairs += result.pairs;
    matches += result.matches;
    skipped += result.skipped;
    events += result.events;
    for (const refused of result.refused) found.set(refused, refused);
    const [first] = result.differences.toSorted((a, b) => print(a.rule.tree).length - print(b.rule.tree).length);
    if (first === undefined || found.size > 8) continue;
    const smallest = await shrink(first.rule.tree, async (smaller) => {
      const { differences } = await compareText(NO_NAMES, smaller, steps);
      return smaller.filter((_, index) => differences.some(({ rule }) => rule.name === `rule ${index}`));
    });
    const { differences } = await compareText(NO_NAMES, [smallest], steps);
    found.set(print(smallest), describeDifference(differences[0] ?? first));
  }
  console.log(`${seen.size} conditions, ${events} events, ${pairs} pairs, ${matches} matches, ${skipped} skipped`);
  const shortest = [...found].sort(([a], [b]) => a.length - b.length).map(([, difference]) => difference);
  expect(shortest.slice(0, 8).join('\n\n')).toBe('');
  expect(matches).toBeGreaterThan(pairs / 10);
  expect(matches).toBeLessThan((pairs * 9) / 10);
}, 3_600_000);

it('is about every field, operator, modifier and transformer of the table', () => {
  expect(ingredients.missing).toEqual([]);
});
