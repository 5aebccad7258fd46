import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRegex } from '../../../rules/language/regex.ts';
import { count, seed } from '../../support/counts.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const matches = (pattern: string, text: string | Uint8Array): boolean => {
  const compiled = compileRegex(pattern);
  if ('problem' in compiled) throw new Error(compiled.problem.reason);
  return compiled.regex.test(typeof text === 'string' ? bytesOf(text) : text);
};

// From RE2's description of its syntax (https://github.com/google/re2/wiki/Syntax).
describe('what matches', () => {
  const cases: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
    ['abc', ['abc'], ['', 'ab', 'abcd', 'xabc', 'ABC']],
    ['', [''], ['a']],
    ['a|bc|', ['a', 'bc', ''], ['ab', 'c', 'abc']],
    ['a.c', ['abc', 'aéc', 'a😀c', 'a c'], ['ac', 'a\nc', 'abbc']],
    ['(?s)a.c', ['a\nc'], []],
    ['a*', ['', 'a', 'aaaa'], ['b', 'ab']],
    ['a+', ['a', 'aa'], ['', 'ba']],
    ['a?', ['', 'a'], ['aa']],
    ['a*?b+?c??', ['b', 'aabbc', 'bc'], ['', 'ac', 'bcc']],
    ['a{2}', ['aa'], ['a', 'aaa']],
    ['a{2,}', ['aa', 'aaaaa'], ['a']],
    ['a{0,2}b{1,2}', ['b', 'aabb'], ['aaab', 'a', 'bbb']],
    ['a{,2}', ['a{,2}'], ['a', 'aa']],
    ['a{', ['a{'], ['a']],
    ['(ab)*', ['', 'ab', 'abab'], ['aba']],
    ['(?:a|b)+c', ['abc', 'bbac'], ['c']],
    ['(?P<name>a)(?<other>b)', ['ab'], ['a']],
    ['[abc]', ['a', 'c'], ['d', 'ab']],
    ['[^abc]', ['d', '\n', 'é', '😀'], ['a', '']],
    ['[a-c-]', ['a', 'b', '-'], ['d']],
    ['[]a]', [']', 'a'], ['[']],
    ['[^]a]', ['b'], [']']],
    ['[[:alpha:]]+', ['abZ'], ['a1', 'é']],
    ['[[:^digit:]x1]', ['a', 'x', '1'], ['2']],
    ['[[:word:]]+', ['a_1'], ['-']],
    [String.raw`\d+\D\s\S\w\W`, ['12x yz-'], ['12x_yz-']],
    [String.raw`[\d\-x]+`, ['1-x'], ['y']],
    [String.raw`[^\d]`, ['a'], ['1']],
    [String.raw`\.\*\[\]\(\)\\\/\{\}\^\$\|\?\+`, [String.raw`.*[]()\/{}^$|?+`], []],
    [String.raw`\t\n\r\f\v\a`, ['\t\n\r\f\v\x07'], []],
    [String.raw`\x41\x{e9}\x{1F600}\101`, ['Aé😀A'], []],
    [String.raw`\Qa.b*\E+`, ['a.b*', 'a.b***'], ['a.b', 'axb*', 'a.b*a.b*']],
    [String.raw`x\Q\Ey\Q|)(`, ['xy|)('], ['x', 'xy']],
    ['(?i)straße', ['STRAßE', 'straße'], ['strasse']],
    ['(?i)k', ['k', 'K', '\u212a'], ['c']],
    ['(?i)[a-c]é', ['BÉ', 'cé'], ['dé']],
    ['(?i)[^a]', ['b'], ['a', 'A']],
    ['a(?i)b(?-i)c', ['aBc', 'abc'], ['abC', 'Abc']],
    ['a(?i:b)c', ['aBc'], ['aBC']],
    ['^abc$', ['abc'], ['abc\n']],
    ['a$\n^b', ['a\nb'], []],
    ['(?-m)a$\n^b', [], ['a\nb']],
    [String.raw`\Aa\z`, ['a'], ['a\n']],
    ['a^b', [], ['ab', 'a^b']],
    [String.raw`\bfoo\b.*`, ['foo', 'foo bar', 'foo-bar'], ['foobar']],
    [String.raw`.*\Boo`, ['foo'], ['f-oo', 'oo']],
    [String.raw`/tmp/[^/]+\.(sh|py)`, ['/tmp/x.sh', '/tmp/a.b.py'], ['/tmp/a/b.sh', '/tmp/.sh/']],
    ['[0-9]{1,3}([.][0-9]{1,3}){3}', ['10.0.0.255'], ['10.0.0', '1000.0.0.1']],
    ['[α-ω]+', ['αβγ'], ['abc', 'Α']],
    ['[€-￿]', ['€', '￿', '中'], ['¢', '😀']],
  ];
  it.each(cases)('%s', (pattern, yes, no) => {
    for (const text of yes) expect([text, matches(pattern, text)]).toEqual([text, true]);
    for (const text of no) expect([text, matches(pattern, text)]).toEqual([text, false]);
  });

  it('takes bytes that are no UTF-8 only with \\C', () => {
    const bytes = Uint8Array.of(0x61, 0xff, 0x62);
    expect(matches('a.b', bytes)).toBe(false);
    expect(matches('a[^x]b', bytes)).toBe(false);
    expect(matches(String.raw`a\Cb`, bytes)).toBe(true);
    expect(matches('.', Uint8Array.of(0xed, 0xa0, 0x80))).toBe(false);
    expect(matches('.', Uint8Array.of(0xc0, 0x80))).toBe(false);
  });
});

