import type { TestContext } from 'vitest';

export type SuiteSize = 'quick' | 'ci' | 'full';

const DIVISOR: Readonly<Record<SuiteSize, number>> = { quick: 100, ci: 10, full: 1 };

/** Which size runs: `npm test` is quick, `npm run test:ci` is ci, `npm run test:full` is full. */
export const suiteSize: SuiteSize = sizeOf(process.env.SHRIKE_SUITE ?? 'quick');

function sizeOf(name: string): SuiteSize {
  if (name === 'quick' || name === 'ci' || name === 'full') return name;
  throw new Error(`SHRIKE_SUITE is ${name}; expected quick, ci or full`);
}

/** How many cases to run where the full suite runs `full`: a hundredth in npm test, a tenth in CI; at least 1. */
export const count = (full: number): number => Math.max(1, Math.ceil(full / DIVISOR[suiteSize]));

/** Leaves out, in npm test, a test that takes long; the larger sizes have it. */
export const inLargerSizes = (context: TestContext): void =>
  context.skip(suiteSize === 'quick', 'takes longer than npm test has');

/**
 * The least share that a count of `cases` may show where the full suite has to show `share`: that itself at full size, else three
 * standard deviations of a sample less, so that a smaller count fails for what is wrong and not by chance.
 */
export const leastShare = (share: number, cases: number): number =>
  suiteSize === 'full' ? share : share - 3 * Math.sqrt((share * (1 - share)) / Math.max(1, cases));

const base = seedBase(process.env.SHRIKE_SEED);

function seedBase(text: string | undefined): number {
  if (text === undefined) return suiteSize === 'quick' ? 1 : Math.floor(Math.random() * 2 ** 31);
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new Error(`SHRIKE_SEED is ${text}; expected a whole number`);
}

/** A 31-bit seed for the named test: always the same in npm test, from SHRIKE_SEED elsewhere; printed where it is fresh. */
export function seed(name: string): number {
  let hash = base | 0;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  const value = (hash ^ (hash >>> 15)) & 0x7fffffff;
  if (suiteSize !== 'quick') console.log(`seed of ${name}: ${value} (again with SHRIKE_SEED=${base})`);
  return value;
}
