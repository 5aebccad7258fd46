import { describe, expect, it } from 'vitest';
import {
  type Condition,
  type Expression,
  evaluate,
  expressionText,
  type FieldValue,
  parseCondition,
  resolveCondition,
  Truth,
  truthOn,
} from '../../../rules/index.ts';

const LISTS: Readonly<Record<string, readonly string[]>> = { shells: ['bash', 'sh'], none: [], regexes: ['a.*', '(b'] };
const NAMES = {
  list: (name: string) => LISTS[name],
  macro: () => undefined,
  knownLists: () => Object.keys(LISTS),
  knownMacros: () => [],
};

const resolve = (text: string) => {
  const { condition, problems } = parseCondition(text);
  if (condition === undefined || problems.length > 0) throw new Error(problems.map(({ message }) => message).join());
  return resolveCondition(condition, NAMES);
};

const conditionOf = (text: string): Condition => {
  const { condition, problems } = resolve(text);
  if (condition === undefined) throw new Error(problems.map(({ message }) => message).join());
  return condition;
};

const show = (node: Condition): string => {
  switch (node.kind) {
    case 'and':
    case 'or':
      return `${node.kind}(${node.operands.map(show).join(', ')})`;
    case 'not':
      return `not(${show(node.operand)})`;
    case 'constant':
      return String(node.value);
    case 'predicate': {
      const left: Expression = node.left ?? { kind: 'field', field: node.field, span: node.span };
      const values = node.constants.map((constant) => String(constant.value)).join('|');
      return `${expressionText(left)} ${node.operator} ${node.right === undefined ? values : expressionText(node.right)}`;
    }
  }
};

describe('what is wrong with transformers, val and modifiers', () => {
  const cases: readonly (readonly [text: string, ...problems: string[]])[] = [
    ['tolower(fd.num) = x', 'wrong-operand at 0-15: tolower takes one text or list, but found fd.num (a number).'],
    [
      'tolower(proc.name, proc.pname) = x',
      'wrong-operand at 0-30: tolower takes one text or list, but found proc.name, proc.pname (a text and a text).',
    ],
    ['len(fd.num) > 3', 'wrong-operand at 0-11: len takes one text or list, but found fd.num (a number).'],
    [
      'join(proc.aname, ",") = x',
      'wrong-operand at 0-21: join takes a text and a list, but found proc.aname, "," (several texts and a text).',
    ],
    [
      'concat(proc.name) = x',
      'wrong-operand at 0-17: concat takes two or more single values, but found proc.name (a text).',
    ],
    [
      'getopt(proc.args) = x',
      'wrong-operand at 0-17: getopt takes the arguments and a text of options, but found proc.args (a text).',
    ],
    [
      'getopt(proc.args, "c:")[cd] = x',
      'bad-argument at 0-27: "cd" does not fit in the brackets of "getopt"; expected one character, the option.',
    ],
    [
      'tolower(proc.name)[0] = x',
      'unexpected-argument at 0-21: The field "tolower" takes nothing in brackets; remove them.',
    ],
    ['tolower(proc.nam) = x', 'unknown-field at 8-16: There is no field "proc.nam"; did you mean "proc.name"?'],
    [
      'len(proc.name) startswith 3',
      'operator-not-allowed at 0-27: The operator startswith does not fit the field "len(proc.name)", which is a number; expected =, !=, <, <=, >, >=, in, intersects, exists.',
    ],
    [
      'len(proc.name) = x',
      'bad-number at 17-18: "x" is not a number, but "len(proc.name)" is; expected a decimal or 0x number.',
    ],
    [
      'getopt(proc.args, "c:") = x',
      'operator-not-allowed at 0-27: The operator = does not fit the field "getopt(proc.args, "c:")", which is a list; expected in, intersects, exists.',
    ],
    [
      'proc.name = val(proc.pid)',
      'different-types at 0-25: "proc.name" is a text, but "val(proc.pid)" is a number; only values of one kind are compared.',
    ],
    ['proc.pid = len(proc.pid)', 'wrong-operand at 11-24: len takes one text or list, but found proc.pid (a number).'],
    ['proc.name = val("x")', 'wrong-operand at 12-20: val takes a field, but found "x" (a text).'],
    [
      'proc.name regex val(proc.pname)',
      'field-not-allowed at 16-31: The operator regex is not used with a field on its right side; expected a pattern.',
    ],
    [
      'proc.name bcontains val(proc.pname)',
      'field-not-allowed at 20-35: The operator bcontains is not used with a field on its right side; expected hexadecimal digits.',
    ],
    [
      'proc.name bcontains café',
      'bad-hex at 20-24: "café" is not a row of bytes, as bcontains takes it; expected hexadecimal digits, two for each byte.',
    ],
    [
      'proc.name bstartswith abc',
      'bad-hex at 22-25: "abc" is not a row of bytes, as bstartswith takes it; expected hexadecimal digits, two for each byte.',
    ],
    [
      'proc.name regex anyof (a, "(b", "[c")',
      'bad-regex at 27-28: The regular expression "(b" is wrong at character 1: this "(" is never closed.',
      'bad-regex at 33-34: The regular expression "[c" is wrong at character 1: this "[" is never closed.',
    ],
    [
      'proc.name regex anyof (regexes)',
      'bad-regex at 23-30: The regular expression "(b" is wrong at character 1: this "(" is never closed.',
    ],
    [
      'proc.name = proc.pname',
      'warning looks-like-field at 12-22: "proc.pname" is taken as a text; write val(proc.pname) to compare with the field, or put quotes around it.',
    ],
    ['proc.name contains anyof shels', 'unknown-list at 25-30: There is no list "shels"; did you mean "shells"?'],
  ];
  it.each(cases)('%s', (text, ...problems) => {
    const found = resolve(text).problems.map(
      ({ severity, code, span, message }) =>
        `${severity === 'warning' ? 'warning ' : ''}${code} at ${span.start}-${span.end}: ${message}`,
    );
    expect(found).toEqual(problems);
  });
});