describe('what is wrong', () => {
  const cases: readonly (readonly [pattern: string, at: number, reason: string])[] = [
    ['a(b', 1, 'this "(" is never closed'],
    ['a)b', 1, 'this ")" closes nothing'],
    ['x[a', 1, 'this "[" is never closed'],
    ['x[a\\', 3, 'the pattern ends in a lone backslash'],
    ['[z-a]', 1, 'the range z-a runs backwards'],
    ['[[:foo:]]', 1, 'there is no class [:foo:]'],
    ['*a', 0, 'there is nothing before "*" that it could repeat'],
    ['(+)', 1, 'there is nothing before "+" that it could repeat'],
    ['a|{2}', 2, 'there is nothing before "{2}" that it could repeat'],
    ['a{5,2}', 1, '{5,2} ends before it begins'],
    ['a{1001}', 1, '{1001} is more than 1000 times'],
    ['a{2,1001}', 1, '{2,1001} is more than 1000 times'],
    ['b(a{100}){100}', 1, 'repetitions inside one another make more than 1000'],
    [String.raw`(a)\1`, 3, String.raw`references back to a group, as \1, do not exist here`],
    ['(?P<a>b)(?P=a)', 8, 'references back to a group do not exist here'],
    ['a(?=b)', 1, 'looking ahead with (?= does not exist here'],
    ['a(?!b)', 1, 'looking ahead with (?! does not exist here'],
    ['(?<=a)b', 0, 'looking behind with (?<= does not exist here'],
    ['(?<!a)b', 0, 'looking behind with (?<! does not exist here'],
    ['(?>a)', 0, 'there is no group "(?>"'],
    ['(?z)a', 0, 'there is no group "(?z"'],
    [String.raw`a\q`, 1, String.raw`there is no escape \q`],
    [String.raw`[\b]`, 1, String.raw`there is no escape \b`],
    ['a\\', 1, 'the pattern ends in a lone backslash'],
    [String.raw`\pL`, 0, String.raw`classes of Unicode, as \p, do not exist here; write the characters in brackets`],
    [String.raw`\x{110000}`, 0, String.raw`there is no escape \x`],
    ['('.repeat(1001), 1000, 'groups lie more than 1000 deep'],
    ['.{1000}.{1000}.{1000}', 0, 'it needs more than 20000 states; make its repetitions smaller'],
  ];
  it.each(cases)('%s', (pattern, at, reason) => {
    expect(compileRegex(pattern)).toEqual({ problem: { at, reason } });
  });

  it('is always said, whatever the pattern', () => {
    const piece = fc.constantFrom(
      ...'ab.*+?|()[]{}^$\\-,:=!<>dwsbx0123PQEiC ',
      '[:alpha:]',
      '(?',
      '(?i)',
      '{2,3}',
      'é',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
        const pattern = pieces.join('');
        const compiled = compileRegex(pattern);
        if ('regex' in compiled) return;
        expect(compiled.problem.at).toBeGreaterThanOrEqual(0);
        expect(compiled.problem.at).toBeLessThanOrEqual(pattern.length);
        expect(compiled.problem.reason).not.toBe('');
      }),
      { numRuns: count(100_000), seed: seed('regex garbage') },
    );
  });
});

