import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expressionText, type ParsedCondition, parseCondition } from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';

/** A tree as a short text: `or(a, and(b, not(c = "d")))`; an error is `?`. */
const show = (node: ParsedCondition | undefined): string => {
  if (node === undefined) return 'nothing';
  switch (node.kind) {
    case 'and':
    case 'or':
      return `${node.kind}(${node.operands.map(show).join(', ')})`;
    case 'not':
      return `not(${show(node.operand)})`;
    case 'macro':
      return node.name;
    case 'error':
      return '?';
    case 'predicate': {
      const field = node.field.argument === undefined ? node.field.name : `${node.field.name}[${node.field.argument}]`;
      const values = node.values.map((value) => (value.quoted ? JSON.stringify(value.text) : value.text)).join(' ');
      const left = node.left === undefined ? field : expressionText(node.left);
      const right = node.right === undefined ? values : `<${expressionText(node.right)}>`;
      const operator = node.modifier === undefined ? node.operator : `${node.operator} ${node.modifier}`;
      return `${left} ${operator}${node.listName ? ' list' : ''} ${right}`.trim();
    }
  }
};

/** Problems as `code at start-end: message`. */
const problemsOf = (text: string): readonly string[] =>
  parseCondition(text).problems.map(({ code, span, message }) => `${code} at ${span.start}-${span.end}: ${message}`);

