import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAgeClock } from '../../../alerts/audit/clock.ts';
import { type AuditLogOptions, openAuditLog } from '../../../alerts/audit/log.ts';
import { readAuditLog } from '../../../alerts/audit/read.ts';
import { type ClosedSegment, dueForRemoval } from '../../../alerts/audit/retention.ts';
import { listSegments, segmentOf } from '../../../alerts/audit/segment.ts';
import { temporaryFolder } from '../../support/folder.ts';

const DAY = 24 * 3_600_000;
const NOW = Date.parse('2026-11-23T12:00:00Z');

/** A clock that is set by hand. */
const handClock = (at = NOW) => {
  const state = { wall: at, steady: 0 };
  return {
    sources: { wall: () => state.wall, steady: () => state.steady },
    set: (wall: number) => {
      state.wall = wall;
    },
    pass: (milliseconds: number) => {
      state.wall += milliseconds;
      state.steady += milliseconds;
    },
  };
};

describe('the clock that ages are measured by', () => {
  it('follows time', () => {
    const { sources, pass } = handClock();
    const clock = createAgeClock(sources, undefined);
    pass(40 * DAY);
    expect(clock.now()).toBe(NOW + 40 * DAY);
  });

  it('does not follow a jump forward that is taken back, and follows a jump back at once', () => {
    const { sources, pass, set } = handClock();
    const clock = createAgeClock(sources, undefined);
    set(NOW + 3_650 * DAY);
    expect(clock.now()).toBe(NOW);
    pass(DAY / 2);
    expect(clock.now()).toBe(NOW + DAY / 2);
    set(NOW + DAY / 2);
    pass(DAY);
    expect(clock.now()).toBe(NOW + 1.5 * DAY);
    set(NOW - 9 * DAY);
    expect(clock.now()).toBe(NOW - 9 * DAY);
  });

  it('believes a jump forward after a day, also one since the log was written last', () => {
    const { sources, pass } = handClock();
    const clock = createAgeClock(sources, NOW - 60 * DAY);
    expect(clock.now()).toBe(NOW - 60 * DAY);
    pass(DAY / 2);
    expect(clock.now()).toBe(NOW - 59.5 * DAY);
    pass(DAY);
    expect(clock.now()).toBe(NOW + 1.5 * DAY);
  });
});

describe('which segments go', () => {
  const LIMITS = { keepBytes: 1_000, keepMs: 30 * DAY, keepUnacknowledgedMs: 120 * DAY };
  /** Segments of ten entries and 100 bytes, by how many days ago they ended. */
  const ended = (...daysAgo: readonly (number | undefined)[]): readonly ClosedSegment[] =>
    daysAgo.map((days, index) => ({
      ...segmentOf('/log', 10 * index + 1),
      lastSeq: 10 * index + 10,
      bytes: 100,
      newest: days === undefined ? undefined : NOW - days * DAY,
    }));
  const due = (closed: readonly ClosedSegment[], open = 0, acknowledged?: number): readonly string[] =>
    dueForRemoval(closed, open, LIMITS, NOW, { acknowledged }).map(
      ({ segment, reason }) => `${segment.firstSeq} ${reason}`,
    );

  it.each([
    ['those that are too old', due(ended(50, 31, 29, 1)), ['1 age', '11 age']],
    ['the oldest of what is too much', due(ended(3, 2, 1), 850), ['1 size', '11 size']],
    ['none that servers have yet to acknowledge', due(ended(50, 31, 1), 0, 9), []],
    ['acknowledged ones', due(ended(50, 31, 1), 0, 10), ['1 age']],
    ['unacknowledged ones after all this time', due(ended(121, 31, 1), 0, 0), ['1 age']],
    ['unacknowledged ones where they are too much', due(ended(3, 2, 1), 800, 0), ['1 size']],
    ['none after one that stays', due(ended(1, 50)), []],
    ['none because a clock was set back', due(ended(1, 20_000, 0)), []],
    [
      'those that a clock put into the future, with the ones after them',
      due(ended(-3_650, 40, 1)),
      ['1 age', '11 age'],
    ],
    ['none that only have a time in the future', due(ended(-3_650, -3_649)), []],
    ['those without a time, with the ones after them', due(ended(undefined, 40, 1)), ['1 age', '11 age']],
  ])('%s', (_, found, expected) => {
    expect(found).toEqual(expected);
  });
});

const openIn = (folder: string, options: Partial<AuditLogOptions>) =>
  openAuditLog({ folder, host: 'h', upkeepEveryMs: 0, ...options });

const entriesOf = async (folder: string) => {
  const found = [];
  for await (const { entry } of readAuditLog(folder, { strict: true })) found.push(entry);
  return found;
};