/** Patterns that mean the same in JavaScript with the flags m and u. */
const atoms = [
  'a',
  'b',
  'c',
  '.',
  '[ab]',
  '[^a]',
  '\\d',
  '\\w',
  '\\s',
  '1',
  ' ',
  '\\.',
  '[a-c1]',
  '\\D',
  '\\W',
  '\\S',
  '_',
  'é',
  '[^é]',
  '\\b',
  '\\B',
  '^',
  '$',
  '\\x61',
];
const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
  pattern: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(...atoms),
    fc.array(tie('pattern'), { minLength: 2, maxLength: 3 }).map((parts) => parts.join('')),
    fc.tuple(tie('pattern'), tie('pattern')).map(([one, other]) => `(${one}|${other})`),
    fc
      .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '*?', '+?', '{0,2}', '{1,}'))
      .map(([part, repeat]) => `(?:${part})${repeat}`),
  ),
}));
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', ' ', '.', '_', 'é', 'x', '\n', 'A'), maxLength: 7 });

it('agrees with JavaScript on what both have', () => {
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 12 }), (source, texts) => {
      const compiled = compileRegex(source);
      if ('problem' in compiled) throw new Error(`${source}: ${compiled.problem.reason}`);
      const other = new RegExp(`(?<![^])(?:${source})(?![^])`, 'mu');
      for (const each of texts) expect([each, compiled.regex.test(bytesOf(each))]).toEqual([each, other.test(each)]);
    }),
    { numRuns: count(40_000), seed: seed('regex') },
  );
});

it('agrees with JavaScript on every character, in classes and without their case', () => {
  for (const source of ['[a-fÀ-ÿ\u0400-\uffff]', '(?i)[k-sß-ü]', '(?i)\u01c5', '[^\u{10000}-\u{10ffff}a]']) {
    const compiled = compileRegex(source);
    if ('problem' in compiled) throw new Error(compiled.problem.reason);
    const other = new RegExp(`^(?:${source.replace('(?i)', '')})$`, source.startsWith('(?i)') ? 'iu' : 'u');
    const wrong: string[] = [];
    for (let point = 0; point <= 0x10ffff; point += point < 0x3000 ? 1 : 97) {
      if (point >= 0xd800 && point <= 0xdfff) continue;
      const character = String.fromCodePoint(point);
      if (compiled.regex.test(bytesOf(character)) !== other.test(character)) wrong.push(character);
    }
    expect(wrong).toEqual([]);
  }
});

it('needs no more steps than text times pattern, also past what it keeps', () => {
  expect(matches('(a?){200}a{200}', 'a'.repeat(200))).toBe(true);
  expect(matches('(x+x+)+y', 'x'.repeat(20_000))).toBe(false);
  expect(matches('((a|aa)+)+c', 'a'.repeat(20_000))).toBe(false);
  const text = Array.from({ length: 6000 }, (_, index) => (((index * index) >> 3) % 3 === 0 ? 'a' : 'b')).join('');
  expect(matches('(.|\n)*a(.|\n){14}', text)).toBe(text.at(-15) === 'a');
  expect(matches('(.|\n)*b(.|\n){14}', text)).toBe(text.at(-15) === 'b');
});
