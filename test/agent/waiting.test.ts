import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createWaiting, type WaitLimits } from '../../agent/waiting.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Attempts that are noted when they are done, `name` or `name!` where they were final. */
const setUp = (limits?: WaitLimits) => {
  const waiting = createWaiting(limits);
  const done: string[] = [];
  const ready = new Set<string>();
  return {
    waiting,
    done,
    add: (container: string, name: string) =>
      waiting.add(container, (final) => {
        if (!final && !ready.has(name)) return false;
        done.push(final && !ready.has(name) ? `${name}!` : name);
        return true;
      }),
    facts: (...names: string[]) => {
      for (const name of names) ready.add(name);
      waiting.check();
    },
  };
};

describe('events that wait', () => {
  it('go on when the facts are there, each container in its order', () => {
    const { waiting, done, add, facts } = setUp();
    add('a', 'a1');
    add('b', 'b1');
    add('a', 'a2');
    expect([waiting.holds('a'), waiting.holds('b'), waiting.holds('c')]).toEqual([true, true, false]);
    facts('a2');
    expect(done).toEqual([]);
    facts('b1');
    expect(done).toEqual(['b1']);
    facts('a1');
    expect(done).toEqual(['b1', 'a1', 'a2']);
    expect([waiting.size, waiting.holds('a')]).toEqual([0, false]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are final after the limit, those behind them not before theirs', () => {
    const { done, add, facts } = setUp({ time: 1000 });
    add('a', 'a1');
    vi.advanceTimersByTime(600);
    add('a', 'a2');
    add('a', 'a3');
    facts('a3');
    vi.advanceTimersByTime(399);
    expect(done).toEqual([]);
    vi.advanceTimersByTime(2);
    expect(done).toEqual(['a1!']);
    vi.advanceTimersByTime(600);
    expect(done).toEqual(['a1!', 'a2!', 'a3']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('wait 2 seconds by default', () => {
    const { done, add } = setUp();
    add('a', 'a1');
    vi.advanceTimersByTime(1999);
    expect(done).toEqual([]);
    vi.advanceTimersByTime(2);
    expect(done).toEqual(['a1!']);
  });

  it('are final at once where too many wait', () => {
    const { waiting, done, add, facts } = setUp({ events: 2 });
    for (const name of ['a1', 'a2', 'a3']) add('a', name);
    expect(done).toEqual(['a3!']);
    facts('a1', 'a2');
    expect(done).toEqual(['a3!', 'a1', 'a2']);
    add('a', 'a4');
    expect(waiting.size).toBe(1);
  });

  it('are 1000 at most by default', () => {
    const { waiting, done, add } = setUp();
    for (let i = 0; i <= 1000; i++) add(`c${i % 7}`, String(i));
    expect([waiting.size, done]).toEqual([1000, ['1000!']]);
  });

  it('settle when the facts come, after the limit, or when it is cut short', async () => {
    const one = setUp();
    one.add('a', 'a1');
    const settled = one.waiting.settle(new AbortController().signal);
    one.facts('a1');
    await settled;
    expect(one.done).toEqual(['a1']);

    const two = setUp();
    two.add('a', 'a1');
    const late = two.waiting.settle(new AbortController().signal);
    vi.advanceTimersByTime(2001);
    await late;
    expect(two.done).toEqual(['a1!']);

    const three = setUp();
    three.add('a', 'a1');
    three.add('b', 'b1');
    const stop = new AbortController();
    const cut = three.waiting.settle(stop.signal);
    stop.abort();
    await cut;
    expect(three.done).toEqual(['a1!', 'b1!']);

    const four = setUp();
    four.add('a', 'a1');
    await four.waiting.settle(AbortSignal.abort());
    expect(four.done).toEqual(['a1!']);
    await four.waiting.settle(AbortSignal.abort());
    expect(vi.getTimerCount()).toBe(0);
  });
});
