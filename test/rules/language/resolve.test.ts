import { describe, expect, it } from 'vitest';
import { type Condition, type Constant, type Names, parseCondition, resolveCondition } from '../../../rules/index.ts';

const showConstant = (constant: Constant): string => {
  switch (constant.type) {
    case 'string':
      return JSON.stringify(constant.value);
    case 'network':
      return `${[...constant.bytes].join('.')}/${constant.prefix}`;
    default:
      return String(constant.value);
  }
};

const show = (node: Condition | undefined): string => {
  if (node === undefined) return 'nothing';
  switch (node.kind) {
    case 'and':
    case 'or':
      return `${node.kind}(${node.operands.map(show).join(', ')})`;
    case 'not':
      return `not(${show(node.operand)})`;
    case 'constant':
      return String(node.value);
    case 'predicate': {
      const field = node.field.argument === undefined ? node.field.name : `${node.field.name}[${node.field.argument}]`;
      return [field, node.operator, ...node.constants.map(showConstant)].join(' ');
    }
  }
};

interface Given {
  readonly lists?: Readonly<Record<string, readonly string[]>>;
  readonly macros?: Readonly<Record<string, string>>;
}

const namesOf = ({ lists = {}, macros = {} }: Given): Names => {
  const parsed = new Map(Object.entries(macros).map(([name, text]) => [name, parseCondition(text).condition]));
  return {
    list: (name) => (Object.hasOwn(lists, name) ? lists[name] : undefined),
    macro: (name) => parsed.get(name),
    knownLists: () => Object.keys(lists),
    knownMacros: () => parsed.keys(),
  };
};

const resolve = (text: string, given: Given = {}, self?: string) => {
  const { condition, problems } = parseCondition(text);
  if (condition === undefined) throw new Error('the text is empty');
  const resolved = resolveCondition(condition, namesOf(given), self);
  return { ...resolved, problems: [...problems, ...resolved.problems] };
};

const problemsOf = (text: string, given: Given = {}, self?: string): readonly string[] =>
  resolve(text, given, self).problems.map(
    ({ severity, code, span, message }) =>
      `${severity === 'warning' ? 'warning ' : ''}${code} at ${span.start}-${span.end}: ${message}`,
  );

const GIVEN: Given = {
  lists: {
    shells: ['bash', 'sh', '"my shell"', `'it''s'`],
    servers: ['nginx', 'shells', 'sshd'],
    nothing: [],
    single: ['zsh'],
    private_nets: ['"10.0.0.0/8"', '192.168.0.0/16'],
    quoted: ['"shells"'],
  },
  macros: {
    spawned: 'evt.type in (execve, execveat)',
    spawned_shell: 'spawned and proc.name in (shells)',
    never_true: '(evt.num=0)',
  },
};

