import { describe, expect, it } from 'vitest';
import { parseTemplate } from '../../../rules/index.ts';

const problemsOf = (text: string): readonly string[] =>
  parseTemplate(text).problems.map(
    ({ severity, code, span, message }) => `${severity} ${code} at ${span.start}-${span.end}: ${message}`,
  );

const plain = (name: string, more: object = {}) => ({ name, transformers: [], ...more });

describe('templates that are right', () => {
  const cases: readonly (readonly [text: string, parts: readonly unknown[]])[] = [
    ['', []],
    ['no field', ['no field']],
    ['%proc.name', [plain('proc.name')]],
    [
      '*%evt.time: file=%fd.name, by %proc.name.',
      ['*', plain('evt.time'), ': file=', plain('fd.name'), ', by ', plain('proc.name'), '.'],
    ],
    ['%proc.name.Then', [plain('proc.name'), '.Then']],
    [
      '%proc.aname[2]|%evt.arg.flags|%evt.arg[flags]|%evt.arg["mode"]',
      [
        plain('proc.aname', { argument: '2' }),
        '|',
        plain('evt.arg', { argument: 'flags' }),
        '|',
        plain('evt.arg', { argument: 'flags' }),
        '|',
        plain('evt.arg', { argument: 'mode' }),
      ],
    ],
    ['[%20proc.name]', ['[', plain('proc.name', { width: 20 }), ']']],
    ['%toupper(proc.name)!', [{ name: 'proc.name', transformers: ['toupper'] }, '!']],
    ['%8toupper(basename(proc.exepath))', [{ name: 'proc.exepath', width: 8, transformers: ['basename', 'toupper'] }]],
    [
      '%concat(fd.sip, ":", fd.sport)|%len(getopt(proc.args, "c:"))',
      [
        expect.objectContaining({
          name: 'fd.sip',
          transformers: [],
          expression: expect.objectContaining({ transformer: 'concat' }),
        }),
        '|',
        expect.objectContaining({ name: 'proc.args', transformers: ['len'] }),
      ],
    ],
    ['100%% of %proc.pid', ['100% of ', plain('proc.pid')]],
    ['ünï %proc.name', ['ünï ', plain('proc.name')]],
  ];
  it.each(cases)('%s', (text, parts) => {
    expect(problemsOf(text)).toEqual([]);
    expect(parseTemplate(text).template).toEqual({ text, parts });
  });
});

describe('templates that are wrong', () => {
  const cases: readonly (readonly [text: string, ...problems: string[]])[] = [
    ['by %proc.nam', 'error unknown-field at 4-12: There is no field "proc.nam"; did you mean "proc.name"?'],
    ['100%', 'error bad-placeholder at 3-4: Expected a field after this %; write %% for a percent sign.'],
    ['5% of', 'error bad-placeholder at 1-2: Expected a field after this %; write %% for a percent sign.'],
    ['%toupr(proc.name)', 'error unknown-transformer at 1-6: There is no transformer "toupr"; did you mean "toupper"?'],
    ['%val(proc.name)', 'error unknown-transformer at 1-4: There is no transformer "val".'],
    [
      '%join(proc.aname) x',
      'error wrong-operand at 1-17: join takes a text and a list, but found proc.aname (several texts).',
    ],
    ['%concat(proc.nam, "x")', 'error unknown-field at 8-16: There is no field "proc.nam"; did you mean "proc.name"?'],
    ['%concat("a", "b")', 'error bad-placeholder at 0-17: Expected a field after this %; write %% for a percent sign.'],
    [
      '%toupper(proc.name',
      'error bad-placeholder at 0-18: Expected a ")" behind the field after this %; write %% for a percent sign.',
    ],
    [
      '%proc.name[3]',
      'error unexpected-argument at 1-13: The field "proc.name" takes nothing in brackets; remove them.',
    ],
    ['%evt.arg', 'error missing-argument at 1-8: The field "evt.arg" needs an argument\'s name in brackets.'],
    [
      '%proc.stdin.type',
      'warning unavailable-field at 1-16: The field "proc.stdin.type" is known to Falco but not supported yet; it will print as <NA>.',
    ],
  ];
  it.each(cases)('%s', (text, ...problems) => expect(problemsOf(text)).toEqual(problems));

  it('reports all of them', () => {
    expect(parseTemplate('%a.b %proc.nme % %foo(proc.name)').problems.map(({ code }) => code)).toEqual([
      'unknown-field',
      'unknown-field',
      'bad-placeholder',
      'unknown-transformer',
    ]);
  });
});
