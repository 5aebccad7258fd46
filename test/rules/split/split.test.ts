import fc from 'fast-check';
import { expect, it } from 'vitest';
import { runAgent } from '../../../agent/index.ts';
import type { Alert } from '../../../alerts/index.ts';
import { createSimHost } from '../../../sensors/index.ts';
import { memoryLog } from '../../support/audit.ts';
import { count, seed } from '../../support/counts.ts';
import { policyOf, ruleOf } from '../../support/rules.ts';
import { condition } from './conditions.ts';
import { createWorld, type Step } from './history.ts';
import { type Happened, mentions, outcomes, print, type Tree } from './oracle.ts';

const RULES_A_RUN = 40;
const STEPS_A_RUN = 60;

const step: fc.Arbitrary<Step> = fc.tuple(fc.nat(999), fc.nat(999), fc.nat(999), fc.nat(999), fc.nat(999));

/** Events end with system calls; the end of a process is one for rules that ask for event types only. */
const isSeenBy = (tree: Tree, event: Happened): boolean => event.type !== 'procexit' || mentions(tree, 'evt.type');

const keyOf = (rule: string, pid: number, type: string): string => `${rule} pid ${pid} ${type}`;

/** Runs conditions over a history; says in words where alerts and expectation differ, and how many pairs were looked at. */
const compare = async (
  trees: readonly Tree[],
  steps: readonly Step[],
): Promise<{ differences: ReadonlyMap<string, string>; pairs: number; matches: number }> => {
  const host = createSimHost();
  const world = createWorld(host);
  const names = trees.map((_, index) => `rule ${index}`);
  const rules = trees.map((tree, index) => ruleOf(names[index] ?? '', print(tree)));
  let alerts: Alert[] = [];
  const differences = new Map<string, string>();
  let pairs = 0;
  let matches = 0;
  await runAgent({
    policies: [policyOf(rules)],
    host: 'sim',
    enforce: false,
    log: memoryLog().log,
    onAlert: (alert) => alerts.push(alert),
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: host.kernel,
      run: async (pump) => {
        for (const each of steps) {
          alerts = [];
          const events = world.happen(each);
          pump();
          const counts = new Map<string, number>();
          for (const event of events) {
            for (const [index, tree] of trees.entries()) {
              pairs++;
              if (!isSeenBy(tree, event) || !outcomes(tree, event).yes) continue;
              matches++;
              const key = keyOf(names[index] ?? '', event.pid, event.type);
              counts.set(key, (counts.get(key) ?? 0) + 1);
            }
          }
          for (const alert of alerts) {
            const key = keyOf(alert.rule, alert.process.pid, alert.event);
            counts.set(key, (counts.get(key) ?? 0) - 1);
          }
          for (const [key, difference] of counts) {
            if (difference === 0) continue;
            const tree = trees[names.indexOf(key.split(' pid ')[0] ?? '')];
            const happened = events.find((event) => key.endsWith(` pid ${event.pid} ${event.type}`));
            const facts = [...(happened?.facts ?? [])].filter(([field]) => tree !== undefined && mentions(tree, field));
            const shown = facts.map(([field, fact]) => `${field}: ${typeof fact === 'string' ? fact : `"${fact.is}"`}`);
            const text = tree === undefined ? '' : print(tree);
            differences.set(
              text,
              `${difference > 0 ? 'missed' : 'raised wrongly'}: ${text}\n  on ${key}, after\n  ${world.story.slice(-3).join('\n  ')}\n  ${shown.join(', ')}`,
            );
          }
        }
        return { calls: host.calls, problems: [] };
      },
    },
  });
  return { differences, pairs, matches };
};

it('raises exactly the alerts that conditions mean, whatever the kernel and user space decide of them', async () => {
  const runs = count(800);
  const start = seed('split');
  let pairs = 0;
  let matches = 0;
  const differences = new Map<string, string>();
  for (let run = 0; run < runs; run++) {
    const trees = fc.sample(condition, { seed: start + run, numRuns: RULES_A_RUN });
    const steps = fc.sample(step, { seed: start - run, numRuns: STEPS_A_RUN });
    const result = await compare(trees, steps);
    pairs += result.pairs;
    matches += result.matches;
    for (const [tree, difference] of result.differences) differences.set(tree, difference);
  }
  const shortest = [...differences].sort(([a], [b]) => a.length - b.length).map(([, difference]) => difference);
  expect(shortest.slice(0, 12).join('\n\n')).toBe('');
  expect(matches).toBeGreaterThan(pairs / 10);
  expect(matches).toBeLessThan((pairs * 9) / 10);
}, 3_600_000);