describe('conditions that are right', () => {
  const cases: readonly (readonly [text: string, tree: string])[] = [
    ['proc.name in (shells)', 'proc.name in "bash" "sh" "my shell" "\'it\'\'s\'"'],
    ['proc.name in (zsh, servers, bash)', 'proc.name in "zsh" "nginx" "bash" "sh" "my shell" "\'it\'\'s\'" "sshd"'],
    ['proc.name in shells', 'proc.name in "bash" "sh" "my shell" "\'it\'\'s\'"'],
    ['proc.name in ("shells")', 'proc.name in "shells"'],
    ['proc.name in (quoted)', 'proc.name in "shells"'],
    ['proc.name in (nothing)', 'false'],
    ['not proc.name in ()', 'not(false)'],
    ['spawned_shell', 'and(evt.type in "execve" "execveat", proc.name in "bash" "sh" "my shell" "\'it\'\'s\'")'],
    ['never_true or not never_true', 'or(false, not(false))'],
    ['evt.num >= 0', 'true'],
    ['evt.num > 0', 'true'],
    ['evt.num < 0', 'false'],
    ['evt.num > 5', 'evt.num > 5'],
    ['evt.dir = <', 'true'],
    ['evt.dir != <', 'false'],
    ['fd.num = 0x10', 'fd.num = 16'],
    ['evt.rawres >= -2', 'evt.rawres >= -2'],
    ['evt.rawres in (-1, -13, 0)', 'evt.rawres in -1 -13 0'],
    ['user.uid < 18446744073709551615', 'user.uid < 18446744073709551615'],
    ['evt.failed = true', 'evt.failed = true'],
    ['evt.failed != false', 'evt.failed != false'],
    ['fd.sip = 127.0.0.1', 'fd.sip = 127.0.0.1/32'],
    ['fd.sip = "::1"', 'fd.sip = 0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1/128'],
    ['fd.sip = "::ffff:10.1.2.3"', 'fd.sip = 10.1.2.3/32'],
    ['fd.net in (private_nets)', 'fd.net in 10.0.0.0/8 192.168.0.0/16'],
    ['fd.snet = 10.1.2.3/8', 'fd.snet = 10.0.0.0/8'],
    ['fd.net = "fd00::1/7"', 'fd.net = 252.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0/7'],
    ['proc.aname[2] = sshd', 'proc.aname[2] = "sshd"'],
    ['proc.aname = sshd', 'proc.aname = "sshd"'],
    ['evt.arg.flags contains O_CREAT', 'evt.arg[flags] contains "O_CREAT"'],
    ['evt.type startswith open', 'evt.type startswith "open"'],
    ['evt.type glob open*', 'evt.type glob "open*"'],
    ['proc.name = 5', 'proc.name = "5"'],
    ['proc.name = single', 'proc.name = "zsh"'],
    ['proc.name = "single"', 'proc.name = "single"'],
  ];
  it.each(cases)('%s', (text, tree) => {
    expect(problemsOf(text, GIVEN)).toEqual([]);
    expect(show(resolve(text, GIVEN).condition)).toBe(tree);
  });

  it('gives nodes out of a macro the span of its use', () => {
    const { condition } = resolve('proc.pid = 1 or not spawned_shell', GIVEN);
    const spans: string[] = [];
    const visit = (node: Condition): void => {
      spans.push(`${node.kind} ${node.span.start}-${node.span.end}`);
      if (node.kind === 'predicate') spans.push(`field ${node.field.span.start}-${node.field.span.end}`);
      if (node.kind === 'not') visit(node.operand);
      if (node.kind === 'and' || node.kind === 'or') node.operands.forEach(visit);
    };
    if (condition !== undefined) visit(condition);
    expect(spans).toEqual([
      'or 0-33',
      'predicate 0-12',
      'field 0-8',
      'not 16-33',
      'and 20-33',
      'predicate 20-33',
      'field 20-33',
      'predicate 20-33',
      'field 20-33',
    ]);
  });

  it('freezes every node', () => {
    const visit = (node: object): void => {
      expect(Object.isFrozen(node)).toBe(true);
      for (const value of Object.values(node)) {
        if (value instanceof Uint8Array || typeof value !== 'object' || value === null) continue;
        if (!('start' in value)) visit(value);
      }
    };
    const { condition } = resolve('spawned_shell and not fd.net = 10.0.0.0/8 and evt.dir = <', GIVEN);
    if (condition === undefined) throw new Error('expected a condition');
    visit(condition);
  });
});

