import { expect, it } from 'vitest';
import { count, seed, suiteSize } from './counts.ts';

it('scales counts with the suite', () => {
  const sizes = { quick: [10, 1], ci: [100, 1], full: [1000, 3] };
  expect([count(1000), count(3)]).toEqual(sizes[suiteSize]);
});

it('gives a name the same seed each time and other names other seeds', () => {
  expect(seed('a test')).toBe(seed('a test'));
  expect(new Set(['a', 'b', 'ab', 'ba'].map(seed)).size).toBe(4);
});
