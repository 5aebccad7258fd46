import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createNoise, keyOf, type Noise } from '../../../agent/noise/index.ts';
import { isoTime, parseAlert, type Unnumbered } from '../../../alerts/index.ts';
import type { FieldSource, Rule } from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';
import { ruleOf } from '../../support/rules.ts';

const SECOND = 1_000_000_000n;
const BY = [{ name: 'fd.name', span: { start: 0, end: 0 } }];

/** A match as a test gives it: which rule, which file, and nanoseconds since the one before. */
interface Match {
  readonly rule: number;
  readonly file: number;
  readonly after: bigint;
}

/** An alert as it was told, and when. */
interface Told {
  readonly alert: Unnumbered;
  readonly now: bigint;
}

const alertOf = (rule: Rule, file: string, time: bigint): Unnumbered => ({
  v: 1,
  id: '',
  seq: 0,
  time: isoTime(time),
  host: 'h',
  policy: rule.policy,
  policyHash: '',
  rule: rule.name,
  priority: rule.priority,
  tags: [],
  hook: 'tp_btf/sys_exit',
  event: 'openat',
  output: `opened ${file}`,
  fields: { 'fd.name': file },
  trust: {},
  process: { pid: 1, start: 0, exe: null, cmdline: null, uid: 0, ancestors: [] },
  kernel: 'sim',
});

/** Noise as an agent has it, with a log that may refuse; times since boot are those since 1970. */
const createRun = (options: { stormLimit?: number; maxKeys?: number; refuses?: () => boolean } = {}) => {
  const told: Told[] = [];
  let seq = 0;
  const noise: Noise = createNoise({
    ...options,
    wallTime: (time) => time,
    tell: (alert) => {
      if (options.refuses?.() === true) throw new Error('the disk is full');
      seq++;
      alert.id = `h-${seq}`;
      alert.seq = seq;
      told.push({ alert, now: noise.now });
    },
  });
  const match = (rule: Rule, file: string, time: bigint): 'counted' | 'raised' | 'refused' => {
    noise.advance(time);
    const its = noise.of(rule);
    const fields: FieldSource = () => ({ state: 'present', value: file, trust: 'resolved' });
    const key = keyOf(rule, fields);
    if (its?.counts(key) === true) {
      its.count(key, time, noise.now);
      return 'counted';
    }
    try {
      its?.raise(alertOf(rule, file, time), key, time, noise.now);
    } catch {
      return 'refused';
    }
    return 'raised';
  };
  return { noise, told, match };
};

const countOf = ({ alert: { aggregated } }: Told): number => aggregated?.count ?? 1;
const total = (told: readonly Told[]): number => told.reduce((sum, each) => sum + countOf(each), 0);

/** What alerts say, in a line each: outputs have how many and how long. */
const lines = (told: readonly Told[]): readonly string[] => told.map(({ alert: { output } }) => output);

const within = (seconds: number) => ({ aggregate: { by: BY, within: BigInt(seconds) * SECOND } });

