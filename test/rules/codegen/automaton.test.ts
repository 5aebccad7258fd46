import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Automaton,
  buildAutomata,
  buildAutomaton,
  runAutomaton,
  STATE_BUDGET,
} from '../../../rules/codegen/automaton.ts';
import { automatonTable } from '../../../rules/codegen/automaton-table.ts';
import { type Pattern, type StringTest, Truth } from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';
import { fnmatch } from '../oracle/language/text-matching.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The truths that a table gives for some bytes, read as the comment above `AutomatonTable` draws it; states that stay are left early. */
const readTable = (automaton: Automaton, tests: number, text: Uint8Array): number[] => {
  const FIRST_ROW = 2;
  const { bytes: table, shift, pairs, end, firstSink } = automatonTable(automaton, FIRST_ROW);
  const view = new DataView(table.buffer);
  const rowOfState = (state: number): number => 256 + state * 2 ** shift;
  let state = 0;
  for (const byte of text) {
    if (state >= firstSink) break;
    state = view.getUint16(rowOfState(state) + (table[byte] ?? 0) * (pairs ? 2 : 1), true);
  }
  const row = (view.getUint16(rowOfState(state) + end, true) - FIRST_ROW) * automaton.width;
  return [...automaton.rows.subarray(row, row + tests)];
};

const matchesNaively = ({ match, text: pattern, fold }: Pattern, given: string): boolean => {
  const [text, part] = fold ? [given.toLowerCase(), pattern.toLowerCase()] : [given, pattern];
  switch (match) {
    case 'equals':
      return text === part;
    case 'prefix':
      return text.startsWith(part);
    case 'suffix':
      return text.endsWith(part);
    case 'contains':
      return text.includes(part);
    case 'glob':
      return fnmatch(part, text);
    case 'regex':
      return new RegExp(`(?<![^])(?:${pattern})(?![^])`, 'mu').test(given);
  }
};

const naive = (test: StringTest, text: string): number =>
  test.patterns.some((pattern) => matchesNaively(pattern, text)) !== test.negated ? Truth.TRUE : Truth.FALSE;

/** A small alphabet, so that texts match. */
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'B', '/', '.', 'é', '0'), maxLength: 8 });
const globText = fc
  .array(fc.constantFrom('a', 'b', 'B', '/', '.', '0', '*', '?', '[ab]', '[!b]', '[a-c]', '**'), { maxLength: 6 })
  .map((parts) => parts.join(''));

const regexText = fc
  .array(
    fc.constantFrom('a', 'b', 'B', '/', '.', '.*', '[ab]+', '(a|b/)*', '[^/]', '\\w', '\\b', '^', '$', '0?', '(a|)'),
    { maxLength: 5 },
  )
  .map((parts) => parts.join(''));

const pattern: fc.Arbitrary<Pattern> = fc.oneof(
  fc.record({
    match: fc.constantFrom<Pattern['match']>('equals', 'prefix', 'suffix', 'contains'),
    text,
    fold: fc.boolean(),
  }),
  fc.record({ match: fc.constant<Pattern['match']>('glob'), text: globText, fold: fc.boolean() }),
  fc.record({ match: fc.constant<Pattern['match']>('regex'), text: regexText, fold: fc.constant(false) }),
);
const tests: fc.Arbitrary<StringTest[]> = fc.array(
  fc.record({ patterns: fc.array(pattern, { maxLength: 3 }), negated: fc.boolean() }),
  { minLength: 1, maxLength: 6 },
);

const test = (match: Pattern['match'], pattern: string, negated = false): StringTest => ({
  patterns: [{ match, text: pattern, fold: false }],
  negated,
});

const decide = (list: readonly StringTest[], given: string | Uint8Array, options = {}): number[] => {
  const automaton = buildAutomaton(list, options);
  if (automaton === undefined) throw new Error('over budget');
  return readTable(automaton, list.length, typeof given === 'string' ? bytesOf(given) : given);
};

