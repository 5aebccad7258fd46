import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPolicies } from '../../../../policies/index.ts';
import { casesFolder } from '../../../support/cases.ts';
import { count, seed, suiteSize } from '../../../support/counts.ts';
import { createRandom } from '../../../support/random.ts';
import { compare } from '../compare.ts';
import { describeDifference } from '../describe.ts';
import { checksOf, type FalcoRule, readFalcoFiles } from '../language/index.ts';
import type { Happened, World } from '../world/index.ts';
import { perform } from './perform.ts';
import { createStage } from './stage.ts';
import { canMatch, choose, type Literal } from './wishes.ts';

const EVENTS_A_RULE = suiteSize === 'quick' ? 3 : count(1_000);
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
    const wish = (rule: FalcoRule): readonly Literal[] => {
      const literals = choose(random, rule.tree);
      if (random.chance(0.35)) return literals;
      const turned = random.below(literals.length);
      if (random.chance(0.85))
        return literals.map((one, index) => (index === turned ? { ...one, wanted: !one.wanted } : one));
      return literals.filter(() => random.chance(0.7));
    };
    const play = function* (world: World): Generator<readonly Happened[]> {
      for (const rule of compared)
        for (let event = EVENTS_A_RULE; event > 0; event--) {
          perform(world, stage, random, wish(rule));
          yield world.take();
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