describe('conditions that are right', () => {
  const cases: readonly (readonly [text: string, tree: string])[] = [
    ['proc.name = bash', 'proc.name = bash'],
    ['proc.name==bash', 'proc.name = bash'],
    ['proc.name!="sshd"', 'proc.name != "sshd"'],
    ['fd.num>=0', 'fd.num >= 0'],
    ['evt.rawres < -0x10', 'evt.rawres < -0x10'],
    ['a or b and c', 'or(a, and(b, c))'],
    ['a and b or c and d', 'or(and(a, b), and(c, d))'],
    ['(a or b) and c', 'and(or(a, b), c)'],
    ['not a and b', 'and(not(a), b)'],
    ['not(a and b)', 'not(and(a, b))'],
    ['not not a', 'not(not(a))'],
    ['a and(b)or(c)', 'or(and(a, b), c)'],
    ['not proc.name = x or y', 'or(not(proc.name = x), y)'],
    ['proc.pname exists and a', 'and(proc.pname exists, a)'],
    ['not proc.pname exists', 'not(proc.pname exists)'],
    ['proc.name in (a, "b c",d)', 'proc.name in a "b c" d'],
    ['proc.name in(a)', 'proc.name in a'],
    ['proc.name in ()', 'proc.name in'],
    ['proc.name in shells', 'proc.name in list shells'],
    ['fd.name pmatch (/etc, /usr/lib)', 'fd.name pmatch /etc /usr/lib'],
    ['proc.args intersects ("-V", "-l")', 'proc.args intersects "-V" "-l"'],
    ['proc.aname[2]=linux-bench', 'proc.aname[2] = linux-bench'],
    ['evt.arg[flags] contains X', 'evt.arg[flags] contains X'],
    ['evt.arg["flags"] contains X', 'evt.arg[flags] contains X'],
    ['evt.arg.flags contains X', 'evt.arg[flags] contains X'],
    ['proc.pname in (runc:[0:PARENT], exe)', 'proc.pname in runc:[0:PARENT] exe'],
    ['(fd.name glob /proc/*/environ)', 'fd.name glob /proc/*/environ'],
    ["fd.name contains '/.ssh/'", 'fd.name contains "/.ssh/"'],
    [
      'fd.name icontains x or fd.name iglob y or fd.name regex z',
      'or(fd.name icontains x, fd.name iglob y, fd.name regex z)',
    ],
    ['fd.name startswith /etc and fd.name endswith .conf', 'and(fd.name startswith /etc, fd.name endswith .conf)'],
    ['a\n  and\tb\r\n', 'and(a, b)'],
    ['order and android', 'and(order, android)'],
    [String.raw`proc.args = "a\"b\'c\\d\/e\n\t\x41\xc3\xa4"`, `proc.args = ${JSON.stringify('a"b\'c\\d/e\n\tAä')}`],
    [`proc.args = 'say "hi"'`, `proc.args = ${JSON.stringify('say "hi"')}`],
    ['proc.args = ""', 'proc.args = ""'],
    ['tolower(proc.name) = x and a', 'and(tolower(proc.name) = x, a)'],
    ['tolower( basename ( fd.name ) )=x', 'tolower(basename(fd.name)) = x'],
    ['len(proc.aname) > 3', 'len(proc.aname) > 3'],
    ['b64(evt.arg[data]) contains x', 'b64(evt.arg[data]) contains x'],
    ['join("->", proc.aname) startswith a', 'join("->", proc.aname) startswith a'],
    ['concat(fd.rip,":",fd.rport) in (a, b)', 'concat(fd.rip, ":", fd.rport) in a b'],
    ['getopt(proc.args, "c:")[c] = x', 'getopt(proc.args, "c:")[c] = x'],
    ['getopt(proc.args, "c:")["c"] exists', 'getopt(proc.args, "c:")[c] exists'],
    ['proc.name = val(proc.pname)', 'proc.name = <val(proc.pname)>'],
    ['proc.name != toupper(val(proc.pname)) or a', 'or(proc.name != <toupper(val(proc.pname))>, a)'],
    ['proc.name in tolower(proc.aname)', 'proc.name in <tolower(proc.aname)>'],
    ['fd.num < val(proc.pid)', 'fd.num < <val(proc.pid)>'],
    ['evt.buffer bcontains dead and a', 'and(evt.buffer bcontains dead, a)'],
    ['evt.buffer bstartswith CAFE', 'evt.buffer bstartswith CAFE'],
    ['proc.name startswith oneof (a, b) and c', 'and(proc.name startswith oneof a b, c)'],
    ['proc.name = anyof(a)', 'proc.name = anyof a'],
    ['proc.name != allof ()', 'proc.name != allof'],
    ['proc.name regex anyof shells and a', 'and(proc.name regex anyof list shells, a)'],
    ['proc.name = oneof and a', 'and(proc.name = oneof, a)'],
    ['proc.name = anyof', 'proc.name = anyof'],
    ['proc.name = tolower', 'proc.name = tolower'],
    ['tolower and len', 'and(tolower, len)'],
    ['proc.name regex "^a.*$" or b', 'or(proc.name regex "^a.*$", b)'],
  ];
  it.each(cases)('%s', (text, tree) => {
    const { condition, problems } = parseCondition(text);
    expect(problems).toEqual([]);
    expect(show(condition)).toBe(tree);
  });

  it('gives spans that cut the node out of the text', () => {
    const text = '  (proc.name = bash) and not evt.arg[flags] in (a, "b")';
    const { condition } = parseCondition(text);
    const cut = ({ span }: { span: { start: number; end: number } }): string => text.slice(span.start, span.end);
    if (condition?.kind !== 'and') throw new Error('expected an and');
    const [first, second] = condition.operands;
    if (first?.kind !== 'predicate' || second?.kind !== 'not' || second.operand.kind !== 'predicate')
      throw new Error('tree');
    expect([cut(condition), cut(first), cut(first.field), ...first.values.map(cut)]).toEqual([
      'proc.name = bash) and not evt.arg[flags] in (a, "b")',
      'proc.name = bash',
      'proc.name',
      'bash',
    ]);
    expect([cut(second), cut(second.operand), cut(second.operand.field), ...second.operand.values.map(cut)]).toEqual([
      'not evt.arg[flags] in (a, "b")',
      'evt.arg[flags] in (a, "b")',
      'evt.arg[flags]',
      'a',
      '"b"',
    ]);
  });
});

