import { describe, expect, it } from 'vitest';
import { runFlood } from '../../bench/live-rings.ts';
import { packageFolder } from '../../policies/index.ts';
import { clangSkip } from '../support/clang.ts';
import { count } from '../support/counts.ts';
import { liveUnavailable, testCgroup } from '../support/live.ts';
import { compileProgram } from './behaviours/compile-program.ts';

/** Calls, a multiple of the thousand that the program makes between two urgent ones. */
const CALLS = Math.ceil(count(1_000_000) / 1000) * 10_000;
const KB = 1 << 10;

const flood = async (sizes: { readonly events: number; readonly critical: number }, urgent: number) => {
  const cgroup = testCgroup();
  const program = compileProgram(packageFolder('bench', 'workloads', 'flood.c'));
  try {
    return await runFlood({ cgroup: cgroup.path, program, sizes, rate: 0, seconds: CALLS, urgent });
  } finally {
    await cgroup.remove();
  }
};

describe.skipIf(liveUnavailable() !== undefined || clangSkip() !== undefined)(
  'ring buffers of the running kernel',
  () => {
    it('give every record or count it as lost, each once and in order', async () => {
      const { calls, produced, received, lost, disordered } = await flood({ events: 256 * KB, critical: 256 * KB }, 0);
      expect(calls).toEqual([CALLS, 0]);
      expect(produced).toEqual(calls);
      expect(received[0] + lost[0]).toBe(CALLS);
      expect(disordered).toBe(0);
    });

    it('lose no critical record while the other ring has no room', async () => {
      const { calls, produced, received, lost, disordered } = await flood({ events: 4 * KB, critical: 256 * KB }, 1);
      expect(calls).toEqual([CALLS, CALLS / 1000]);
      expect(produced).toEqual(calls);
      expect(lost[0]).toBeGreaterThan(0);
      expect(received[0] + lost[0]).toBe(CALLS);
      expect(received[1]).toBe(calls[1]);
      expect([lost[1], disordered]).toEqual([0, 0]);
    });
  },
);
