import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob, matchGlob } from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';

const utf8 = new TextEncoder();

const glob = (pattern: string, text: string): boolean => {
  const steps = compileGlob(utf8.encode(pattern));
  return steps !== undefined && matchGlob(steps, utf8.encode(text));
};

/** fnmatch by its definition (POSIX.1-2017, 2.13), byte by byte, with backtracking; classes left out. */
const byDefinition = (pattern: readonly string[], text: readonly string[]): boolean => {
  const [first, ...rest] = pattern;
  if (first === undefined) return text.length === 0;
  if (first === '*') return byDefinition(rest, text) || (text.length > 0 && byDefinition(pattern, text.slice(1)));
  const [byte, ...after] = text;
  if (first === '[') {
    const negated = rest[0] === '!' || rest[0] === '^';
    const body = negated ? rest.slice(1) : rest;
    const members = new Set<string>();
    let at = 0;
    const take = (): string | undefined => {
      at += body[at] === '\\' ? 2 : 1;
      return body[at - 1];
    };
    while (at < body.length && (body[at] !== ']' || at === 0)) {
      const low = take();
      if (low === undefined) break;
      if (body[at] !== '-' || body[at + 1] === ']' || body[at + 1] === undefined) {
        members.add(low);
        continue;
      }
      at++;
      const high = take();
      if (high === undefined) break;
      for (let code = low.charCodeAt(0); code <= high.charCodeAt(0); code++) members.add(String.fromCharCode(code));
    }
    if (body[at] === ']') {
      return byte !== undefined && members.has(byte) !== negated && byDefinition(body.slice(at + 1), after);
    }
  }
  if (first === '\\') return rest[0] !== undefined && rest[0] === byte && byDefinition(rest.slice(1), after);
  return byte !== undefined && (first === '?' || first === byte) && byDefinition(rest, after);
};

describe('glob', () => {
  const cases: readonly (readonly [pattern: string, text: string, matches: boolean])[] = [
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'a/b/.c', true],
    ['/home/*/.ssh/*', '/home/a/b/.ssh/id', true],
    ['/home/*/.ssh/*', '/home/.ssh/id', false],
    ['*../*../*', 'a/../../etc', true],
    ['?', 'a', true],
    ['?', '', false],
    ['?', '/', true],
    ['?', 'ä', false],
    ['??', 'ä', true],
    ['[a-c]x', 'bx', true],
    ['[a-c]x', 'dx', false],
    ['[!a-c]x', 'dx', true],
    ['[^a-c]x', 'bx', false],
    ['[]a]', ']', true],
    ['[!]a]', ']', false],
    ['[a-]', '-', true],
    ['[z-a]', 'm', false],
    ['[[:digit:]]*', '7up', true],
    ['[![:space:]_]', '_', false],
    ['[abc', '[abc', true],
    ['[abc', 'a', false],
    [String.raw`\*`, '*', true],
    [String.raw`\*`, 'a', false],
    [String.raw`[\]]`, ']', true],
    ['a\\', 'a', false],
    ['a\\', 'a\\', false],
    ['a*b*c', 'aXbYc', true],
    ['a*b*c', 'aXbYcZ', false],
    ['*aab', 'aaaab', true],
  ];
  it.each(cases)('%s on %s: %s', (pattern, text, expected) => expect(glob(pattern, text)).toBe(expected));

  it('agrees with the definition', () => {
    const piece = fc.constantFrom('a', 'b', 'c', '*', '?', '[', ']', '!', '^', '-', '\\', '/', '[a-b]', '[!a]');
    const pattern = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '-', ']', '[', '/', '!', '\\'), maxLength: 7 });
    fc.assert(
      fc.property(pattern, text, (globbed, on) => {
        expect(glob(globbed, on)).toBe(byDefinition([...globbed], [...on]));
      }),
      { numRuns: count(300_000), seed: seed('glob') },
    );
  });

  it('does not take exponential time', () => {
    const steps = compileGlob(utf8.encode(`${'*a'.repeat(60)}b`));
    expect(steps && matchGlob(steps, utf8.encode('a'.repeat(4000)))).toBe(false);
  });
});
