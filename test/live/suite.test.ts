import { describe, expect, it } from 'vitest';
import { suiteSize } from '../support/counts.ts';
import { liveUnavailable } from '../support/live.ts';
import { buildDriver, driverUnavailable } from './suite/build-driver.ts';
import { CASES } from './suite/cases/index.ts';
import { linuxPlace } from './suite/linux-place.ts';
import { type Outcome, type Place, runCase } from './suite/runner.ts';
import { simPlace } from './suite/sim-place.ts';

const LIMIT_MS = 60_000;
/** npm test has time for every other case. */
const PLAYED = CASES.filter((_, index) => suiteSize !== 'quick' || index % 2 === 0);
const outcomes = new Map<string, Map<string, Outcome>>();

/** Every case as a test; those that a place lacks something for are skipped, with the reason as their note. */
const suiteOn = (place: Place): void => {
  const own = new Map<string, Outcome>();
  outcomes.set(place.name, own);
  for (const one of PLAYED)
    it(
      one.name,
      async ({ skip }) => {
        const outcome = await runCase(place, one);
        if (outcome.result === 'skipped') skip(outcome.reason);
        own.set(one.name, outcome);
        expect(outcome.reason).toBeUndefined();
        expect(outcome.result).toBe('passed');
      },
      LIMIT_MS,
    );
};

const skip = liveUnavailable() ?? driverUnavailable();

describe('the kernel suite', () => {
  it('has cases enough, each with a name of its own', () => {
    expect(CASES.length).toBeGreaterThanOrEqual(80);
    expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
  });
});

describe('the kernel suite in the simulated kernel', () => suiteOn(simPlace('6.12')));

describe.skipIf(skip)(`the kernel suite in the running kernel${skip ? ` (skipped: ${skip})` : ''}`, () => {
  if (skip !== undefined) return;
  suiteOn(linuxPlace({ driver: buildDriver(), ownMachine: false }));
  it('both kernels take identical programs', () => {
    const [sim, linux] = [...outcomes.values()].map(
      (own) => new Map([...own].map(([name, { digest }]) => [name, digest])),
    );
    const both = [...(linux ?? [])].filter(([name]) => sim?.has(name));
    expect(both.length).toBeGreaterThanOrEqual(60);
    for (const [name, digest] of both) expect(digest, name).toBe(sim?.get(name));
  });
});