describe('modifiers', () => {
  const cases: readonly (readonly [text: string, tree: string])[] = [
    ['proc.name = anyof (a, b)', 'proc.name = a|b'],
    ['proc.name startswith anyof (a, b)', 'proc.name startswith a|b'],
    ['proc.name startswith anyof (shells)', 'proc.name startswith bash|sh'],
    ['proc.name endswith anyof shells', 'proc.name endswith bash|sh'],
    ['proc.name != anyof (a, b)', 'or(proc.name != a, proc.name != b)'],
    ['proc.name != allof (a, b)', 'and(proc.name != a, proc.name != b)'],
    ['proc.name contains allof (a, b, c)', 'and(proc.name contains a, proc.name contains b, proc.name contains c)'],
    ['proc.name contains allof (a)', 'proc.name contains a'],
    [
      'proc.name contains oneof (a, b)',
      'or(and(proc.name contains a, not(proc.name contains b)), and(not(proc.name contains a), proc.name contains b))',
    ],
    ['proc.name contains oneof (a)', 'proc.name contains a'],
    ['proc.name = anyof ()', 'false'],
    ['proc.name != allof ()', 'false'],
    ['proc.name glob oneof (none)', 'false'],
    ['fd.num = anyof (1, 2)', 'fd.num = 1|2'],
    ['fd.sip != allof (1.1.1.1, 2.2.2.2)', 'and(fd.sip != 1.1.1.1, fd.sip != 2.2.2.2)'],
    ['tolower(proc.name) regex anyof ("a.*", b)', 'tolower(proc.name) regex a.*|b'],
  ];
  it.each(cases)('%s', (text, tree) => {
    expect(show(conditionOf(text))).toBe(tree);
  });

  const matches = (text: string, name: string): boolean => {
    const source = (): FieldValue => ({ state: 'present', value: name, trust: 'resolved' });
    return evaluate(conditionOf(text), (predicate) => truthOn(predicate, source), 'possible');
  };

  it('oneof is true where exactly one comparison is', () => {
    const values = ['a', 'b', 'ab', 'abc', 'c', 'cb', 'x', ''];
    for (const list of [
      ['a', 'b'],
      ['a', 'b', 'c'],
      ['a', 'a'],
      ['a', 'b', 'ab', 'c', 'x'],
    ])
      for (const value of values) {
        const count = list.filter((part) => value.includes(part)).length;
        expect([list, value, matches(`proc.name contains oneof (${list.join()})`, value)]).toEqual([
          list,
          value,
          count === 1,
        ]);
        expect(matches(`proc.name contains anyof (${list.join()})`, value)).toBe(count > 0);
        expect(matches(`proc.name contains allof (${list.join()})`, value)).toBe(count === list.length);
      }
  });

  it('oneof of many values stays small', () => {
    const values = Array.from({ length: 512 }, (_, index) => `v${index}`);
    const condition = conditionOf(`proc.name startswith oneof (${values.join()})`);
    const size = (node: Condition): number =>
      node.kind === 'and' || node.kind === 'or'
        ? node.operands.reduce((sum, operand) => sum + size(operand), 0)
        : node.kind === 'not'
          ? size(node.operand)
          : 1;
    expect(size(condition)).toBe(512 * 10);
  });
});