it('removes what is too much behind a record of it, and reads on from there', async () => {
  const folder = temporaryFolder();
  const log = await openIn(folder, { segmentBytes: 1_000, keepBytes: 3_000 });
  log.acknowledged(3);
  for (let index = 0; index < 60; index++) {
    log.append(index % 2 === 0 ? 'alert' : 'policy', `entry ${index}`);
    await log.flush();
  }
  const first = readdirSync(folder)[0]!;
  const lines = readFileSync(join(folder, first), 'utf8').trimEnd().split('\n');
  const times = [lines[0]!, lines.at(-1)!].map((line) => JSON.parse(line).time);
  await log.upkeep();
  const { bytes } = log.state;
  expect(bytes).toBeGreaterThan(1_000);
  expect(bytes).toBeLessThanOrEqual(3_000 + 1_000);
  await log.close();
  const found = await entriesOf(folder);
  const records = found.filter(({ kind }) => kind === 'shed').map(({ body }) => body as Record<string, unknown>);
  expect(records[0]).toEqual({
    reason: 'size',
    segment: first,
    from: 1,
    to: lines.length,
    entries: lines.length,
    bytes: lines.join('\n').length + 1,
    first: times[0],
    last: times[1],
    unacknowledged: Math.ceil(lines.length / 2) - 2,
  });
  expect(records.at(-1)?.to).toBe(found[0]!.seq - 1);
  const again = await openIn(folder, { segmentBytes: 1_000, keepBytes: 3_000 });
  expect(again.openedAt).toBe(found.at(-1)!.seq);
  await again.close();
});

it('removes only what is signed, once the entry that records it is signed too', async () => {
  const folder = temporaryFolder();
  const log = await openIn(folder, { segmentBytes: 1, keepBytes: 250 });
  const append = async (index: number): Promise<void> => {
    log.append('start', index);
    await log.flush();
  };
  const firstKept = (): number => listSegments(folder)[0]!.firstSeq;
  log.sealed(2);
  for (let index = 1; index <= 5; index++) await append(index);
  await log.upkeep();
  expect([log.last, firstKept()]).toEqual([7, 1]);
  log.sealed(6);
  await log.upkeep();
  expect(firstKept()).toBe(2);
  log.sealed(undefined);
  await log.upkeep();
  expect(firstKept()).toBeGreaterThan(2);
  await log.close();
});

it('removes what is too old from a log that rests, and leaves it alone then', async () => {
  const folder = temporaryFolder();
  const clock = handClock(Date.now());
  const log = await openIn(folder, { keepMs: 30 * DAY, clocks: clock.sources });
  log.append('start', 'one');
  log.append('stop', 'two');
  await log.flush();
  const daily = async (days: number): Promise<void> => {
    for (let day = 0; day < days; day++) {
      clock.pass(DAY);
      await log.upkeep();
    }
  };
  await daily(29);
  expect(log.last).toBe(2);
  await daily(2);
  const segment = 'audit-000001.jsonl';
  const wanted = { kind: 'shed', body: { reason: 'age', segment, from: 1, to: 2, entries: 2 } };
  expect(await entriesOf(folder)).toMatchObject([wanted]);
  expect(readdirSync(folder)).toEqual(['audit-000003.jsonl', 'committed', 'lock', 'reserve']);
  await daily(100);
  expect(log.last).toBe(3);
  await log.close();
});

it('does not take a clock that jumps forward for age', async () => {
  const folder = temporaryFolder();
  const clock = handClock(Date.now());
  const log = await openIn(folder, { segmentBytes: 1, clocks: clock.sources });
  for (let index = 0; index < 5; index++) {
    log.append('start', index);
    await log.flush();
  }
  clock.set(Date.now() + 3_650 * DAY);
  await log.upkeep();
  clock.set(Date.now() - 3_650 * DAY);
  await log.upkeep();
  await log.close();
  expect((await entriesOf(folder)).map(({ body }) => body)).toEqual([0, 1, 2, 3, 4]);
});

it('passes over oldest segments that go while they are read', async () => {
  const folder = temporaryFolder();
  const log = await openIn(folder, { segmentBytes: 1 });
  for (let index = 1; index <= 6; index++) {
    log.append('start', index);
    await log.flush();
  }
  await log.close();
  const reading = readAuditLog(folder, { strict: true });
  expect((await reading.next()).value?.entry.seq).toBe(1);
  for (const seq of [1, 2, 3]) rmSync(segmentOf(folder, seq).path);
  const rest: number[] = [];
  for await (const { entry } of reading) rest.push(entry.seq);
  expect(rest).toEqual([4, 5, 6]);
});