describe('conditions that are wrong', () => {
  const cases: readonly (readonly [text: string, tree: string, ...problems: string[]])[] = [
    ['', 'nothing', 'empty at 0-0: The condition is empty; expected a comparison such as "proc.name = bash".'],
    [' \n', 'nothing', 'empty at 0-2: The condition is empty; expected a comparison such as "proc.name = bash".'],
    ['a and', 'and(a, ?)', 'syntax at 5-5: Expected a field or a macro, but found the end.'],
    ['and a', 'and(?, a)', 'syntax at 0-3: Expected a field or a macro, but found "and".'],
    ['a or or b', 'or(a, ?, b)', 'syntax at 5-7: Expected a field or a macro, but found "or".'],
    ['not', 'not(?)', 'syntax at 3-3: Expected a field or a macro, but found the end.'],
    ['(a', 'a', 'unclosed-parenthesis at 0-1: This "(" is never closed; add a ")".'],
    [
      'a)) and b',
      'and(a, b)',
      'unopened-parenthesis at 1-2: This ")" closes nothing; remove it or add a "(" before it.',
      'unopened-parenthesis at 2-3: This ")" closes nothing; remove it or add a "(" before it.',
    ],
    ['() and a', 'and(?, a)', 'syntax at 1-2: Expected a field or a macro, but found ")".'],
    ['a b', 'and(a, b)', 'syntax at 2-3: Expected and, or or the end of the condition, but found "b".'],
    ['a AND b', 'and(a, b)', 'syntax at 2-5: Expected and, or or the end of the condition, but found "AND".'],
    [
      'a || b && c',
      'or(a, and(b, c))',
      'syntax at 2-4: Expected and, or or the end of the condition, but found "||".',
      'syntax at 7-9: Expected and, or or the end of the condition, but found "&&".',
    ],
    ['!a', 'not(a)', 'syntax at 0-1: Expected not, but found "!".'],
    [
      'proc.name',
      '?',
      'missing-operator at 0-9: The field "proc.name" is not compared with anything; expected an operator such as = or in.',
    ],
    [
      'proc.name and a',
      'and(?, a)',
      'missing-operator at 0-9: The field "proc.name" is not compared with anything; expected an operator such as = or in.',
    ],
    [
      'proc.name startwith x and a',
      'and(?, a)',
      'unknown-operator at 10-19: There is no operator "startwith"; did you mean "startswith"?',
    ],
    ['proc.name is x', '?', 'unknown-operator at 10-12: There is no operator "is"; did you mean "="?'],
    [
      'proc.name =',
      '?',
      'missing-value at 11-11: Expected a value after "proc.name =", but found the end; put quotes around a value that looks like that.',
    ],
    [
      'proc.name = and a',
      'and(?, a)',
      'missing-value at 12-15: Expected a value after "proc.name =", but found "and"; put quotes around a value that looks like that.',
    ],
    [
      'proc.name = (a, b) or c',
      'or(?, c)',
      'list-not-allowed at 12-18: The operator = takes one value, not a list; use in.',
    ],
    ['proc.name in (a b) or c', 'or(?, c)', 'syntax at 16-17: Expected "," or ")", but found "b".'],
    ['proc.name in (a, ) or c', 'or(?, c)', 'syntax at 17-18: Expected a value, but found ")".'],
    ['proc.name in (a, b or c', 'or(?, c)', 'unclosed-parenthesis at 13-14: This "(" is never closed; add a ")".'],
    [
      'proc.args contains a=b and c',
      'and(proc.args contains a, c)',
      'syntax at 20-22: Expected a blank or quotes around the whole value, but found "=b".',
    ],
    [
      'proc.args = "a and b',
      'proc.args = "a and b"',
      'unclosed-quote at 12-20: This text is never closed; add a " at its end.',
    ],
    [
      String.raw`proc.args = "\d"`,
      'proc.args = "d"',
      String.raw`bad-escape at 13-15: The escape \d does not exist here; expected \b, \f, \n, \r, \t, \\, \/, \", \' or \xHH.`,
    ],
    [
      String.raw`proc.args = "\xff"`,
      'proc.args = ""',
      String.raw`bad-escape at 13-17: The escape \xff does not exist here; expected bytes that are UTF-8.`,
    ],
    ['"bash" = proc.name and a', 'and(?, a)', 'syntax at 0-6: Expected a field or a macro, but found "bash".'],
    ['7 < fd.num or a', 'or(?, a)', 'syntax at 0-1: Expected a field or a macro, but found "7".'],
    ['proc.aname[2 = x', 'proc.aname[2] = x', 'syntax at 13-14: Expected "]", but found "=".'],
    [
      'tolowr(proc.name) = x and a',
      'and(?, a)',
      'unknown-transformer at 0-6: There is no transformer "tolowr"; did you mean "tolower"?',
    ],
    [
      'val(proc.name) = x and a',
      'and(?, a)',
      'misplaced-val at 0-3: val(...) stands on the right side of an operator only; write the field itself.',
    ],
    ['tolower(proc.name', '?', 'unclosed-parenthesis at 7-8: This "(" is never closed; add a ")".'],
    ['tolower(proc.name and b', 'and(?, b)', 'unclosed-parenthesis at 7-8: This "(" is never closed; add a ")".'],
    [
      'tolower() = x or a',
      'or(?, a)',
      'syntax at 8-9: Expected a field, a transformer or a text in quotes, but found ")".',
    ],
    [
      'tolower(spawned) = x or a',
      'or(?, a)',
      'syntax at 8-15: Expected a field, a transformer or a text in quotes, but found "spawned".',
    ],
    [
      'concat(proc.name proc.pname) = x or a',
      'or(?, a)',
      'syntax at 17-27: Expected "," or ")", but found "proc.pname".',
    ],
    [
      'tolower(toloer(proc.name)) = x or a',
      'or(?, a)',
      'unknown-transformer at 8-14: There is no transformer "toloer"; did you mean "tolower"?',
    ],
    [
      'tolower(proc.name) and a',
      'and(?, a)',
      'missing-operator at 0-18: The field "tolower(proc.name)" is not compared with anything; expected an operator such as = or in.',
    ],
    [
      'tolower(proc.name) startwith x and a',
      'and(?, a)',
      'unknown-operator at 19-28: There is no operator "startwith"; did you mean "startswith"?',
    ],
    [
      'concat("a", "b") = x or a',
      'or(?, a)',
      'no-field at 0-16: "concat("a", "b")" names no field, so that there is nothing to compare.',
    ],
    [
      'proc.name = vall(proc.pname) or a',
      'or(?, a)',
      'unknown-transformer at 12-16: There is no transformer "vall"; did you mean "val"?',
    ],
    ['proc.name = val("x") or a', 'or(proc.name = <val("x")>, a)'],
    [
      'fd.num < anyof (1, 2) or a',
      'or(?, a)',
      'modifier-not-allowed at 9-14: anyof stands after =, != and the operators of texts that take one value, not after <.',
    ],
    [
      'proc.name startswith (a, b) or c',
      'or(?, c)',
      'list-not-allowed at 21-27: The operator startswith takes one value, not a list; write "startswith anyof" before a list.',
    ],
    ['fd.num < (1, 2) or c', 'or(?, c)', 'list-not-allowed at 9-15: The operator < takes one value, not a list.'],
    ['proc.name contains allof (a b) or c', 'or(?, c)', 'syntax at 28-29: Expected "," or ")", but found "b".'],
  ];
  it.each(cases)('%s', (text, tree, ...problems) => {
    expect(problemsOf(text)).toEqual(problems);
    expect(show(parseCondition(text).condition)).toBe(tree);
  });

  it('reports ten mistakes of one condition at once', () => {
    const text = [
      'proc.name',
      'and proc.name startwith x',
      'and proc.name = (a, b)',
      'AND fd.name in (a b)',
      'and fd.name =',
      'or or b',
      'and 5 = x',
      'and proc.aname[2 = y',
      'and c)',
      'and proc.args = "open',
    ].join('\n');
    expect(problemsOf(text)).toEqual([
      'missing-operator at 0-9: The field "proc.name" is not compared with anything; expected an operator such as = or in.',
      'unknown-operator at 24-33: There is no operator "startwith"; did you mean "startswith"?',
      'list-not-allowed at 52-58: The operator = takes one value, not a list; use in.',
      'syntax at 59-62: Expected and, or or the end of the condition, but found "AND".',
      'syntax at 77-78: Expected "," or ")", but found "b".',
      'missing-value at 94-96: Expected a value after "fd.name =", but found "or"; put quotes around a value that looks like that.',
      'syntax at 97-99: Expected a field or a macro, but found "or".',
      'syntax at 106-107: Expected a field or a macro, but found "5".',
      'syntax at 129-130: Expected "]", but found "=".',
      'unopened-parenthesis at 138-139: This ")" closes nothing; remove it or add a "(" before it.',
      'unclosed-quote at 156-161: This text is never closed; add a " at its end.',
    ]);
  });
});