describe('conditions that are wrong', () => {
  const cases: readonly (readonly [text: string, ...problems: string[]])[] = [
    ['proc.nam = x', 'unknown-field at 0-8: There is no field "proc.nam"; did you mean "proc.name"?'],
    ['a.b = x', 'unknown-field at 0-3: There is no field "a.b".'],
    ['name = x', 'unknown-field at 0-4: There is no field "name".'],
    [
      'proc.stdin.type = x',
      'unsupported-field at 0-15: The field "proc.stdin.type" is known to Falco but not supported yet; compare another field.',
    ],
    ['proc.name[1] = x', 'unexpected-argument at 0-12: The field "proc.name" takes nothing in brackets; remove them.'],
    ['proc.aname[x] = x', 'bad-argument at 0-13: "x" does not fit in the brackets of "proc.aname"; expected a number.'],
    ['evt.arg = x', 'missing-argument at 0-7: The field "evt.arg" needs an argument\'s name in brackets.'],
    ['k8s.pod.label = x', 'missing-argument at 0-13: The field "k8s.pod.label" needs a label\'s key in brackets.'],
    [
      'container.mount.source[] = x',
      'missing-argument at 0-24: The field "container.mount.source" needs a mount\'s number or path in brackets.',
    ],
    [
      'container.labels[a] = x',
      'unexpected-argument at 0-19: The field "container.labels" takes nothing in brackets; remove them.',
    ],
    ['evt.arg.flag = x', 'unknown-argument at 0-12: No event has an argument "flag"; did you mean "flags"?'],
    ['spawend', 'unknown-macro at 0-7: There is no macro "spawend"; did you mean "spawned"?'],
    [
      'shells',
      'unknown-macro at 0-6: "shells" is a list, not a macro; compare a field with it, as in "proc.name in (shells)".',
    ],
    ['proc.name in shels', 'unknown-list at 13-18: There is no list "shels"; did you mean "shells"?'],
    [
      'fd.net in (private_net)',
      'warning looks-like-list at 11-22: "private_net" is taken as a value, as there is no list of that name; did you mean "private_nets"?',
      'bad-address at 11-22: "private_net" is not an address, but "fd.net" is; expected an IPv4 or IPv6 address.',
    ],
    [
      'proc.name = shells',
      'list-as-value at 12-18: The operator = takes one value, but "shells" is a list; write "proc.name in (shells)", or put quotes around the value.',
    ],
    ['evt.type = opnat', 'unknown-event at 11-16: There is no event type "opnat"; did you mean "openat"?'],
    ['evt.type in (open, xyzzy)', 'unknown-event at 19-24: There is no event type "xyzzy".'],
    [
      'fd.num contains 1',
      'operator-not-allowed at 0-17: The operator contains does not fit the field "fd.num", which is a number; expected =, !=, <, <=, >, >=, in, intersects, exists.',
    ],
    [
      'fd.sip startswith 10.',
      'operator-not-allowed at 0-21: The operator startswith does not fit the field "fd.sip", which is an address; expected =, !=, in, intersects, exists.',
    ],
    [
      'evt.failed in (true)',
      'operator-not-allowed at 0-20: The operator in does not fit the field "evt.failed", which is true or false; expected =, !=, exists.',
    ],
    [
      'proc.name < 3',
      'operator-not-allowed at 0-13: The operator < does not fit the field "proc.name", which is a text; expected =, !=, in, intersects, pmatch, contains, icontains, bcontains, startswith, bstartswith, endswith, glob, iglob, regex, exists.',
    ],
    ['fd.num = ten', 'bad-number at 9-12: "ten" is not a number, but "fd.num" is; expected a decimal or 0x number.'],
    ['fd.num = 1.5', 'bad-number at 9-12: "1.5" is not a number, but "fd.num" is; expected a decimal or 0x number.'],
    ['evt.failed = yes', 'bad-boolean at 13-16: "yes" is neither true nor false, but "evt.failed" is one of them.'],
    [
      'fd.sip = 10.0.0',
      'bad-address at 9-15: "10.0.0" is not an address, but "fd.sip" is; expected an IPv4 or IPv6 address.',
    ],
    [
      'fd.sip = 10.0.0.0/8',
      'network-not-allowed at 9-19: "10.0.0.0/8" is a network, but "fd.sip" is compared with single addresses; use "fd.snet".',
    ],
    [
      'proc.name regex "a(b"',
      'bad-regex at 18-19: The regular expression "a(b" is wrong at character 2: this "(" is never closed.',
    ],
    [
      'proc.name startswith shells',
      'list-as-value at 21-27: The operator startswith takes one value, but "shells" is a list; write "proc.name startswith anyof (shells)", or put quotes around the value.',
    ],
    [
      'tolower(proc.name) != shells',
      'list-as-value at 22-28: The operator != takes one value, but "shells" is a list; write "not tolower(proc.name) in (shells)", or put quotes around the value.',
    ],
    ['fd.num < shells', 'list-as-value at 9-15: The operator < takes one value, but "shells" is a list.'],
  ];
  it.each(cases)('%s', (text, ...problems) => {
    expect(problemsOf(text, GIVEN)).toEqual(problems);
    expect(resolve(text, GIVEN).condition).toBeUndefined();
  });

  it('warns of what never matches and goes on', () => {
    expect(problemsOf('evt.dir = > and evt.type != switch')).toEqual([
      'warning never-matches at 0-11: "evt.dir = >" never matches, as rules see a call at its end, where evt.dir is <.',
      'warning event-never-seen at 28-34: Events of type "switch" exist in Falco but are never seen here.',
    ]);
    expect(show(resolve('evt.dir = > and evt.type != switch').condition)).toBe('and(false, evt.type != "switch")');
  });

  it('gives no condition where only the form was wrong', () => {
    expect(resolve('proc.name = x and and fd.num = 1').condition).toBeUndefined();
  });

  it('reports ten mistakes of one condition at once, with the nearest names', () => {
    const text = [
      'spawend and proc.nmae = bash and fd.num = ten and fd.sip = 1.2.3 and evt.type = opne',
      'and evt.failed = yes and proc.name < 3 and proc.name in shels and evt.arg.flag = x and proc.name startwith y',
    ].join(' ');
    const found = resolve(text, GIVEN).problems;
    expect(found.map(({ code, field, nearest }) => [code, field, nearest])).toEqual([
      ['unknown-operator', 'proc.name', 'startswith'],
      ['unknown-macro', undefined, 'spawned'],
      ['unknown-field', 'proc.nmae', 'proc.name'],
      ['bad-number', 'fd.num', undefined],
      ['bad-address', 'fd.sip', undefined],
      ['unknown-event', undefined, 'open'],
      ['bad-boolean', 'evt.failed', undefined],
      ['operator-not-allowed', 'proc.name', undefined],
      ['unknown-list', undefined, 'shells'],
      ['unknown-argument', 'evt.arg', 'flags'],
    ]);
  });
});

