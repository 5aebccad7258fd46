import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Arrival, type Arrivals, createArrivals, type Handed } from '../../../alerts/subscriber/arrivals.ts';
import { withCheckpoint } from '../../../alerts/subscriber/position.ts';
import { count, seed } from '../../support/counts.ts';

const arrival = (seq: number, previous: number | undefined, more: Partial<Arrival<number>> = {}): Arrival<number> => ({
  host: 'web-1',
  seq,
  previous,
  id: `web-1-${seq}-a`,
  time: `2026-01-01T00:00:00.${String(seq).padStart(9, '0')}Z`,
  value: seq,
  ...more,
});

const shown = (handed: readonly Handed<number>[]): readonly string[] =>
  handed.map((each) =>
    each.kind === 'gap' ? `gap ${each.gap.after}-${each.gap.upTo}` : `${each.arrival.seq}${each.late ? ' late' : ''}`,
  );

const takeAll = (arrivals: Arrivals<number>, all: readonly Arrival<number>[]): readonly string[] =>
  all.flatMap((each) => shown(arrivals.take(each)));

it('holds an alert until those before it came, or are given up', () => {
  let now = 0;
  const arrivals = createArrivals<number>(true, {}, () => now);
  expect(takeAll(arrivals, [arrival(3, 0), arrival(9, 7), arrival(12, 9), arrival(9, 7)])).toEqual(['3']);
  expect(arrivals.held).toEqual([9, 12]);
  now = 10;
  expect(takeAll(arrivals, [arrival(20, 15)])).toEqual([]);
  expect(shown(arrivals.giveUp(-1))).toEqual([]);
  expect(shown(arrivals.giveUp(5))).toEqual(['gap 3-7', '9', '12']);
  expect(takeAll(arrivals, [arrival(15, 12)])).toEqual(['15', '20']);
  expect(arrivals.missing).toEqual([{ host: 'web-1', after: 3, upTo: 7 }]);
  expect(takeAll(arrivals, [arrival(5, 3), arrival(5, 3), arrival(7, 5)])).toEqual(['5 late', '7 late']);
  expect(arrivals.missing).toEqual([]);
});

it('goes on with what was known of a host', () => {
  const arrivals = createArrivals<number>(true, {
    'web-1': { seen: [[0, 5]], last: { seq: 5, id: 'web-1-5-a', time: '2026-01-01T00:00:00.000000005Z' } },
  });
  expect(takeAll(arrivals, [arrival(3, 2), arrival(5, 3), arrival(6, 5)])).toEqual(['6']);
});

it('knows a log that began anew by the ids of its alerts, or by the time of its first', () => {
  const arrivals = createArrivals<number>(true);
  takeAll(arrivals, [arrival(2, 0), arrival(4, 2)]);
  const other = (seq: number, previous: number) => arrival(seq, previous, { id: `web-1-${seq}-b` });
  expect(takeAll(arrivals, [other(4, 3)])).toEqual(['gap 0-3', '4']);
  const state = { seen: [[0, 9]], last: { seq: 9, id: 'web-1-9-a', time: '2026-01-01T00:00:00.000000009Z' } } as const;
  const later = createArrivals<number>(true, { 'web-1': state });
  expect(takeAll(later, [arrival(3, 0, { id: 'b', time: '2026-01-02T00:00:00.000000000Z' })])).toEqual(['3']);
  expect(takeAll(createArrivals<number>(true, { 'web-1': state }), [arrival(3, 0, { id: 'b' })])).toEqual([]);
});

/** What a network of servers may do with a host's alerts: lose some, repeat some, and bring them in another order. */
const scenarios = fc
  .record({
    steps: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 40 }),
    lost: fc.array(fc.nat(39), { maxLength: 5 }),
    repeated: fc.array(fc.nat(39), { maxLength: 10 }),
    swaps: fc.array(fc.tuple(fc.nat(49), fc.nat(49)), { maxLength: 10 }),
  })
  .map(({ steps, lost, repeated, swaps }) => {
    let seq = 0;
    const sent = steps.map((step) => {
      const previous = seq;
      seq += step;
      return arrival(seq, previous);
    });
    const kept = sent.filter((_, index) => !lost.includes(index));
    const came = [...kept, ...repeated.flatMap((index) => kept[index] ?? [])];
    for (const [one, other] of swaps) {
      const [first, second] = [came[one], came[other]];
      if (first && second) [came[one], came[other]] = [second, first];
    }
    return { sent, kept, came };
  });

it('hands over each alert that came exactly once, in order where it waits, and finds exactly what did not come', () => {
  fc.assert(
    fc.property(scenarios, fc.boolean(), ({ sent, kept, came }, waits) => {
      const first = arrival(1_000, 999, { host: 'db-1' });
      const arrivals = createArrivals<number>(waits, {
        'web-1': { seen: [[0, 0]], last: { seq: 0, id: '', time: '' } },
      });
      const handed = [
        ...[...came, first].flatMap((each) => arrivals.take(each)),
        ...arrivals.giveUp(Number.POSITIVE_INFINITY),
      ];
      const seqs = handed.flatMap((each) =>
        each.kind === 'arrival' && each.arrival.host === 'web-1' ? [each.arrival.seq] : [],
      );
      const wanted = kept.map(({ seq }) => seq);
      expect([...seqs].sort((one, other) => one - other)).toEqual(wanted);
      if (!waits) return;
      expect(seqs).toEqual(wanted);
      const inGaps = sent.filter(({ seq }) => arrivals.missing.some(({ after, upTo }) => seq > after && seq <= upTo));
      const last = wanted.at(-1) ?? 0;
      expect(inGaps.map(({ seq }) => seq)).toEqual(
        sent.map(({ seq }) => seq).filter((seq) => seq < last && !wanted.includes(seq)),
      );
    }),
    { numRuns: count(20_000), seed: seed('arrivals') },
  );
});

it('keeps few checkpoints, the first and the last among them', () => {
  let checkpoints: readonly (readonly [number, string])[] = [];
  for (let sequence = 1; sequence <= 100_000; sequence++) checkpoints = withCheckpoint(checkpoints, [sequence, 'x']);
  const numbers = checkpoints.map(([sequence]) => sequence);
  expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
  expect(checkpoints.length).toBeLessThanOrEqual(48);
  expect([numbers[0], numbers.at(-1)]).toEqual([1, 100_000]);
  expect(numbers.at(-1)! - numbers.at(-3)!).toBeLessThan(200);
});