describe('a rule with aggregate', () => {
  it('raises the first match of a key at once, and counts those that follow it within the time', () => {
    const rule = ruleOf('opened', 'evt.type = openat', within(60));
    const { noise, told, match } = createRun();
    const times = [0n, 1n, 59n].map((seconds) => 1000n * SECOND + seconds * SECOND);
    expect(times.map((time) => match(rule, '/a', time))).toEqual(['raised', 'counted', 'counted']);
    expect(match(rule, '/b', 1059n * SECOND)).toBe('raised');
    noise.advance(1060n * SECOND - 1n);
    expect(lines(told)).toEqual(['opened /a', 'opened /b']);
    noise.advance(1060n * SECOND);
    expect(lines(told)).toEqual(['opened /a', 'opened /b', 'opened /a (×2 in 58 s)']);
    expect(told[2]?.alert).toEqual({
      ...alertOf(rule, '/a', 1059n * SECOND),
      id: 'h-3',
      seq: 3,
      output: 'opened /a (×2 in 58 s)',
      aggregated: {
        count: 2,
        since: '1970-01-01T00:16:41.000000000Z',
        until: '1970-01-01T00:17:39.000000000Z',
        key: { 'fd.name': '/a' },
        first: 'h-1',
      },
    });
    expect(parseAlert(JSON.stringify(told[2]?.alert))).toEqual({ alert: told[2]?.alert });
    expect(match(rule, '/a', 1060n * SECOND)).toBe('raised');
  });

  it('says nothing more of a key that came once', () => {
    const { noise, told, match } = createRun();
    match(ruleOf('opened', 'evt.type = openat', within(1)), '/a', 5n);
    noise.advance(100n * SECOND);
    noise.end();
    expect(lines(told)).toEqual(['opened /a']);
  });

  it('tells early where there is no room, where the rule is changed, and at the end', () => {
    const rule = ruleOf('opened', 'evt.type = openat', within(60));
    const { noise, told, match } = createRun({ maxKeys: 2 });
    for (const file of ['/a', '/a', '/b', '/c', '/c']) match(rule, file, SECOND);
    const other = ruleOf('read', 'evt.type = read', within(60));
    noise.keep([other]);
    for (const file of ['/d', '/d']) match(other, file, 2n * SECOND);
    noise.end();
    expect(lines(told)).toEqual([
      'opened /a',
      'opened /b',
      'opened /c',
      'opened /a (×1 in 0 ms; counting ended early for want of room)',
      'opened /c (×1 in 0 ms; counting ended with a change of policies)',
      'opened /d',
      'opened /d (×1 in 0 ms; counting ended with the agent)',
    ]);
  });

  it('is not looked at where the rule denies or kills', () => {
    const { noise } = createRun({ stormLimit: 1 });
    expect(noise.of(ruleOf('denied', 'evt.type = openat', { ...within(60), action: 'deny' }))).toBeUndefined();
    expect(noise.of(ruleOf('killed', 'evt.type = openat', { ...within(60), action: 'kill' }))).toBeUndefined();
  });
});

describe('a storm', () => {
  const rule = ruleOf('opened', 'evt.type = openat');

  it('is told of at once, after 10 s and twice as long each time, and when it is over', () => {
    const { noise, told, match } = createRun({ stormLimit: 4 });
    for (let tenth = 0; tenth < 500; tenth++) match(rule, `/${tenth}`, 1000n * SECOND + (BigInt(tenth) * SECOND) / 10n);
    noise.advance(1059n * SECOND);
    expect(told.map(({ alert: { time, output } }) => `${time.slice(14, 21)} ${output}`)).toEqual([
      '16:40.0 opened /0',
      '16:40.1 opened /1',
      '16:40.2 opened /2',
      '16:40.3 opened /3',
      '16:40.4 opened /4',
      '16:40.5 opened /5',
      '16:40.6 opened /6 (storm: more than 4 alerts a second; from here on matches are counted)',
      '16:50.5 opened /6 (storm goes on: ×99 in 9 s, 100 in all)',
      '17:10.5 opened /6 (storm goes on: ×200 in 19 s, 300 in all)',
    ]);
    noise.advance(1060n * SECOND);
    expect(lines(told).at(-1)).toBe('opened /6 (storm over: ×194 in 19 s, 494 in all)');
    expect(total(told)).toBe(500);
    expect(match(rule, '/again', 1061n * SECOND)).toBe('raised');
    for (const { alert } of told) expect(parseAlert(JSON.stringify(alert))).toEqual({ alert });
  });

  it('takes ten times as much of a critical rule', () => {
    const critical = ruleOf('critical', 'evt.type = openat', { priority: 'critical' });
    const { told, match } = createRun({ stormLimit: 2 });
    for (let index = 0; index < 30; index++) match(critical, `/${index}`, SECOND);
    expect(told.length).toBe(21);
    expect(told.at(-1)?.alert.aggregated?.storm).toEqual({ phase: 'begins', total: 1, limit: 20 });
  });

  it('says what is counted and not told, so that a crash forgets no more than what came since', () => {
    const { noise, match } = createRun({ stormLimit: 1 });
    match(rule, '/a', SECOND);
    match(rule, '/b', SECOND);
    expect(noise.untold()).toEqual([]);
    for (let index = 0; index < 5; index++) match(rule, '/c', 2n * SECOND);
    expect(noise.untold()).toEqual([{ policy: 'test', rule: 'opened', aggregated: 5 }]);
    expect(noise.untold()).toEqual([]);
    match(rule, '/c', 2n * SECOND);
    expect(noise.untold()).toEqual([{ policy: 'test', rule: 'opened', aggregated: 6 }]);
    noise.end();
    expect(noise.untold()).toEqual([]);
  });
});

