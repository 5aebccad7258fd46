import { expect, test } from 'vitest';
import { refusalCases, refusedWith } from './refusal-cases.ts';

const cases = refusalCases();

test('there are 60 refusals or more', () => {
  expect(cases.filter(({ text }) => text !== 'accepted').length).toBeGreaterThanOrEqual(60);
});

test.each(cases)('$name', (refusal) => {
  expect(refusedWith(refusal)).toBe(refusal.text);
});
