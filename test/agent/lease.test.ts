import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLease, realClock } from '../../agent/lease.ts';
import { CONFIG } from '../../rules/index.ts';
import type { KernelMap } from '../../sensors/index.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** The configuration's map, of one value, and a clock in seconds. */
const place = () => {
  let value = new Uint8Array(CONFIG.size).fill(7);
  const clock = { seconds: 100 };
  const map = {
    lookup: () => value.slice(),
    update: (_key: unknown, next: Uint8Array) => {
      value = next.slice();
      return 0;
    },
  } as Partial<KernelMap> as KernelMap;
  const expires = (): number => Number(new DataView(value.buffer).getBigUint64(CONFIG.expires, true) / 1_000_000_000n);
  const pass = async (seconds: number): Promise<void> => {
    clock.seconds += seconds;
    await vi.advanceTimersByTimeAsync(seconds * 1_000);
  };
  return { map, clock, expires, pass, value: () => value, now: () => BigInt(clock.seconds) * 1_000_000_000n };
};

it('enforcement ends 10 seconds after the agent last said that it lives', async () => {
  const { map, expires, pass, now } = place();
  const lease = createLease(map, realClock(now));
  expect(expires()).toBe(110);
  await pass(4);
  expect(expires()).toBe(114);
  await pass(4);
  expect(expires()).toBe(118);
  lease.release();
  await pass(60);
  expect(expires()).toBe(118);
});

it('nothing else of the configuration changes', () => {
  const { map, value, now } = place();
  const before = value().slice();
  createLease(map, realClock(now)).release();
  const after = value().slice();
  for (const bytes of [before, after]) bytes.fill(0, CONFIG.expires, CONFIG.expires + 8);
  expect(after).toEqual(before);
});