const rules = (aggregated: boolean): readonly Rule[] =>
  [1, 5, 60].map((seconds) =>
    ruleOf(`${aggregated ? 'windows' : 'storms'} ${seconds}`, 'evt.type = openat', aggregated ? within(seconds) : {}),
  );

const streams = (rulesThere: number) =>
  fc.array(
    fc.record({
      rule: fc.nat({ max: rulesThere - 1 }),
      file: fc.nat({ max: 4 }),
      after: fc.oneof(
        { weight: 6, arbitrary: fc.bigInt({ min: 0n, max: SECOND / 4n }) },
        { weight: 2, arbitrary: fc.constantFrom(0n, SECOND, 5n * SECOND, 60n * SECOND) },
        { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 100n * SECOND }) },
      ),
    }),
    { maxLength: 120 },
  );

/** What windows come to, looked at one key at a time: time of the last match and count of each of its alerts. */
const windowsOf = (times: readonly bigint[], length: bigint): readonly string[] => {
  const found: string[] = [];
  for (let first = 0; first < times.length; ) {
    const opened = times[first] ?? 0n;
    const inside = times.slice(first + 1).filter((time) => time < opened + length);
    found.push(`${isoTime(opened)} 1`);
    const last = inside.at(-1);
    if (last !== undefined) found.push(`${isoTime(last)} ${inside.length}`);
    first += 1 + inside.length;
  }
  return found;
};

/** What storms come to, from a level of water that drains: phase and count of each alert of one rule. */
const stormsOf = (times: readonly bigint[], limit: bigint): readonly string[] => {
  const found: string[] = [];
  const drop = SECOND / limit;
  let level = 0n;
  let last = 0n;
  let storm: { count: number; beyond: bigint; next: bigint; pause: bigint } | undefined;
  const fits = (time: bigint): boolean => {
    level = level > time - last ? level - (time - last) : 0n;
    last = time;
    if (level > drop * (limit - 1n)) return false;
    level += drop;
    return true;
  };
  const pass = (time: bigint): void => {
    while (storm !== undefined) {
      const over = storm.beyond + 10n * SECOND;
      if (over <= storm.next && over <= time) {
        found.push(`over ${storm.count}`);
        storm = undefined;
      } else if (storm.next < over && storm.next <= time) {
        if (storm.count > 0) found.push(`goes on ${storm.count}`);
        storm.count = 0;
        storm.pause *= 2n;
        storm.next += storm.pause;
      } else return;
    }
  };
  for (const time of times) {
    pass(time);
    const isAdmitted = fits(time);
    if (storm !== undefined) {
      storm.count++;
      if (!isAdmitted) storm.beyond = time;
    } else if (isAdmitted) found.push('alone 1');
    else {
      found.push('begins 1');
      storm = { count: 0, beyond: time, next: time + 10n * SECOND, pause: 10n * SECOND };
    }
  }
  pass((times.at(-1) ?? 0n) + 10_000n * SECOND);
  return found;
};

/** Plays matches; `between` is called in front of each with the time before and its own. */
const play = (
  run: ReturnType<typeof createRun>,
  its: readonly Rule[],
  stream: readonly Match[],
  between: (before: bigint, time: bigint) => void = () => undefined,
) => {
  let time = 1000n * SECOND;
  const played = stream.flatMap(({ rule: index, file: number, after }) => {
    const rule = its[index];
    if (rule === undefined) return [];
    between(time, time + after);
    time += after;
    const file = `/${number}`;
    return { rule, file, time, came: run.match(rule, file, time) };
  });
  run.noise.advance(time + 10_000n * SECOND);
  return played;
};