describe('depth', () => {
  const nested = (depth: number): string => `${'('.repeat(depth)}a${')'.repeat(depth)}`;
  const message = 'The condition is nested more than 1000 levels deep; split it into several rules.';

  it('allows 1,000 levels', () => {
    expect(problemsOf(nested(1000))).toEqual([]);
    expect(problemsOf(`${'not '.repeat(1000)}a`)).toEqual([]);
  });

  it('allows and refuses transformers as deep', () => {
    const calls = (depth: number): string => `${'tolower('.repeat(depth)}proc.name${')'.repeat(depth)} = x`;
    expect(problemsOf(calls(1000))).toEqual([]);
    expect(problemsOf(calls(1001))).toEqual([`too-deep at 8008-8009: ${message}`]);
    expect(problemsOf(calls(100_000))).toEqual([`too-deep at 8008-8009: ${message}`]);
  });

  it.each([1001, 200_000])('refuses %d levels with one problem', (depth) => {
    expect(problemsOf(nested(depth))).toEqual([`too-deep at 1001-1002: ${message}`]);
    expect(problemsOf(`${'not '.repeat(depth)}a`)).toEqual([`too-deep at ${depth * 4}-${depth * 4 + 1}: ${message}`]);
    expect(problemsOf('not ('.repeat(depth))).toEqual([`too-deep at 2504-2505: ${message}`]);
  });
});

