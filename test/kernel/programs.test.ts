import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { count, leastShare, seed, suiteSize } from '../support/counts.ts';
import { kernelSkip } from '../support/kernel.ts';
import { REFUSAL_CLASSES, STRICTER } from './programs/classes.ts';
import { examine, openSides } from './programs/examine.ts';
import { createTally } from './programs/tally.ts';

const PROGRAMS = count(24_000);
/** Milliseconds that one program may take on a slow machine. */
const PATIENCE = 60;

const document = readFileSync(fileURLToPath(new URL('../../docs/verifier-differences.md', import.meta.url)), 'utf8');

test.each(REFUSAL_CLASSES.map(({ name }) => name))('docs/verifier-differences.md explains "%s"', (name) => {
  expect(document).toContain(`\n### ${name}\n`);
});

test.each(STRICTER.map(({ name }) => name))('docs/verifier-differences.md has "%s" in its table', (name) => {
  expect(document).toContain(`\n| ${name} |`);
});

describe.skipIf(kernelSkip())('generated programs, beside the running kernel', () => {
  test(
    'are accepted by both or by neither, and give the same results',
    () => {
      const sides = openSides();
      const tally = createTally();
      const first = seed('kernel programs');
      try {
        for (let n = 0; n < PROGRAMS; n++) tally.add(examine(sides, (first + n * 0x9e3779b1) | 0));
      } finally {
        sides.close();
      }
      if (suiteSize !== 'quick') console.log(tally.table());
      expect(tally.failures.slice(0, 3).join('\n\n')).toBe('');
      expect(tally.kernelAccepts).toBeGreaterThanOrEqual(PROGRAMS / 4);
      expect(tally.kernelRefuses).toBeGreaterThanOrEqual(PROGRAMS / 4);
      expect(tally.bothAccept / tally.kernelAccepts).toBeGreaterThanOrEqual(leastShare(0.97, tally.kernelAccepts));
      expect(tally.telling / tally.bothAccept).toBeGreaterThanOrEqual(1 / 3);
      expect(tally.of('numbers known more closely')).toBeLessThanOrEqual(2 + PROGRAMS / 1000);
      expect(tally.lost).toBeLessThanOrEqual(4 + PROGRAMS / 4000);
      expect(tally.placed / tally.bothAccept).toBeLessThan(0.02);
    },
    20_000 + PROGRAMS * PATIENCE,
  );
});