describe('automaton', () => {
  it('decides as each pattern alone does, read from its table', () => {
    fc.assert(
      fc.property(tests, fc.array(text, { minLength: 1, maxLength: 20 }), (list, texts) => {
        const automaton = buildAutomaton(list);
        fc.pre(automaton !== undefined);
        for (const given of texts) {
          /* A "?" and a bracket take one byte, where the naive matcher takes one character. */
          const ascii = given.replaceAll('é', 'e');
          const wanted = list.map((each) => naive(each, ascii));
          expect(readTable(automaton, list.length, bytesOf(ascii)), ascii).toEqual(wanted);
          expect([...runAutomaton(automaton, bytesOf(ascii)).subarray(0, list.length)]).toEqual(wanted);
        }
      }),
      { numRuns: count(15_000), seed: seed('automaton'), endOnFailure: true },
    );
  });

  it('decides the same when tests are split over several', () => {
    fc.assert(
      fc.property(tests, text, (list, given) => {
        const { built, refused } = buildAutomata(list);
        expect(refused).toEqual([]);
        const found = new Map(
          built.flatMap(({ automaton, tests: its }) => {
            const truths = readTable(automaton, its.length, bytesOf(given));
            return its.map((each, index) => [each, truths[index]] as const);
          }),
        );
        expect(found.size).toBe(list.length);
        for (const [each, truth] of found) {
          if (!given.includes('é')) expect(truth).toBe(naive(each, given));
        }
      }),
      { numRuns: count(10_000), seed: seed('automata'), endOnFailure: true },
    );
  });

  it('compares bytes: a "?" takes one of a character that has two', () => {
    expect(decide([test('glob', '?'), test('glob', '??'), test('equals', 'é')], 'é')).toEqual([
      Truth.FALSE,
      Truth.TRUE,
      Truth.TRUE,
    ]);
  });

  it('reads NUL as a blank only where it is asked to', () => {
    const list = [test('contains', 'a b'), test('equals', 'a b c')];
    const vector = Uint8Array.of(97, 0, 98, 0, 99);
    expect(decide(list, vector, { nulIsBlank: true })).toEqual([Truth.TRUE, Truth.TRUE]);
    expect(decide(list, vector)).toEqual([Truth.FALSE, Truth.FALSE]);
    expect(decide(list, 'a b c', { nulIsBlank: true })).toEqual([Truth.TRUE, Truth.TRUE]);
  });

  it.each([['/etc//shadow'], ['/etc/./shadow'], ['/etc/../shadow'], ['/etc/'], ['/etc/.'], ['/etc/..'], ['//']])(
    'knows nothing of %s where paths must be in their normal form',
    (path) => {
      const list = [test('equals', path), test('prefix', '/x'), test('contains', 'q', true)];
      expect(decide(list, path, { normalPathsOnly: true })).toEqual([Truth.UNKNOWN, Truth.UNKNOWN, Truth.UNKNOWN]);
      expect(decide(list, path)).toEqual([Truth.TRUE, Truth.FALSE, Truth.TRUE]);
    },
  );

  it.each(['/', '/etc/shadow', '/etc/.hidden', '/etc/..data', '/a.b/c..'])(
    'decides %s as a path in its normal form',
    (path) => {
      expect(decide([test('equals', path), test('equals', '/x')], path, { normalPathsOnly: true })).toEqual([
        Truth.TRUE,
        Truth.FALSE,
      ]);
    },
  );

  it('pads rows to eight bytes, and has one row for all states that say the same', () => {
    const automaton = buildAutomaton([test('equals', 'abc'), test('prefix', 'ab')]);
    expect(automaton).toMatchObject({ width: 8, rowCount: 3 });
    expect(buildAutomaton(Array.from({ length: 9 }, (_, index) => test('equals', `${index}`)))?.width).toBe(16);
  });

  it('leaves a text as soon as the rest of it changes nothing', () => {
    const automaton = buildAutomaton([test('prefix', '/etc/'), test('equals', '/root')]);
    if (automaton === undefined) throw new Error('over budget');
    const { stateCount, firstSink, classCount, classes, transitions } = automaton;
    const stateOf = (given: string): number =>
      bytesOf(given).reduce((state, byte) => transitions[state * classCount + (classes[byte] ?? 0)] ?? 0, 0);
    expect(['/etc/', '/x', '/root!'].map((given) => stateOf(given) >= firstSink)).toEqual([true, true, true]);
    expect(['', '/etc', '/root'].map((given) => stateOf(given) >= firstSink)).toEqual([false, false, false]);
    expect(stateCount - firstSink).toBe(2);
  });

  it('names states by where their rows are, in units as large as many states need', () => {
    const words = Array.from({ length: 200 }, (_, index) => `${(index * 7919) % 100_003}`.repeat(6));
    const characters = Array.from({ length: 222 }, (_, index) => String.fromCharCode(0x21 + index));
    for (const texts of [words, characters]) {
      const list = [
        { patterns: texts.map((each): Pattern => ({ match: 'equals', text: each, fold: false })), negated: false },
      ];
      const automaton = buildAutomaton(list);
      if (automaton === undefined) throw new Error('over budget');
      const { shift, stride, pairs, firstSink, lastState } = automatonTable(automaton, 0);
      expect([shift > 1, pairs]).toEqual([texts === words, texts === characters]);
      expect(firstSink * 2 ** shift).toBe(automaton.firstSink * stride);
      expect(lastState * 2 ** shift).toBe((automaton.stateCount - 1) * stride);
      expect(lastState).toBeLessThan(65_536);
      for (const each of texts) {
        expect(readTable(automaton, 1, bytesOf(each)), each).toEqual([Truth.TRUE]);
        expect(readTable(automaton, 1, bytesOf(`${each}x`)), each).toEqual([Truth.FALSE]);
      }
    }
  });

  it('takes regular expressions beside other patterns', () => {
    const list = [
      test('regex', '/tmp/[^/]+\\.(sh|py)'),
      test('prefix', '/tmp/a'),
      test('regex', '(?i).*\\bPASSWD\\b.*'),
    ];
    const { TRUE, FALSE } = Truth;
    expect(decide(list, '/tmp/a.sh')).toEqual([TRUE, TRUE, FALSE]);
    expect(decide(list, '/tmp/a/b.sh')).toEqual([FALSE, TRUE, FALSE]);
    expect(decide(list, '/etc/passwd-')).toEqual([FALSE, FALSE, TRUE]);
    expect(decide(list, '/etc/passwds')).toEqual([FALSE, FALSE, FALSE]);
    expect(decide([test('regex', 'a.b')], Uint8Array.of(0x61, 0xff, 0x62))).toEqual([FALSE]);
    expect(decide([test('regex', 'a.b')], 'aéb')).toEqual([TRUE]);
    expect(decide([test('regex', 'a b')], Uint8Array.of(0x61, 0, 0x62), { nulIsBlank: true })).toEqual([TRUE]);
  });

  it('leaves a regular expression of too many states to user space', () => {
    const large = test('regex', `(.*a.{14}b|x)`);
    const wide = test('regex', `(a?){1000}`);
    expect(buildAutomata([large, wide, test('equals', 'x')]).refused).toEqual([large, wide]);
  });

  it('keeps no more in mind than what is still open: any of many patterns needs as many states as their letters', () => {
    const words = Array.from({ length: 200 }, (_, index) => `w${(index * 7919) % 1000}-`);
    const automaton = buildAutomaton([
      { patterns: words.map((text) => ({ match: 'contains', text, fold: false })), negated: false },
    ]);
    expect(automaton?.stateCount).toBeLessThanOrEqual(words.join('').length + 2);
  });

  it('builds 500 contains of one field within its budgets', () => {
    const words = Array.from(
      { length: 500 },
      (_, index) => `${((index * 2654435761) >>> 0).toString(36)}/${index % 7}`,
    );
    const list = words.map((text) => test('contains', text));
    const { built, refused } = buildAutomata(list);
    expect(refused).toEqual([]);
    expect(built.flatMap(({ tests }) => tests)).toHaveLength(500);
    expect(built.length).toBeLessThanOrEqual(125);
    expect(Math.max(...built.map(({ automaton }) => automaton.stateCount))).toBeLessThanOrEqual(4096);
    const given = `x${words[3]}y${words[77]}${words[400]}`;
    for (const { automaton, tests } of built)
      expect(readTable(automaton, tests.length, bytesOf(given))).toEqual(tests.map((each) => naive(each, given)));
  });

  /** One of these alone needs a state for every set of places where an "a" may have been: 2 to the power of its length. */
  const exploding = (length: number, end = 'b'): StringTest => test('glob', `*a${'?'.repeat(length)}${end}`);

  it('is not built over its budget of states', () => {
    expect(buildAutomaton([exploding(8)])?.stateCount).toBeLessThan(STATE_BUDGET);
    expect(buildAutomaton([exploding(14)])).toBeUndefined();
  });

  it('takes tests apart that are too much together, and refuses only those that are too much alone', () => {
    const fine = [exploding(9), exploding(10, 'c'), exploding(11, 'd'), test('equals', 'x')];
    const { built, refused } = buildAutomata([...fine, exploding(14)]);
    expect(refused).toEqual([exploding(14)]);
    expect(new Set(built.flatMap((each) => each.tests))).toEqual(new Set(fine));
    expect(built.length).toBeGreaterThan(1);
    for (const { automaton } of built) expect(automaton.stateCount).toBeLessThanOrEqual(STATE_BUDGET);
  });
});
