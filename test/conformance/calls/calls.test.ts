import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { count, seed } from '../../support/counts.ts';
import { createRandom } from '../../support/random.ts';
import { DIFFERENCES } from './differences.ts';
import { FOUND } from './found.ts';
import { generateSequence } from './generate.ts';
import { buildDriver, type Driver, linuxSkip, playOnLinux } from './linux.ts';
import { DIRECTED, PAIRS, pairOf } from './pairs.ts';
import { minimize, reportOf } from './report.ts';
import { playInSimulation } from './simulation.ts';
import type { Outcome, Step } from './step.ts';
import { PROLOGUE, setUp } from './tree.ts';

const reason = linuxSkip();
if (reason !== undefined) console.warn(`skipped: calls on Linux and in the simulation: ${reason}`);

const MOST_REPORTED = 3;
const GENERATE_MS = 600_000;

/** The first call, by its place, that came to something else in the simulation. */
const firstDifference = (onLinux: readonly Outcome[], simulated: readonly Outcome[]): number | undefined => {
  const place = Array.from({ length: Math.max(onLinux.length, simulated.length) }, (_, index) => index).find(
    (index) => JSON.stringify(onLinux[index]) !== JSON.stringify(simulated[index]),
  );
  return place;
};

describe.skipIf(reason !== undefined)(
  `calls on Linux and in the simulation${reason ? ` (skipped: ${reason})` : ''}`,
  () => {
    let driver: Driver;
    let tree: readonly Step[];
    let sequences: readonly (readonly Step[])[];
    let onLinux: readonly (readonly Outcome[])[];
    const directed = [...DIRECTED, ...FOUND].map((steps) => [...PROLOGUE, ...steps]);

    beforeAll(() => {
      driver = buildDriver();
      tree = setUp(driver.actor);
      const random = createRandom(seed('calls on Linux and in the simulation'));
      const generated = Array.from({ length: count(3_000) }, () => [...PROLOGUE, ...generateSequence(random, tree)]);
      sequences = [...directed, ...generated];
      onLinux = playOnLinux(driver, tree, sequences);
    }, GENERATE_MS);

    it(
      'come to the same results, errnos and data',
      () => {
        const differ = (steps: readonly Step[]): number | undefined =>
          firstDifference(playOnLinux(driver, tree, [steps])[0] ?? [], playInSimulation(tree, steps));
        const reports: string[] = [];
        for (const [index, steps] of sequences.entries()) {
          const simulated = playInSimulation(tree, steps);
          const place = firstDifference(onLinux[index] ?? [], simulated);
          if (place === undefined) continue;
          const least = minimize(
            steps.slice(0, place + 1),
            PROLOGUE.length,
            (shorter) => differ(shorter) !== undefined,
          );
          const outcomes = [playOnLinux(driver, tree, [least])[0] ?? [], playInSimulation(tree, least)] as const;
          const [one, other] = outcomes.map((list) => list.slice(PROLOGUE.length));
          reports.push(reportOf(least.slice(PROLOGUE.length), one ?? [], other ?? []));
          if (reports.length === MOST_REPORTED) break;
        }
        expect(reports.join('\n\n')).toBe('');
      },
      GENERATE_MS,
    );

    it('succeed at least three times out of five', () => {
      const results = onLinux.slice(directed.length).flatMap((outcomes) => outcomes.slice(PROLOGUE.length));
      const succeeded = results.filter(
        ({ result }) => result === 'ended' || (typeof result === 'number' && result >= 0),
      );
      const pairs = new Set(reached());
      console.log(
        `${sequences.length} sequences, ${results.length} generated calls, ${((100 * succeeded.length) / results.length).toFixed(1)} % succeed, ${pairs.size} kinds of failure`,
      );
      expect(succeeded.length / results.length).toBeGreaterThanOrEqual(0.6);
    });

    const reached = (): string[] =>
      sequences.flatMap((steps, index) =>
        (onLinux[index] ?? []).flatMap(({ result }, place) => {
          const step = steps[place];
          return step !== undefined && typeof result === 'number' && result < 0 ? [pairOf(step, result)] : [];
        }),
      );

    it(`reach each of the ${PAIRS.length} failures of the list`, () => {
      const pairs = new Set(reached());
      expect(PAIRS.length).toBeGreaterThanOrEqual(150);
      expect(PAIRS.filter((pair) => !pairs.has(pair))).toStrictEqual([]);
    });

    it('never wait, nor are made by a task that is dead', () => {
      const results = onLinux.flatMap((outcomes) => outcomes.map(({ result }) => result));
      expect(results.filter((result) => result === 'waits' || result === 'gone')).toStrictEqual([]);
    });
  },
);

describe('docs/simulation.md', () => {
  it('names every difference that sequences leave out, and no other', () => {
    const text = readFileSync(new URL('../../../docs/simulation.md', import.meta.url), 'utf8');
    const [own = ''] = text.split('\n## ');
    const named = [...own.matchAll(/^\| \*\*(.+?)\*\* \|/gm)].map(([, name]) => name);
    expect(named).toStrictEqual(DIFFERENCES);
  });
});