type Tree =
  | { readonly kind: 'leaf'; readonly text: string }
  | { readonly kind: 'not'; readonly of: Tree }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Tree[] };

const RANK = { or: 0, and: 1, not: 2, leaf: 3 } as const;

/** Prints with no more parentheses than precedence asks for. */
const print = (tree: Tree): string => {
  const inner = (child: Tree, least: number): string => (RANK[child.kind] < least ? `(${print(child)})` : print(child));
  if (tree.kind === 'leaf') return tree.text;
  if (tree.kind === 'not') return `not ${inner(tree.of, RANK.not)}`;
  return tree.of.map((child) => inner(child, RANK[tree.kind] + 1)).join(` ${tree.kind} `);
};

const expected = (tree: Tree): string => {
  if (tree.kind === 'leaf') return tree.text;
  return tree.kind === 'not' ? `not(${expected(tree.of)})` : `${tree.kind}(${tree.of.map(expected).join(', ')})`;
};

const trees = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc
      .constantFrom('a', 'proc.name = x', 'fd.num >= 0', 'proc.pname exists', 'fd.name in x y')
      .map((text): Tree => ({ kind: 'leaf', text })),
    tie('tree').map((of): Tree => ({ kind: 'not', of })),
    fc
      .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(tie('tree'), { minLength: 2, maxLength: 4 }))
      .map(([kind, of]): Tree => ({ kind, of })),
  ),
})).tree;

