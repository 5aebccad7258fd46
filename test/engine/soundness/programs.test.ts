import { expect, test } from 'vitest';
import { PROFILES } from '../../kernel/programs/profiles.ts';
import { count, seed, suiteSize } from '../../support/counts.ts';
import { aCase, accepted, createMachines, judge, report } from './suite.ts';

const PROGRAMS = suiteSize === 'quick' ? 1_000 : count(200_000);
/** Milliseconds that one program may take on a slow machine. */
const PATIENCE = 20;

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;

test(
  'what the verifier accepts never faults, ends, leaks nothing, and the JIT agrees with the interpreter',
  () => {
    const machines = createMachines();
    const first = seed('soundness');
    const executed: number[] = [];
    let [verified, placed] = [0, 0];
    for (let n = 0; n < PROGRAMS; n++) {
      const each = aCase(first + n, PROFILES[n % PROFILES.length]!);
      const program = accepted(machines, each);
      if (!program) continue;
      verified++;
      const verdict = judge(machines, each, program);
      if (verdict.failure !== undefined) expect.fail(report(machines, each, first + n));
      if (verdict.placed) placed++;
      executed.push(...verdict.executed);
    }
    console.log(
      `${PROGRAMS} programs, ${verified} accepted, median of ${median(executed)} instructions a run, ` +
        `${placed} depend on addresses or run too long`,
    );
    expect(verified).toBeGreaterThanOrEqual(PROGRAMS / 2);
    expect(median(executed)).toBeGreaterThanOrEqual(30);
    expect(placed).toBeLessThan(verified / 20);
  },
  20_000 + PROGRAMS * PATIENCE,
);
