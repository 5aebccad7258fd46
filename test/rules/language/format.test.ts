import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { expressionText, formatCondition, type ParsedCondition, parseCondition } from '../../../rules/index.ts';
import { casesFolder } from '../../support/cases.ts';
import { count, seed } from '../../support/counts.ts';

/** What a condition says, with chains of one connective as one. */
const meaning = (node: ParsedCondition): unknown => {
  switch (node.kind) {
    case 'and':
    case 'or': {
      const flat = (inner: ParsedCondition): readonly ParsedCondition[] =>
        inner.kind === node.kind ? (inner as typeof node).operands.flatMap(flat) : [inner];
      return [node.kind, ...flat(node).map(meaning)];
    }
    case 'not':
      return ['not', meaning(node.operand)];
    case 'macro':
      return node.name;
    case 'error':
      return '?';
    case 'predicate':
      return [
        node.left === undefined ? [node.field.name, node.field.argument] : expressionText(node.left),
        node.operator,
        node.modifier,
        node.listName,
        node.values.map(({ text, quoted }) => [text, quoted]),
        node.right === undefined ? undefined : expressionText(node.right),
      ];
  }
};

const meaningOf = (text: string): unknown => {
  const { condition, problems } = parseCondition(text);
  expect(problems).toEqual([]);
  return condition && meaning(condition);
};

describe('the canonical form', () => {
  const cases: readonly (readonly [text: string, canonical: string])[] = [
    ['proc.name==bash', 'proc.name = bash'],
    ['  a  and(b)or   not(c)', 'a and b or not c'],
    ['((a or b))and((c and d))', '(a or b) and c and d'],
    ['(a and b) or (c and (d or e))', 'a and b or c and (d or e)'],
    ['not(a or b)', 'not (a or b)'],
    ['not (proc.name=x)', 'not proc.name = x'],
    ['not not a', 'not not a'],
    ['proc.name in(a,"b c" ,\'d\')', 'proc.name in (a, "b c", \'d\')'],
    ['proc.name in ( )', 'proc.name in ()'],
    ['proc.name in shells', 'proc.name in shells'],
    ['proc.name startswith  anyof(a,b)', 'proc.name startswith anyof (a, b)'],
    ['tolower(  basename( fd.name ))!=x', 'tolower(basename(fd.name)) != x'],
    ['concat(fd.sip ,", " , fd.sport)=x', 'concat(fd.sip, ", ", fd.sport) = x'],
    ['getopt(proc.args,"c:")[c]exists', 'getopt(proc.args, "c:")[c] exists'],
    ['proc.name= val( proc.pname )', 'proc.name = val(proc.pname)'],
    ['evt.arg.flags contains O_CREAT and evt.arg["mode"]=1', 'evt.arg.flags contains O_CREAT and evt.arg["mode"] = 1'],
    ['fd.num>=0x10', 'fd.num >= 0x10'],
    [String.raw`proc.args contains "a\"b  \x41"`, String.raw`proc.args contains "a\"b  \x41"`],
    ['a\n  and b\n\tor c\r\n', 'a and b or c'],
  ];
  it.each(cases)('%s', (text, canonical) => {
    expect(formatCondition(text)).toBe(canonical);
  });

  it('stands on several lines where one is too short', () => {
    const text =
      'evt.type in (open, openat) and (fd.name startswith /etc or fd.name startswith /usr) and not (proc.name in (a, b) or proc.args contains "x y" and trusted)';
    expect(formatCondition(text, { width: 60 })).toBe(
      [
        'evt.type in (open, openat)',
        'and (fd.name startswith /etc or fd.name startswith /usr)',
        'and not (',
        '  proc.name in (a, b)',
        '  or proc.args contains "x y" and trusted',
        ')',
      ].join('\n'),
    );
    expect(formatCondition(text, { width: 36, indent: 4 })).toBe(
      [
        'evt.type in (open, openat)',
        'and (',
        '    fd.name startswith /etc',
        '    or fd.name startswith /usr',
        ')',
        'and not (',
        '    proc.name in (a, b)',
        '    or proc.args contains "x y"',
        '        and trusted',
        ')',
      ].join('\n'),
    );
    expect(formatCondition(text, { width: 1000 })).toBe(text);
  });

  it('breaks long lists', () => {
    expect(formatCondition('not proc.name in (aaaa, bbbb, cccc, dddd, eeee) or x', { width: 29 })).toBe(
      ['not proc.name in (', '  aaaa, bbbb, cccc, dddd,', '  eeee', ')', 'or x'].join('\n'),
    );
  });

  it('is not had of what does not parse', () => {
    for (const text of ['', 'a and', 'a b', '(a', 'proc.name = "x', 'proc.name startwith x']) {
      expect(formatCondition(text)).toBeUndefined();
    }
  });

  it('of a deep condition ends soon', () => {
    const deep = (depth: number): string => (depth === 0 ? 'a' : `not (b or (c and ${deep(depth - 1)}))`);
    const text = deep(200);
    const formatted = formatCondition(text);
    expect(meaningOf(formatted ?? '')).toEqual(meaningOf(text));
    expect(formatCondition(formatted ?? '')).toBe(formatted);
  });
});

const leaf = fc.constantFrom(
  'a',
  'spawned_process',
  'proc.name==x',
  'proc.name in (a,"b, c", \'d (\')',
  'proc.name in shells',
  'fd.num>=0',
  'proc.pname exists',
  'tolower( proc.name )=x',
  'concat(proc.name,"  ",proc.pname)  startswith anyof(a , b)',
  'proc.name!=val(proc.pname)',
  'fd.name pmatch (/usr/local/lib/somewhere,/usr/local/lib/elsewhere,/opt/another/folder)',
  'evt.arg["a b"]=1',
);
const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    tie('condition').map((of) => `not (${of})`),
    tie('condition').map((of) => `(${of})`),
    fc
      .tuple(fc.constantFrom(' and ', ' or '), fc.array(tie('condition'), { minLength: 2, maxLength: 5 }))
      .map(([connective, of]) => `(${of.join(connective)})`),
  ),
}));

it('says the same, once and for all, within its width', () => {
  fc.assert(
    fc.property(condition, fc.constantFrom(20, 60, 100), fc.constantFrom(2, 4), (text, width, indent) => {
      const options = { width, indent };
      const formatted = formatCondition(text, options);
      expect(formatted).toBeDefined();
      expect(meaningOf(formatted ?? '')).toEqual(meaningOf(text));
      expect(formatCondition(formatted ?? '', options)).toBe(formatted);
      const lines = formatted?.split('\n') ?? [];
      expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
      if (width === 100) expect(lines.filter((line) => line.length > 140)).toEqual([]);
    }),
    { numRuns: count(30_000), seed: seed('format') },
  );
});

const folder = casesFolder('falco');

it.skipIf(folder === undefined)('says the same of the public rules', () => {
  for (const file of ['falco_rules.yaml', 'falco-incubating_rules.yaml']) {
    const entries: readonly { readonly condition?: string }[] = parse(readFileSync(join(folder ?? '', file), 'utf8'));
    for (const { condition: text } of entries) {
      if (text === undefined) continue;
      const formatted = formatCondition(text);
      expect(meaningOf(formatted ?? '')).toEqual(meaningOf(text));
      expect(formatCondition(formatted ?? '')).toBe(formatted);
    }
  }
});