describe('values on both sides', () => {
  const VALUES: Readonly<Record<string, FieldValue>> = {
    'proc.name': { state: 'present', value: 'Bash', trust: 'resolved' },
    'proc.pname': { state: 'present', value: 'bash', trust: 'as passed' },
    'proc.aname': { state: 'present', value: ['bash', 'sshd', 'systemd'], trust: 'resolved' },
    'proc.aname[7]': { state: 'absent' },
    'proc.exepath': { state: 'present', value: '/usr/bin/Bash', trust: 'resolved' },
    'proc.args': { state: 'present', value: '-e /bin/sh -lp 4444 host -x', trust: 'as passed' },
    'proc.cmdline': { state: 'present', value: 'aGk gdGhlcmU=', trust: 'as passed' },
    'evt.arg[data]': { state: 'present', value: 'aGkgdGhlcmU=', trust: 'as passed' },
    'proc.pid': { state: 'present', value: 42n, trust: 'resolved' },
    'proc.ppid': { state: 'present', value: 7n, trust: 'resolved' },
    'fd.sip': { state: 'present', value: '8.8.8.8', trust: 'resolved' },
    'fd.cip': { state: 'present', value: '10.0.0.1', trust: 'resolved' },
    'fd.sport': { state: 'present', value: 53n, trust: 'resolved' },
    'proc.cwd': { state: 'unknown' },
    'fd.name': { state: 'absent' },
  };
  const source = ({ name, argument }: { name: string; argument?: string }): FieldValue =>
    VALUES[argument === undefined ? name : `${name}[${argument}]`] ?? { state: 'absent' };

  const { TRUE, FALSE, UNKNOWN, ABSENT } = Truth;
  const cases: readonly (readonly [text: string, truth: Truth])[] = [
    ['tolower(proc.name) = bash', TRUE],
    ['toupper(proc.name) = BASH', TRUE],
    ['toupper(tolower(proc.name)) = BASH', TRUE],
    ['basename(proc.exepath) = Bash', TRUE],
    ['tolower(basename(proc.exepath)) in (sh, bash)', TRUE],
    ['basename(proc.name) = Bash', TRUE],
    ['len(proc.name) = 4', TRUE],
    ['len(proc.aname) > 2', TRUE],
    ['len(basename(proc.exepath)) < 4', FALSE],
    ['join("->", proc.aname) = "bash->sshd->systemd"', TRUE],
    ['concat(fd.sip, ":", fd.sport) in ("8.8.8.8:53", "4.4.4.4:53")', TRUE],
    ['concat(proc.name, "/", proc.pname) != Bash/bash', FALSE],
    ['toupper(proc.aname) = SSHD', TRUE],
    ['toupper(proc.aname) = sshd', FALSE],
    ['b64(evt.arg[data]) = "hi there"', TRUE],
    ['b64(proc.cmdline) = x', ABSENT],
    ['b64(proc.cmdline) != x', ABSENT],
    ['getopt(proc.args, "e:lp:x")[e] = /bin/sh', TRUE],
    ['getopt(proc.args, "e:lp:x")[p] = 4444', TRUE],
    ['getopt(proc.args, "e:lp:x")[l] = l', TRUE],
    ['getopt(proc.args, "e:lp:x")[l] exists', TRUE],
    ['getopt(proc.args, "e:lp:x")[x] exists', FALSE],
    ['getopt(proc.args, "e:lp:x")[x] = x', ABSENT],
    ['getopt(proc.args, "e:lp:x") intersects (q, p)', TRUE],
    ['getopt(proc.args, "e:lp:x") in (e, /bin/sh, l, p, 4444)', TRUE],
    ['getopt(proc.args, "e:lp:x") in (e, l, p)', FALSE],
    ['getopt(proc.args, "lp:") intersects ("?")', TRUE],
    ['proc.name = val(proc.pname)', FALSE],
    ['proc.name != val(proc.pname)', TRUE],
    ['tolower(proc.name) = val(proc.pname)', TRUE],
    ['proc.name = toupper(proc.pname)', FALSE],
    ['toupper(proc.name) = toupper(val(proc.pname))', TRUE],
    ['proc.pname in val(proc.aname)', TRUE],
    ['proc.name in val(proc.aname)', FALSE],
    ['proc.pid > val(proc.ppid)', TRUE],
    ['proc.pid = len(proc.name)', FALSE],
    ['fd.sip = val(fd.cip)', FALSE],
    ['fd.sip != val(fd.cip)', TRUE],
    ['proc.exepath endswith val(proc.name)', TRUE],
    ['proc.name = val(proc.cwd)', UNKNOWN],
    ['tolower(proc.cwd) = x', UNKNOWN],
    ['proc.name = val(fd.name)', ABSENT],
    ['proc.name != val(fd.name)', ABSENT],
    ['tolower(fd.name) exists', FALSE],
    ['concat(fd.name, proc.cwd) = x', ABSENT],
    ['concat(proc.name, proc.cwd) = x', UNKNOWN],
    ['proc.name bcontains 6173', TRUE],
    ['proc.name bcontains 6174', FALSE],
    ['proc.name bstartswith 4261', TRUE],
    ['proc.name bstartswith 6173', FALSE],
    ['proc.name regex "B.s[a-h]"', TRUE],
    ['proc.name regex as', FALSE],
    ['proc.name regex "(?i)bash"', TRUE],
  ];
  it.each(cases)('%s: %d', (text, truth) => {
    const condition = conditionOf(text);
    if (condition.kind !== 'predicate') throw new Error('expected a predicate');
    expect(truthOn(condition, source)).toBe(truth);
  });
});
