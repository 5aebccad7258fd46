import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPolicies } from '../../../../policies/index.ts';
import { casesFolder } from '../../../support/cases.ts';
import { count, seed, suiteSize } from '../../../support/counts.ts';
import { createRandom } from '../../../support/random.ts';
import { compare, expected, fieldsOf } from '../compare.ts';
import { describeDifference } from '../describe.ts';
import { checksOf, type FalcoRule, readFalcoFiles } from '../language/index.ts';
import type { Happened, World } from '../world/index.ts';
import { perform } from './perform.ts';
import { createStage } from './stage.ts';
import { canMatch, choose, type Literal } from './wishes.ts';

const EVENTS_A_RULE = suiteSize === 'quick' ? 3 : count(1_000);
/** Further events for a rule that none of its own matched. */
const MORE_EVENTS = 3_000;
const RULES = 56;

const folder = casesFolder('falco');
const paths = ['falco_rules.yaml', 'falco-incubating_rules.yaml'].map((file) => join(folder ?? '', file));

describe.skipIf(folder === undefined)("Falco's rules", () => {
  const rules = folder === undefined ? [] : readFalcoFiles(paths.map((path) => readFileSync(path, 'utf8')));
  const { policies } = folder === undefined ? { policies: [] } : loadPolicies(paths);
  const loaded = new Set(policies.flatMap((policy) => policy.rules.map(({ name }) => name)));

  it('match on events at the edges of their predicates exactly where they mean to', async () => {
    const compared = rules.filter(({ name }) => loaded.has(name));
    const random = createRandom(seed('falco'));
    const stage = createStage(compared.flatMap(({ tree }) => checksOf(tree)));
    const prepare = (world: World): void => {
      const standing = { exepath: '/opt/base', argv: ['base'], cwd: '/' };
      stage.firsts = [
        {},
        { uid: 1000 },
        { capabilities: ['CAP_CHOWN', 'CAP_BPF'] },
        { capabilities: ['CAP_CHOWN'] },
      ].map((more) => world.stand({ ...standing, ...more, isFirst: true }));
      stage.roots = { plain: world.stand(standing), terminal: world.stand({ ...standing, tty: 'pts/3' }) };
    };
    /** All that a rule asks for; or all but one of it; or what chance gives. */
    const wish = (rule: FalcoRule, all: boolean): readonly Literal[] => {
      const literals = choose(random, rule.tree);
      if (all || random.chance(0.35)) return literals;
      const turned = random.below(literals.length);
      if (random.chance(0.85))
        return literals.map((one, index) => (index === turned ? { ...one, wanted: !one.wanted } : one));
      return literals.filter(() => random.chance(0.7));
    };
    /** Each rule gets its events, and where none of them matched, more with all that it asks for until one does. */
    const play = function* (world: World): Generator<readonly Happened[]> {
      for (const rule of compared) {
        const fields = fieldsOf(rule.tree);
        let isSeen = suiteSize === 'quick' || !canMatch(rule.tree);
        for (let event = 0; event < EVENTS_A_RULE || (!isSeen && event < EVENTS_A_RULE + MORE_EVENTS); event++) {
          perform(world, stage, random, wish(rule, event >= EVENTS_A_RULE));
          const happened = world.take();
          isSeen ||= happened.some((one) => expected(rule.tree, fields, one));
          yield happened;
        }
      }
    };
    const { differences, pairs, matches, skipped, matched, events } = await compare({
      policies,
      rules: compared,
      containers: stage.containers,
      prepare,
      play,
    });
    const able = compared.filter(({ tree }) => canMatch(tree)).map(({ name }) => name);
    const unseen = able.filter((name) => !matched.has(name));
    console.log(
      `${compared.length} rules, ${events} events, ${pairs} pairs, ${matches} matches, ${skipped} skipped; ${able.length - unseen.length} of ${able.length} rules seen to match`,
    );
    const shown = new Map(
      differences.map((one) => [`${one.rule.name} ${one.kind}`, `${one.rule.name}: ${describeDifference(one)}`]),
    );
    expect([...shown.values()].slice(0, 12).join('\n\n')).toBe('');
    if (suiteSize !== 'quick') expect(unseen).toEqual([]);
  }, 3_600_000);

  it('are all compiled', () => {
    expect(rules).toHaveLength(RULES);
    expect(rules.map(({ name }) => name).filter((name) => !loaded.has(name))).toEqual([]);
  });
});