describe('random matches', () => {
  it('in windows come to what a plain model says, key by key, whenever it is looked at', () => {
    fc.assert(
      fc.property(streams(3), fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 9 }), (stream, looks) => {
        const its = rules(true);
        const run = createRun();
        const played = play(run, its, stream);
        for (const rule of its) {
          for (const file of ['/0', '/1', '/2', '/3', '/4']) {
            const told = run.told.filter(({ alert }) => alert.rule === rule.name && alert.fields['fd.name'] === file);
            const times = played.filter((each) => each.rule === rule && each.file === file).map(({ time }) => time);
            expect(told.map((each) => `${each.alert.time} ${countOf(each)}`)).toEqual(
              windowsOf(times, rule.aggregate?.within ?? 0n),
            );
          }
        }
        for (const { alert, now } of run.told) {
          const first = run.told.find(({ alert: { id } }) => id === alert.aggregated?.first);
          const length = its.find(({ name }) => name === alert.rule)?.aggregate?.within ?? 0n;
          if (first !== undefined) expect(now - first.now).toBeGreaterThanOrEqual(length);
        }
        const again = createRun();
        let turn = 0;
        play(again, its, stream, (before, time) => {
          const share = BigInt(looks[turn++ % looks.length] ?? 0);
          again.noise.advance(before + ((time - before) * share) / 10n);
        });
        expect(again.told.map(({ alert }) => alert)).toEqual(run.told.map(({ alert }) => alert));
      }),
      { numRuns: count(10_000), seed: seed('noise in windows') },
    );
  });

  it('in storms come to what a plain model says', () => {
    fc.assert(
      fc.property(streams(3), fc.constantFrom(1, 2, 4), (stream, limit) => {
        const its = rules(false);
        const run = createRun({ stormLimit: limit });
        const played = play(run, its, stream);
        for (const rule of its) {
          const told = run.told.filter(({ alert }) => alert.rule === rule.name);
          const times = played.filter((each) => each.rule === rule).map(({ time }) => time);
          expect(told.map((each) => `${each.alert.aggregated?.storm?.phase ?? 'alone'} ${countOf(each)}`)).toEqual(
            stormsOf(times, BigInt(limit)),
          );
          expect(total(told)).toBe(times.length);
        }
      }),
      { numRuns: count(10_000), seed: seed('noise in storms') },
    );
  });

  it('are counted exactly through storms, evictions, changes of rules and a log that refuses', () => {
    fc.assert(
      fc.property(
        streams(6),
        fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 20 }),
        fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 20 }),
        fc.constantFrom(undefined, 1, 3),
        fc.nat({ max: 4 }),
        (stream, reloads, refusals, stormLimit, room) => {
          let turn = 0;
          let isOver = false;
          const refuses = (): boolean => !isOver && refusals[turn++ % refusals.length] === 0;
          const run = createRun({ ...(stormLimit && { stormLimit }), maxKeys: room + 1, refuses });
          const its = [...rules(true), ...(stormLimit === undefined ? [] : rules(false))];
          let step = 0;
          const played = play(run, its, stream, () => {
            if (reloads[step++ % reloads.length] !== 0) return;
            try {
              run.noise.keep(its.slice(1));
            } catch (error) {
              expect(error).toEqual(new Error('the disk is full'));
            }
          });
          isOver = true;
          run.noise.end();
          for (const rule of its) {
            const matched = played.filter((each) => each.rule === rule && each.came !== 'refused').length;
            expect(total(run.told.filter(({ alert }) => alert.rule === rule.name))).toBe(matched);
          }
          expect(run.noise.untold()).toEqual([]);
          expect(run.told.map(({ alert: { seq } }) => seq)).toEqual(run.told.map((_, index) => index + 1));
        },
      ),
      { numRuns: count(10_000), seed: seed('noise that is cut short') },
    );
  });
});
