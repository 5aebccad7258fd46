import { expect, it } from 'vitest';
import { runAgent } from '../../../agent/index.ts';
import type { Alert } from '../../../alerts/index.ts';
import { compile, type Rule } from '../../../rules/index.ts';
import { createSimHost, POLICY_MEMORY } from '../../../sensors/index.ts';
import { memoryLog } from '../../support/audit.ts';
import { count, seed } from '../../support/counts.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { policyOf, ruleOf } from '../../support/rules.ts';
import { type Compared, fieldsOf } from './compare.ts';
import { type Ingredients, randomTree } from './generate.ts';
import { ingredients } from './ingredients.ts';
import { isCertain, outcomes, parse, print } from './language/index.ts';
import { happen, PATHS, populate, type Step } from './steps.ts';
import { createWorld, type Happened } from './world/index.ts';

const RULES = 2_000;
const RULES_A_RUN = 100;
const STEPS_A_RUN = 80;

/** What a hook before the effect knows, by what happens there. */
const PROCESS = /^(proc\.(name|exe|exepath|args|cmdline|pname|aname|pexe|pexepath)|user\.uid|group\.gid)/;
const KINDS = [
  {
    action: 'deny',
    types: 'open, openat, openat2',
    fields: /^(fd\.(name|directory|filename|typechar|type)|evt\.is_open_(read|write))$/,
    isSeen: ({ type, facts }: Happened) => ['open', 'openat', 'openat2'].includes(type) && hasSucceeded(facts),
  },
  {
    action: 'deny',
    types: 'connect',
    fields: /^fd\.([sr](ip|net|port)|typechar|type)$/,
    isSeen: ({ type, facts }: Happened) => type === 'connect' && facts.has('fd.sip'),
  },
  {
    action: 'kill',
    types: 'execve, execveat',
    fields: /^never$/,
    isSeen: ({ type, facts }: Happened) => type === 'execve' && hasSucceeded(facts),
  },
] as const;

const hasSucceeded = (facts: Happened['facts']): boolean => {
  const fact = facts.get('evt.failed');
  return typeof fact === 'object' && fact.is === false;
};

interface Enforcing extends Compared {
  readonly rule: Rule;
  readonly isSeen: (event: Happened) => boolean;
}

const enforcingRule = (random: Random, name: string): Enforcing => {
  const kind = random.pick(KINDS);
  const own: Ingredients = {
    ...ingredients,
    transformers: [],
    fields: ingredients.fields.filter(({ field }) => PROCESS.test(field) || kind.fields.test(field)),
  };
  const text = `evt.type in (${kind.types}) and ${print(randomTree(random, own, random.between(1, 4)))}`;
  const place = { file: name, line: 1, column: 1 };
  const rule = ruleOf(name, text, { action: kind.action, position: place, conditionAt: () => place });
  return { name, tree: parse(text), rule, isSeen: kind.isSeen };
};

/** The rules that can be decided where they have to act. */
const decidable = (rules: readonly Enforcing[]): readonly Enforcing[] => {
  const { diagnostics } = compile(
    rules.map(({ rule }) => rule),
    { level: '6.12' },
  );
  const refused = new Set(diagnostics.filter(({ severity }) => severity === 'error').map(({ file }) => file));
  return rules.filter(({ name }) => !refused.has(name));
};

/** What of a run's alerts is not as the conditions mean: alerts where they may be true, verdicts where they are certain. */
const run = async (
  rules: readonly Enforcing[],
  steps: readonly Step[],
): Promise<{ found: string[]; pairs: number; certain: number; open: number }> => {
  const host = createSimHost({ memory: POLICY_MEMORY });
  const world = createWorld(host);
  populate(world);
  let alerts: Alert[] = [];
  const found: string[] = [];
  let [pairs, certain, open] = [0, 0, 0];
  const look = (events: readonly Happened[]): void => {
    for (const { name, tree, isSeen } of rules) {
      const seen = events.filter(isSeen);
      const [event] = seen;
      const fields = fieldsOf(tree);
      if (event === undefined || seen.length > 1 || [...fields].some((field) => event.facts.get(field) === 'untold'))
        continue;
      pairs++;
      const mine = alerts.filter((alert) => alert.rule === name);
      const [mayBe, mustBe] = [outcomes(tree, event.facts).yes, isCertain(tree, event.facts)];
      const acts = mine.some(({ verdict }) => verdict !== 'allow');
      if (mustBe) certain++;
      else if (mayBe) open++;
      if (mine.length > 0 === mayBe && acts === mustBe) continue;
      const facts = [...event.facts].filter(([field]) => fields.has(field));
      const shown = facts.map(([field, fact]) => `${field}: ${typeof fact === 'string' ? fact : `"${fact.is}"`}`);
      const wanted = `possible ${mayBe}, certain ${mustBe}; it was raised ${mine.length} times, and acts: ${acts}`;
      found.push(`${print(tree)}\n  ${wanted}\n  after ${world.story.at(-1)}\n  ${shown.join(', ')}`);
    }
  };
  await runAgent({
    policies: [policyOf(rules.map(({ rule }) => rule))],
    host: 'sim',
    enforce: false,
    log: memoryLog().log,
    onAlert: (alert) => alerts.push(alert),
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: host.kernel,
      run: async (pump) => {
        for (const step of steps) {
          const events = happen(world, step);
          pump();
          look(events);
          alerts = [];
        }
        return { calls: host.calls, problems: [] };
      },
    },
  });
  return { found, pairs, certain, open };
};

it('acts exactly where a condition is true whatever the unknown may be, and absent is no ground for a negation', async () => {
  const wanted = count(RULES);
  const random = createRandom(seed('oracle certain'));
  const found: string[] = [];
  let [made, pairs, certain, open] = [0, 0, 0, 0];
  while (made < wanted) {
    const number = Math.min(RULES_A_RUN, wanted);
    const rules = decidable(Array.from({ length: number }, (_, index) => enforcingRule(random, `rule ${index}`)));
    made += rules.length;
    const steps = Array.from(
      { length: STEPS_A_RUN },
      () => [0, 0, 0, 0, 0].map(() => random.below(1000)) as unknown as Step,
    );
    const result = await run(rules, steps);
    found.push(...result.found);
    pairs += result.pairs;
    certain += result.certain;
    open += result.open;
  }
  console.log(`${made} rules, ${pairs} pairs, ${certain} certain, ${open} only possible`);
  expect(
    found
      .toSorted((a, b) => a.length - b.length)
      .slice(0, 8)
      .join('\n\n'),
  ).toBe('');
  expect(certain).toBeGreaterThan(0);
  expect(open).toBeGreaterThan(0);
}, 3_600_000);

it('knows the root folder and its parts before it is opened', async () => {
  const isSeen = KINDS[0].isSeen;
  const rules = ['fd.name = /', 'not fd.name = /w', 'fd.directory = /', 'fd.filename = ""', 'not fd.filename = x'].map(
    (text, index): Enforcing => {
      const condition = `evt.type in (open, openat, openat2) and ${text}`;
      const rule = ruleOf(`rule ${index}`, condition, { action: 'deny' });
      return { name: rule.name, tree: parse(condition), rule, isSeen };
    },
  );
  const root = PATHS.indexOf('/');
  const result = await run(rules, [[0, 0, root, 0, 0]]);
  expect(result.found.join('\n\n')).toBe('');
  expect(result.certain).toBe(rules.length);
});