/** Conditions as people write them, to be damaged. */
const WRITTEN = [
  'evt.type in (open, openat) and fd.name startswith /etc and not proc.name in (sshd, "my shell")',
  'tolower(basename(proc.exepath)) = nc or getopt(proc.args, "e:c:")[e] exists',
  'proc.name startswith oneof (kube-, etcd-) and (fd.sip != 10.0.0.1 or fd.snet in (10.0.0.0/8))',
  'not (proc.name = val(proc.pname) and concat(fd.rip, ":", fd.rport) != "8.8.8.8:53")',
  `proc.aname[2] = x and evt.arg["flags"] contains O_CREAT and proc.cmdline regex 'a(b|c)*\\d{2}'`,
];

describe('properties', () => {
  it('reads back what was printed with the fewest parentheses', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const { condition, problems } = parseCondition(print(tree).replaceAll('x y', '(x, y)'));
        expect(problems).toEqual([]);
        expect(show(condition)).toBe(expected(tree));
      }),
      { numRuns: count(100_000), seed: seed('print and reparse') },
    );
  });

  it('reports a damaged condition within its text, and gives no tree without a problem that is not whole', () => {
    const damage = fc.tuple(
      fc.constantFrom(...WRITTEN),
      fc.array(
        fc.tuple(
          fc.nat(120),
          fc.constantFrom(0, 1, 2, 5),
          fc.constantFrom('', '(', ')', '"', ' and ', ' or', ',', '[', '\\', ' not ', '=', ' in '),
        ),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
    );
    fc.assert(
      fc.property(damage, ([written, changes]) => {
        let text = written;
        for (const [at, cut, put] of changes) text = text.slice(0, at) + put + text.slice(at + cut);
        const { condition, problems } = parseCondition(text);
        const outside = problems.filter(
          ({ span: { start, end }, message }) =>
            start < 0 || start > end || end > text.length || message.includes('undefined'),
        );
        expect(outside).toEqual([]);
        expect(problems.length).toBeLessThanOrEqual(text.length + 1);
        if (condition === undefined || show(condition).includes('?')) expect(problems).not.toEqual([]);
      }),
      { numRuns: count(50_000), seed: seed('damaged conditions') },
    );
  });

  it('takes no longer for long garbage than its length', () => {
    for (const piece of [
      '(',
      ')',
      'a ',
      'not(',
      'tolower(',
      '"',
      'a = (',
      'a in (b ',
      ', ',
      'and ',
      '[',
      'a[',
      'a = b c ',
    ]) {
      const { problems } = parseCondition(piece.repeat(5_000));
      expect(problems.length).toBeLessThanOrEqual(15_001);
    }
  });

  it('ends on any text, with spans inside it', () => {
    const piece = fc.constantFrom(
      'and',
      'or',
      'not',
      '(',
      ')',
      ' ',
      ' ',
      'proc.name',
      'a',
      '=',
      '!=',
      'in',
      '"',
      "'",
      '\\',
      ',',
      '[',
      ']',
      '!',
      '5',
      'tolower',
      'exists',
      '&&',
      '\n',
      'é',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
        (text) => {
          const { condition, problems } = parseCondition(text);
          for (const { span } of problems) {
            expect(span.start).toBeLessThanOrEqual(span.end);
            expect(span.end).toBeLessThanOrEqual(text.length);
          }
          const broken = condition === undefined || show(condition).includes('?');
          if (broken) expect(problems).not.toEqual([]);
        },
      ),
      { numRuns: count(200_000), seed: seed('any text') },
    );
  });
});
