import { describe, expect, it } from 'vitest';
import { createSequence } from '../../../rules/correlate/sequence.ts';
import { createThreshold } from '../../../rules/correlate/threshold.ts';
import { createCorrelator, type FieldSource, type FieldValue } from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';
import { createRandom } from '../../support/random.ts';
import { ruleOf } from '../../support/rules.ts';

const matchAt = (time: number, number = time) => ({ time: BigInt(time), number, event: 'connect', pid: 7 });
const stepAt = (time: number) => ({ ...matchAt(time), values: (): FieldValue => ({ state: 'absent' }) });

describe('a threshold', () => {
  it('names the last eight of the matches it came of', () => {
    const state = createThreshold({ moreThan: 9, within: 100n });
    for (let time = 1; time < 10; time++) expect(state.count('key', matchAt(time))).toBeUndefined();
    const { count: matches, from, to, events } = state.count('key', matchAt(10))!;
    expect([matches, from, to]).toEqual([10, 1n, 10n]);
    expect(events.map(({ number }) => number)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('counts up to a million', () => {
    const moreThan = count(1_000_000);
    const state = createThreshold({ moreThan, within: BigInt(moreThan) });
    for (let time = 0; time < moreThan; time++) if (state.count('key', matchAt(time)) !== undefined) expect.fail();
    expect(state.count('key', matchAt(moreThan))).toMatchObject({
      count: moreThan + 1,
      from: 0n,
      to: BigInt(moreThan),
    });
    expect(state.keys).toBe(0);
  });

  it('puts a late match in its place, and raises only for windows that were', () => {
    const random = createRandom(seed('late matches'));
    for (let left = count(20_000); left > 0; left--) {
      const [moreThan, within] = [random.between(1, 4), random.pick([5, 50])];
      const state = createThreshold({ moreThan, within: BigInt(within) });
      const open: number[] = [];
      for (let event = 0, time = 100; event < 30; event++) {
        time += random.below(8);
        const at = time - (random.chance(0.3) ? random.below(30) : 0);
        open.push(at);
        const found = state.count('key', matchAt(at));
        if (found === undefined) continue;
        const [from, to] = [Number(found.from), Number(found.to)];
        expect(to - from).toBeLessThanOrEqual(within);
        expect(open.filter((each) => each >= from && each <= to).length).toBeGreaterThan(moreThan);
        open.length = 0;
      }
    }
    const state = createThreshold({ moreThan: 2, within: 10n });
    const counted = [20, 29, 19].map((time) => state.count('key', matchAt(time)));
    expect(counted.map((each) => each && [each.from, each.to])).toEqual([undefined, undefined, [19n, 29n]]);
  });

  it('forgets keys whose time is over at no cost, and counts those it has no room for', () => {
    const state = createThreshold({ moreThan: 3, within: 100n }, { keys: 10, times: 1000 });
    for (let key = 0; key < 50; key++) state.count(`early ${key}`, matchAt(200 * key));
    expect([state.keys, state.dropped]).toEqual([1, { keys: 0, matches: 0 }]);
    for (let key = 0; key < 30; key++) {
      state.count(`key ${key}`, matchAt(20_000));
      state.count(`key ${key}`, matchAt(20_000));
    }
    expect([state.keys, state.dropped]).toEqual([10, { keys: 20, matches: 40 }]);
    expect(state.count('key 29', matchAt(20_000))).toBeUndefined();
    expect(state.count('key 29', matchAt(20_000))).toMatchObject({ count: 4 });
    expect(state.count('key 0', matchAt(20_000))).toBeUndefined();
  });

  it('keeps times of all keys together within its limit', () => {
    const state = createThreshold({ moreThan: 100, within: 1_000_000n }, { keys: 1000, times: 256 });
    for (let key = 0; key < 10; key++) for (let round = 0; round < 60; round++) state.count(`${key}`, matchAt(round));
    expect([state.keys, state.dropped]).toEqual([4, { keys: 6, matches: 360 }]);
  });
});

describe('a sequence', () => {
  it('keeps keys within its limit, and counts those it has no room for', () => {
    const state = createSequence({ steps: 2, within: 100n }, { keys: 10 });
    for (let key = 0; key < 50; key++) state.match(1, `early ${key}`, stepAt(200 * key), undefined);
    expect([state.keys, state.dropped]).toEqual([1, { keys: 0, matches: 0 }]);
    for (let key = 0; key < 30; key++) state.match(1, `key ${key}`, stepAt(20_000), undefined);
    expect([state.keys, state.dropped]).toEqual([10, { keys: 20, matches: 20 }]);
    expect(state.match(2, 'key 29', stepAt(20_000), undefined)).toHaveLength(2);
    expect(state.match(2, 'key 0', stepAt(20_000), undefined)).toBeUndefined();
  });

  it('takes no step that happened in front of the one it follows, however late it comes', () => {
    const state = createSequence({ steps: 2, within: 100n });
    state.match(1, '', stepAt(50), undefined);
    expect(state.match(2, '', stepAt(49), undefined)).toBeUndefined();
    expect(state.match(2, '', stepAt(50), undefined)).toHaveLength(2);
  });

  it('lets go of the processes it began in', () => {
    const state = createSequence({ steps: 2, within: 100n }, { keys: 4 });
    const kin = Array.from({ length: 20 }, (_, number) => ({ number, maker: undefined, gone: false, held: 0 }));
    for (const [time, each] of kin.entries()) state.match(1, 'key', stepAt(time), each);
    expect(kin.map(({ held }) => held)).toEqual([...Array(16).fill(0), 1, 1, 1, 1]);
    expect(state.match(2, 'key', stepAt(30), kin[19])).toHaveLength(2);
    expect(kin.map(({ held }) => held)).toEqual([...Array(16).fill(0), 1, 1, 1, 0]);
  });
});

describe('the key', () => {
  const position = { file: 'test.yaml', line: 1, column: 1 };
  const span = { start: 0, end: 0 };
  const by = [
    { name: 'proc.name', span },
    { name: 'fd.name', span },
  ];
  const rules = [
    ruleOf('counted', 'evt.type = connect', {
      correlation: { kind: 'threshold', moreThan: 1, within: 10n, by, position },
    }),
  ];
  const present = (value: string | bigint): FieldValue => ({ state: 'present', value, trust: 'resolved' });
  const fieldsOf =
    (name: FieldValue, file: FieldValue): FieldSource =>
    (field) =>
      field.name === 'proc.name' ? name : file;

  it.each<[string, FieldSource, FieldSource]>([
    ['texts with blanks', fieldsOf(present('a b'), present('c')), fieldsOf(present('a'), present('b c'))],
    ['texts with digits and colons', fieldsOf(present('1:a'), present('')), fieldsOf(present(''), present('1:a'))],
    ['absent', fieldsOf({ state: 'absent' }, present('a')), fieldsOf(present('absent'), present('a'))],
    ['unknown', fieldsOf({ state: 'unknown' }, present('a')), fieldsOf({ state: 'absent' }, present('a'))],
  ])('tells apart: %s', (_, one, other) => {
    const correlator = createCorrelator({ rules, parentOf: () => undefined });
    expect(correlator.correlate(0, matchAt(1), one, undefined)).toBeUndefined();
    expect(correlator.correlate(0, matchAt(2), other, undefined)).toBeUndefined();
    expect(correlator.correlate(0, matchAt(3), one, undefined)?.key.map(({ value }) => value)).toEqual([
      one(by[0]!),
      one(by[1]!),
    ]);
  });

  it('says what was forgotten since it was last asked', () => {
    const correlator = createCorrelator({ rules, parentOf: () => undefined, limits: { keys: 2, times: 100 } });
    for (let key = 0; key < 5; key++)
      correlator.correlate(0, matchAt(1), fieldsOf(present(`${key}`), present('')), undefined);
    expect(correlator.dropped()).toEqual([{ rule: 'counted', keys: 3, matches: 3 }]);
    expect(correlator.dropped()).toEqual([]);
  });
});
