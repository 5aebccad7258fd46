import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearest } from '../../../engine/text/index.ts';
import { editDistance } from '../../../engine/text/nearest.ts';
import { count, seed } from '../../support/counts.ts';

/** Optimal string alignment by its definition, without table or limit. */
const byDefinition = (from: string, to: string): number => {
  if (from === '' || to === '') return from.length + to.length;
  const same = from.at(-1) === to.at(-1) ? 0 : 1;
  const options = [
    byDefinition(from.slice(0, -1), to) + 1,
    byDefinition(from, to.slice(0, -1)) + 1,
    byDefinition(from.slice(0, -1), to.slice(0, -1)) + same,
  ];
  const swapped = from.length > 1 && to.length > 1 && from.at(-1) === to.at(-2) && from.at(-2) === to.at(-1);
  if (swapped) options.push(byDefinition(from.slice(0, -2), to.slice(0, -2)) + 1);
  return Math.min(...options);
};

describe('edit distance', () => {
  const cases: readonly (readonly [from: string, to: string, distance: number])[] = [
    ['', '', 0],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['proc.nmae', 'proc.name', 1],
    ['ca', 'abc', 3],
  ];
  it.each(cases)('%s to %s', (from, to, distance) => expect(editDistance(from, to, 9)).toBe(distance));

  it('is the distance of the definition, or more than the limit', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
    fc.assert(
      fc.property(text, text, fc.nat({ max: 7 }), (from, to, limit) => {
        expect(editDistance(from, to, limit)).toBe(Math.min(byDefinition(from, to), limit + 1));
      }),
      { numRuns: count(20_000), seed: seed('edit distance') },
    );
  });
});

describe('nearest name', () => {
  const names = ['proc.name', 'proc.pname', 'fd.name', 'open', 'openat'];
  it.each([
    ['proc.nam', 'proc.name'],
    ['PROC.NAME', 'proc.name'],
    ['proc.pnmae', 'proc.pname'],
    ['opena', 'open'],
    ['completely.else', undefined],
    ['', undefined],
  ])('%s', (name, expected) => expect(nearest(name, names)).toBe(expected));

  it('keeps to the distance it is given', () => {
    expect(nearest('opneat', names, 1)).toBe('openat');
    expect(nearest('opneta', names, 1)).toBeUndefined();
    expect(nearest('opneta', names, 2)).toBe('openat');
  });
});
