import { expect, it } from 'vitest';
import { readAuditLog } from '../../../alerts/audit/read.ts';
import { collect, SERIES } from '../../../alerts/report/collect.ts';
import { createTimeHistogram } from '../../../alerts/report/histogram.ts';
import type { ProcessNode } from '../../../alerts/report/process-tree.ts';
import { createSample } from '../../../alerts/report/sample.ts';
import { PRIORITIES } from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { alertAt, attemptAt, processOf, type StoryEntry, writeStory } from './story.ts';

const TEXTS = [
  'cat',
  'a "quoted" one',
  'back\\slash',
  ']},"kernel":"',
  ',"process":{"pid":1',
  'é\u{1f600}',
  '{"rule":"x"}',
];
const OUTCOMES = ['denied', 'killed', 'would have', 'not certain', 'suppressed: init'];

const entryFrom = (random: Random): StoryEntry => {
  const seconds = random.below(100_000);
  const pid = 2 + random.below(30);
  const text = random.pick(TEXTS);
  if (random.chance(0.25))
    return attemptAt(seconds, pid, random.pick(OUTCOMES), random.chance(0.3) ? { denied: true } : {});
  const matches = random.below(50);
  const process = processOf(pid, text, `/bin/${text}`);
  return alertAt(seconds, {
    rule: `rule ${random.below(5)} ${random.chance(0.2) ? text : ''}`,
    priority: random.pick(PRIORITIES),
    output: random.pick(TEXTS),
    tags: random.chance(0.2) ? ['a]b'] : [],
    process: { ...process, ancestors: process.ancestors.slice(random.below(4)) },
    ...(random.chance(0.3) && { verdict: 'deny' as const, enforced: random.chance(0.5) }),
    ...(random.chance(0.3) && { aggregated: { count: matches, since: '', until: '', key: {} } }),
  });
};

type Body = Readonly<Record<string, unknown>>;
const sumOf = (numbers: Iterable<number>): number => [...numbers].reduce((sum, each) => sum + each, 0);
const hitsBelow = (nodes: Iterable<ProcessNode>): number =>
  sumOf(
    [...nodes].map(
      ({ hits, children }) => sumOf([...hits.values()].map((hit) => hit.count)) + hitsBelow(children.values()),
    ),
  );
const tally = (keys: Iterable<string>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
};

it('adds up what entries say, however they are written', async () => {
  const random = createRandom(seed('report figures'));
  for (let round = 0; round < count(300); round++) {
    const folder = temporaryFolder();
    await writeStory(
      folder,
      Array.from({ length: 1 + random.below(120) }, () => entryFrom(random)),
    );
    const alerts: Body[] = [];
    const attempts: Body[] = [];
    for await (const { entry } of readAuditLog(folder)) {
      if (entry.kind === 'alert') alerts.push(entry.body as Body);
      if (entry.kind === 'enforcement') attempts.push(entry.body as Body);
    }
    const limit = 1 + random.below(60);
    const found = await collect({ folder, limit, checkFrom: random.chance(0.5) ? 1 : 10_000 });
    const matchesOf = ({ aggregated }: Body): number => (aggregated as { count: number } | undefined)?.count ?? 1;
    const keyOf = ({ priority, rule }: Body): string => `${priority} ${rule}`;
    expect([found.alerts, found.matches, found.badCount]).toEqual([alerts.length, sumOf(alerts.map(matchesOf)), 0]);
    expect(new Map(found.byPriority)).toEqual(tally(alerts.map(({ priority }) => String(priority))));
    expect(new Map(found.rules.map((each) => [keyOf({ ...each }), each.alerts]))).toEqual(tally(alerts.map(keyOf)));
    for (const each of found.rules) {
      const own = alerts.filter((alert) => keyOf(alert) === keyOf({ ...each }));
      const times = own.map(({ time }) => String(time)).sort();
      expect([each.first, each.last]).toEqual([times[0], times.at(-1)]);
      expect(each.matches).toBe(sumOf(own.map(matchesOf)));
      expect(each.denied).toBe(own.filter(({ verdict, enforced }) => verdict === 'deny' && enforced === true).length);
    }
    const isDone = ({ denied, outcome }: Body): boolean =>
      denied === true || outcome === 'denied' || outcome === 'killed';
    expect(
      new Map(found.attempts.map(({ outcome, isDone: done, count: times }) => [`${outcome} ${done}`, times])),
    ).toEqual(tally(attempts.map((body) => `${body.outcome} ${isDone(body)}`)));
    const bySeries = SERIES.map((_, series) => sumOf(found.timeline.bars.map(({ counts }) => counts[series]!)));
    expect(sumOf(bySeries.slice(0, -1))).toBe(alerts.length);
    expect(bySeries.at(-1)).toBe(attempts.filter(isDone).length);
    expect(hitsBelow(found.tree.roots.values())).toBe(alerts.length + attempts.length);
    expect(found.shown.length).toBeLessThanOrEqual(limit);
    if (limit >= alerts.length + attempts.length) expect(found.shown.length).toBe(alerts.length + attempts.length);
    expect(new Set(found.shown.map(({ seq }) => seq)).size).toBe(found.shown.length);
    expect(sumOf(found.shares.map((each) => each.of))).toBe(alerts.length + attempts.length);
  }
});

it('chooses of each group the first ones and the last, never more than the limit, all where there is room', () => {
  const random = createRandom(seed('report sample'));
  for (let round = 0; round < count(3_000); round++) {
    const limit = random.below(40);
    const items = Array.from({ length: random.below(200) }, (_, item) => ({
      item,
      group: `${random.below(1 + random.below(12))}`,
    }));
    const sample = createSample<number>(limit);
    for (const { item, group } of items) sample.offer(group, item);
    const taken = sample.take(Number);
    const chosenInAll = sumOf(taken.map(({ items: chosen }) => chosen.length));
    expect(chosenInAll).toBeLessThanOrEqual(limit);
    if (limit >= items.length) expect(chosenInAll).toBe(items.length);
    for (const { group, items: chosen, of } of taken) {
      const own = items.filter((each) => each.group === group).map(({ item }) => item);
      expect(of).toBe(own.length);
      const isPrefix = chosen.every((item, index) => item === own[index]);
      expect(
        isPrefix || (chosen.at(-1) === own.at(-1) && chosen.slice(0, -1).every((item, index) => item === own[index])),
      ).toBe(true);
    }
    if (limit >= 2 * taken.length)
      for (const { items: chosen, of } of taken) expect(chosen.length).toBeGreaterThanOrEqual(Math.min(of, 2));
  }
});

it('counts every moment in the bar of its time, in no more bars than wanted', () => {
  const random = createRandom(seed('report histogram'));
  for (let round = 0; round < count(1_000); round++) {
    const histogram = createTimeHistogram(2);
    const range = 10 ** (1 + random.below(11));
    const times = Array.from(
      { length: 1 + random.below(300) },
      () => Date.UTC(2026, 0, 1) + random.below(1000) * (range / 1000),
    );
    for (const time of times) histogram.add(time, 1, 1);
    const most = 10 + random.below(100);
    const { width, bars } = histogram.bars(most);
    expect(bars.length).toBeLessThanOrEqual(most);
    for (const { from, counts } of bars)
      expect(counts).toEqual([0, times.filter((time) => time >= from && time < from + width).length]);
    expect(sumOf(bars.map(({ counts }) => counts[1]!))).toBe(times.length);
  }
});
