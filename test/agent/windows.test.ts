import { describe, expect, it } from 'vitest';
import { loadObject, mapOf } from '../../agent/load.ts';
import { createWindowSweep, pauseWindows } from '../../agent/windows.ts';
import {
  compile,
  countedRules,
  decodeWindow,
  HEAD,
  isWindow,
  MAX_WINDOWS,
  planRules,
  RINGS,
  type Rule,
  type Threshold,
  WINDOW_MAPS,
} from '../../rules/index.ts';
import { createProcessTable, createSimHost } from '../../sensors/index.ts';
import { ruleOf } from '../support/rules.ts';

const SECOND = 1_000_000_000n;
const position = { file: 'test.yaml', line: 1, column: 1 };
const field = (name: string) => ({ name, span: { start: 0, end: 0 } });

/** A rule about getuid, which its program counts: more than three within ten seconds by process. */
const counted = (more: Partial<Threshold> = {}, condition = 'evt.type = getuid'): Rule => {
  const by = [field('proc.pid')];
  const correlation: Threshold = { kind: 'threshold', moreThan: 3, within: 10n * SECOND, by, position, ...more };
  return ruleOf('counted', condition, { correlation });
};

const compiled = compile([counted()], { level: '6.1' });

/** A host under that rule. */
const counting = () => {
  const host = createSimHost({ memory: 64 * 1024 * 1024 });
  const task = host.spawn({ exepath: '/usr/bin/cat' });
  const { maps } = loadObject({
    kernel: host.kernel,
    scope: '/',
    compiled,
    enforce: false,
    agentPid: 0,
    protect: [],
    processes: createProcessTable(),
  });
  const stream = host.kernel.stream(
    RINGS.map((ring) => mapOf(maps, ring)),
    HEAD.time,
  );
  /** What comes of some calls: `match` for a record, or how many times stand in a window's. */
  const call = (times: number): readonly (number | 'match')[] => {
    for (let made = 0; made < times; made++) host.call(task, 'getuid', []);
    const found: (number | 'match')[] = [];
    stream.consume((bytes) => found.push(isWindow(bytes) ? decodeWindow(bytes).times.length : 'match'));
    return found;
  };
  const windows = maps.get(WINDOW_MAPS.windows);
  const fill = (count: number): void => {
    const key = new Uint8Array(16).fill(0xff);
    for (let number = 0; number < count; number++) {
      new DataView(key.buffer).setUint32(0, number);
      expect(windows?.update(key, new Uint8Array(windows.spec.valueSize))).toBe(0);
    }
  };
  return { host, call, maps, windows, fill };
};

describe('a threshold that a program counts', () => {
  it('hands matches over once they may be too many, with the times of those before', () => {
    const { host, call } = counting();
    expect(call(3)).toEqual([]);
    expect(call(1)).toEqual([3, 'match']);
    expect(call(2)).toEqual([0, 'match', 0, 'match']);
    host.advance(11n * SECOND);
    expect(call(3)).toEqual([]);
    expect(call(1)).toEqual([3, 'match']);
  });

  it('tells of as many matches before as it has places for', () => {
    const { host, call } = counting();
    for (let round = 0; round < 30; round++) {
      expect(call(3)).toEqual([]);
      host.advance(11n * SECOND);
    }
    expect(call(3)).toEqual([]);
    expect(call(1)).toEqual([63, 'match']);
  });

  it.each<[string, Partial<Threshold>, string]>([
    ['by a text', { by: [field('proc.name')] }, 'evt.type = getuid'],
    ['more than 48', { moreThan: 49 }, 'evt.type = getuid'],
    ['with a predicate that may be unknown', {}, 'evt.type = getuid and proc.name = cat'],
    [
      'by more than three fields',
      { by: ['proc.pid', 'thread.tid', 'user.uid', 'group.gid'].map(field) },
      'evt.type = getuid',
    ],
  ])('is counted in user space %s', (_, more, condition) => {
    expect(countedRules(planRules([counted(more, condition)]))).toEqual([]);
    expect(countedRules(planRules([counted()]))).toHaveLength(1);
  });
});

describe('a program that finds no room for a key', () => {
  it('hands every match over, also when there is room again, for as long as those count', () => {
    const { host, call, fill, windows } = counting();
    fill(MAX_WINDOWS);
    expect(call(3)).toEqual(['match', 'match', 'match']);
    for (const key of [...windows!.keys()]) windows!.delete(key);
    expect(call(2)).toEqual([0, 'match', 0, 'match']);
    host.advance(9n * SECOND);
    expect(call(1)).toEqual([0, 'match']);
    host.advance(2n * SECOND);
    expect(call(1)).toEqual([]);
    expect(call(2)).toEqual([2, 'match']);
  });
});

describe('windows whose time is over', () => {
  it('are taken away when there are many, while programs leave them alone', () => {
    const { host, call, fill, maps, windows } = counting();
    const sweep = createWindowSweep(compiled, maps);
    expect(call(2)).toEqual([]);
    host.advance(11n * SECOND);
    fill(MAX_WINDOWS / 2);
    expect(call(1)).toEqual([]);
    for (let look = 1; look < 10; look++) sweep.check(host.bootNs);
    expect([...windows!.keys()]).toHaveLength(MAX_WINDOWS / 2 + 1);
    expect(call(1)).toEqual([]);
    sweep.check(host.bootNs);
    expect(call(1)).toEqual(['match']);
    sweep.check(host.bootNs);
    expect([...windows!.keys()]).toHaveLength(1);
    expect(call(1)).toEqual([4, 'match']);
  });

  it('stay where programs are told not to count at all', () => {
    const { call, maps } = counting();
    pauseWindows(maps, true);
    expect(call(2)).toEqual(['match', 'match']);
    pauseWindows(maps, false);
    expect(call(1)).toEqual([0, 'match']);
  });
});