describe('macros and lists that are wrong', () => {
  it('names the macro that a mistake is in', () => {
    const given = { macros: { outer: 'proc.pid = 1 and inner', inner: 'proc.nam = x', broken: 'a = and' } };
    expect(problemsOf('not outer', given)).toEqual([
      'unknown-field at 4-9: In the macro "inner": There is no field "proc.nam"; did you mean "proc.name"?',
    ]);
    expect(resolve('not outer', given).problems[0]?.macro).toBe('inner');
    expect(problemsOf('broken', given)).toEqual([
      'broken-macro at 0-6: The macro "broken" has mistakes of its own; mend them first.',
    ]);
  });

  it('finds cycles of macros', () => {
    const macros = { a: 'b and proc.pid = 1', b: 'not c', c: 'a or b', d: 'd' };
    expect(problemsOf('proc.pid = 2 or a', { macros })).toEqual([
      'macro-cycle at 16-17: The macro "a" contains itself: a > b > c > a.',
    ]);
    expect(problemsOf('d', { macros }, 'd')).toEqual(['macro-cycle at 0-1: The macro "d" contains itself: d > d.']);
    expect(problemsOf('a or b', { macros }, 'c')).toEqual([
      'macro-cycle at 0-1: The macro "c" contains itself: c > a > b > c.',
      'macro-cycle at 5-6: The macro "c" contains itself: c > b > c.',
    ]);
  });

  it('finds cycles of lists', () => {
    const lists = { a: ['x', 'b'], b: ['y', 'c'], c: ['a'] };
    expect(problemsOf('proc.name in (z, a)', { lists })).toEqual([
      'list-cycle at 17-18: The list "a" contains itself: a > b > c > a.',
    ]);
  });

  it('stops where macros double into more than 10,000 comparisons', () => {
    const macros: Record<string, string> = { m0: 'proc.pid = 1 and proc.pid = 2' };
    for (let index = 1; index < 60; index++) macros[`m${index}`] = `m${index - 1} and m${index - 1}`;
    expect(problemsOf('m59', { macros })).toEqual([
      'too-large at 0-3: The condition has more than 10000 comparisons after its macros are put in; split it into several rules.',
    ]);
  });

  it('stops where macros nest more than 1,000 levels deep', () => {
    const macros: Record<string, string> = { m0: 'proc.pid = 1' };
    for (let index = 1; index < 2000; index++) macros[`m${index}`] = `not m${index - 1}`;
    expect(problemsOf('m1999', { macros })).toEqual([
      'too-deep at 0-5: The condition is nested more than 1000 levels deep; split it into several rules.',
    ]);
  });

  it('expands lists that double without taking longer and longer', () => {
    const lists: Record<string, readonly string[]> = { l0: ['x', 'y'] };
    for (let index = 1; index < 200; index++) lists[`l${index}`] = [`l${index - 1}`, `l${index - 1}`];
    expect(show(resolve('proc.name in (l199)', { lists }).condition)).toBe('proc.name in "x" "y"');
  });
});
