import { describe, expect, it } from 'vitest';
import {
  type Condition,
  evaluate,
  evaluatePredicate,
  type FieldValue,
  findingsOf,
  type Predicate,
  type Rule,
  type RuleMatching,
} from '../../../rules/index.ts';
import { type Normal, normalOf } from '../../../rules/plan/literals.ts';
import { whyNever } from '../../../rules/plan/satisfy.ts';
import { count, seed } from '../../support/counts.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { conditionOf, ruleOf } from '../../support/rules.ts';

/** The findings about conditions, each a rule r1, r2, ... in lines 4, 104, 204: `line:column code: message`. */
const found = (conditions: readonly string[], more: Partial<Rule> = {}, matching: RuleMatching = 'all') => {
  const rules = conditions.map((condition, index) => {
    const line = 100 * index;
    return ruleOf(`r${index + 1}`, condition, {
      position: { file: 'test.yaml', line: line + 4, column: 7 },
      conditionAt: (span) => ({ file: 'test.yaml', line: line + 5, column: 18 + span.start }),
      ...more,
    });
  });
  return findingsOf(rules, matching).map(
    ({ severity, code, line, column, message }) => `${line}:${column} ${severity} ${code}: ${message}`,
  );
};

describe('a rule that can never match', () => {
  it.each([
    [
      'evt.type = openat and fd.num < 3 and fd.num > 5',
      'fd.num > 5',
      '"fd.num < 3" and "fd.num > 5" are never both true',
    ],
    [
      'evt.type = openat and proc.name = a and proc.name = b',
      'proc.name = b',
      '"proc.name = a" and "proc.name = b" are never both true',
    ],
    [
      'evt.type = openat and proc.name in (a, b) and not proc.name in (b, a, c)',
      'proc.name in (b, a, c)',
      '"proc.name in (a, b)" and "not proc.name in (b, a, c)" are never both true',
    ],
    [
      'evt.type = openat and fd.name startswith /etc and fd.name startswith /usr',
      'fd.name startswith /usr',
      '"fd.name startswith /etc" and "fd.name startswith /usr" are never both true',
    ],
    [
      'evt.type = openat and fd.name = /etc/passwd and fd.name endswith .conf',
      'fd.name endswith .conf',
      '"fd.name = /etc/passwd" and "fd.name endswith .conf" are never both true',
    ],
    [
      'evt.type = openat and fd.name startswith /etc/ssh and not fd.name contains etc',
      'fd.name contains etc',
      '"fd.name startswith /etc/ssh" and "not fd.name contains etc" are never both true',
    ],
    [
      'evt.type = openat and fd.name pmatch (/usr) and fd.name pmatch (/etc, /opt)',
      'fd.name pmatch (/etc, /opt)',
      '"fd.name pmatch (/usr)" and "fd.name pmatch (/etc, /opt)" are never both true',
    ],
    [
      'evt.type = connect and fd.snet in (10.0.0.0/8) and fd.snet = 192.168.0.0/16',
      'fd.snet = 192.168.0.0/16',
      '"fd.snet in (10.0.0.0/8)" and "fd.snet = 192.168.0.0/16" are never both true',
    ],
    [
      'evt.type = connect and fd.sip = 10.1.2.3 and fd.sip != 10.1.2.3',
      'fd.sip != 10.1.2.3',
      '"fd.sip = 10.1.2.3" and "fd.sip != 10.1.2.3" are never both true',
    ],
    [
      'evt.type = openat and evt.is_open_write != true and evt.is_open_write != false',
      'evt.is_open_write != false',
      '"evt.is_open_write != true" and "evt.is_open_write != false" are never both true',
    ],
    [
      'evt.type = openat and fd.name contains x and not fd.name exists',
      'fd.name exists',
      '"fd.name contains x" and "not fd.name exists" are never both true',
    ],
    [
      'evt.type = openat and fd.num in (1, 2) and fd.num != 1 and fd.num < 2',
      'fd.num < 2',
      '"fd.num in (1, 2)", "fd.num != 1" and "fd.num < 2" are never all true',
    ],
    [
      'evt.type = openat and (fd.num = 1 or fd.num = 2) and fd.num > 7',
      'fd.num > 7',
      '"fd.num = 1" and "fd.num > 7" are never both true, and its other alternatives contradict themselves too',
    ],
    [
      'evt.type = openat and proc.aname = a and not proc.aname = a',
      'proc.aname = a',
      '"proc.aname = a" and "not proc.aname = a" are never both true',
    ],
  ])('is told which comparisons contradict each other: %s', (condition, at, why) => {
    expect(found([condition])).toEqual([
      `5:${18 + condition.lastIndexOf(at)} warning contradiction: rule "r1" can never match: ${why}`,
    ]);
  });

  it.each([
    'evt.type = openat and not proc.name = a and not proc.name != a',
    'evt.type = openat and proc.aname = a and proc.aname = b',
    'evt.type = openat and proc.aname = a and proc.aname != a',
    'evt.type = connect and fd.ip = 10.0.0.1 and fd.ip = 10.0.0.2',
    'evt.type = connect and fd.port = 1 and fd.port != 1',
    'evt.type = openat and fd.name startswith /etc and fd.name startswith /etc/ssh',
    'evt.type = openat and fd.name glob /a* and fd.name glob /b*',
    'evt.type = openat and fd.num > 3 and fd.num < 5',
    'evt.type = connect and fd.snet = 10.0.0.0/8 and fd.snet = 10.1.0.0/16',
    'evt.type = connect and fd.snet = 10.0.0.0/8 and not fd.snet = 10.1.0.0/16',
    'evt.type = openat and proc.aname[2] = a and proc.aname[3] = b',
    'evt.type in (openat, connect) and (fd.num < 3 or fd.num > 5)',
  ])('is not one that can: %s', (condition) => {
    expect(found([condition])).toEqual([]);
  });
});

describe('a part of a condition', () => {
  it('that never matches is told, once', () => {
    expect(found(['evt.type = openat and (fd.num = 1 or (proc.name = a and proc.name = b and fd.num = 2))'])).toEqual([
      '5:74 warning contradiction: rule "r1": this part of its condition never matches: "proc.name = a" and "proc.name = b" are never both true',
    ]);
  });

  it('that is always true is told, but not where absence makes it false', () => {
    expect(found(['evt.type = openat and (proc.name = a or not proc.name = a)'])).toEqual([
      '4:7 warning always-true: rule "r1" matches every openat: "proc.name = a" or "not proc.name = a" is always true',
    ]);
    expect(found(['evt.type = openat and fd.num = 1 and (fd.num < 3 or not fd.num < 5)'])).toEqual([]);
    expect(found(['evt.type = openat and fd.num = 1 and (fd.num < 5 or not fd.num < 3)'])).toEqual([
      '5:74 warning always-true: rule "r1": this part of its condition is always true: "fd.num < 5" or "not fd.num < 3" is always true',
    ]);
    expect(found(['evt.type = openat and (proc.name = a or proc.name != a)'])).toEqual([]);
  });

  it('that is repeated is told where it stands the second time', () => {
    expect(
      found(['evt.type = openat and fd.num = 1 and (proc.name in (a, b) or proc.pname = c or proc.name in (b, a))']),
    ).toEqual(['5:97 warning repeated: rule "r1": "proc.name in (b, a)" stands twice in the same "or"']);
  });

  it('about a field that none of its events has is told', () => {
    expect(found(['evt.type in (open, openat) and not fd.sip = 10.0.0.1 and fd.num = 1'])).toEqual([
      '5:53 warning field-absent: rule "r1": open and openat have no fd.sip, so that "not fd.sip = 10.0.0.1" is always true',
    ]);
    expect(found(['evt.type = openat and (fd.num = 1 or fd.sport = 80)'])).toEqual([
      '5:55 warning field-absent: rule "r1": openat has no fd.sport, so that "fd.sport = 80" is never true',
    ]);
    expect(found(['evt.type in (openat, connect) and not fd.sip = 10.0.0.1 and fd.num = 1'])).toEqual([]);
  });
});

describe('a rule', () => {
  it('that names no event type is told, unless it is meant to', () => {
    expect(found(['fd.sport = 1'])).toEqual([
      '4:7 warning no-event-type: rule "r1" names no event type, so that it is asked at 6 of them',
    ]);
    expect(found(['fd.sport = 1'], { anyEvent: true })).toEqual([]);
    expect(found(['fd.sport = 1'], { on: ['connect'] })).toEqual([]);
  });

  it('that says the same as an earlier one is told, however it is put', () => {
    const one = 'evt.type = openat and (fd.num = 1 or proc.name in (a, b))';
    const other = '(proc.name in (b, a) or fd.num = 1) and evt.type in (openat)';
    expect(found([one, 'evt.type = openat and fd.num = 1', other])).toEqual([
      '204:7 warning same-condition: rule "r3" matches the same events as "r1" in line 4',
    ]);
    expect(found([one, other], { action: 'deny' })).toHaveLength(1);
    const [first, second] = [one, other].map((condition, index) =>
      ruleOf(`r${index}`, condition, { scope: { cgroup: `/${index}` } }),
    );
    expect(findingsOf([first!, second!])).toEqual([]);
  });

  it('that an earlier one hides under rule_matching first is told then', () => {
    const rules = [
      'evt.type in (open, openat) and fd.num >= 0',
      'evt.type = openat and fd.num in (3, 4) and proc.name = a',
    ];
    expect(found(rules)).toEqual([]);
    expect(found(rules, {}, 'first')).toEqual([
      '104:7 warning shadowed: rule "r2" raises no alert under rule_matching first: "r1" in line 4 matches all that it does',
    ]);
    expect(found(rules.toReversed(), {}, 'first')).toEqual([]);
  });
});

/** Fields with values near the constants that they are compared with. */
const FIELDS: readonly {
  readonly name: string;
  readonly values: readonly (string | bigint | boolean)[];
  readonly predicates: readonly string[];
}[] = [
  {
    name: 'fd.num',
    values: [-1n, 0n, 1n, 2n, 3n, 4n, 5n],
    predicates: ['= 1', '!= 1', '< 2', '<= 2', '> 2', '>= 3', 'in (1, 3)', 'in (2, 4)', 'exists', '= 3', '> 4'],
  },
  {
    name: 'fd.name',
    values: ['', '/', '/a', '/ab', '/a/b', '/a/b/c', '/b', 'a', '/A/b', '/a/b.c'],
    predicates: [
      '= /a',
      '!= /a/b',
      'in (/a, /b)',
      'startswith /a',
      'startswith /b',
      'startswith /a/b',
      'endswith b',
      'endswith c',
      'contains a/b',
      'icontains A/B',
      'pmatch (/a)',
      'pmatch (/b, /a/b)',
      'glob /a*',
      'iglob /A*',
      'exists',
    ],
  },
  {
    name: 'fd.sip',
    values: ['10.0.0.1', '10.0.0.2', '192.168.0.1', '::1'],
    predicates: ['= 10.0.0.1', '!= 10.0.0.1', 'in (10.0.0.1, 10.0.0.2)', 'in (192.168.0.1, ::1)', 'exists'],
  },
  {
    name: 'fd.snet',
    values: ['10.0.0.1', '10.1.0.2', '192.168.0.1', 'fe80::1'],
    predicates: [
      '= 10.0.0.0/8',
      '!= 10.0.0.0/8',
      'in (10.1.0.0/16, 192.168.0.0/16)',
      '= 0.0.0.0/0',
      '= fe80::/10',
      'in (10.0.0.0/16)',
    ],
  },
  { name: 'evt.is_open_write', values: [true, false], predicates: ['= true', '!= true', '= false', 'exists'] },
  { name: 'proc.aname', values: ['a', 'b'], predicates: ['= a', '!= a', 'in (a, b)', '= b', 'exists'] },
];

const LISTS: ReadonlySet<string> = new Set(['proc.aname']);

const randomCondition = (random: Random, depth: number): string => {
  if (depth > 0 && random.chance(0.75)) {
    const parts = Array.from({ length: random.between(2, 4) }, () => randomCondition(random, depth - 1));
    return `${random.chance(0.3) ? 'not ' : ''}(${parts.join(random.chance(0.65) ? ' and ' : ' or ')})`;
  }
  const field = random.pick(FIELDS);
  return `${random.chance(0.3) ? 'not ' : ''}${field.name} ${random.pick(field.predicates)}`;
};

type Values = ReadonlyMap<string, FieldValue>;

const randomValues = (random: Random): Values =>
  new Map(
    FIELDS.map(({ name, values }): [string, FieldValue] => {
      if (random.chance(0.2)) return [name, { state: 'absent' }];
      const value = LISTS.has(name)
        ? (values.filter(() => random.chance(0.6)) as readonly string[])
        : random.pick(values);
      return [name, { state: 'present', value, trust: 'resolved' }];
    }),
  );

const truthIn = (values: Values) => (predicate: Predicate) =>
  evaluatePredicate(predicate, values.get(predicate.field.name) ?? { state: 'absent' });

const holds = (condition: Condition, values: Values): boolean => evaluate(condition, truthIn(values), 'possible');

const normalHolds = (normal: Normal, values: Values): boolean => {
  switch (normal.kind) {
    case 'constant':
      return normal.value;
    case 'literal': {
      const { predicate, negated } = normal.literal;
      return evaluate(predicate, truthIn(values), 'possible') !== negated;
    }
    case 'and':
      return normal.operands.every((operand) => normalHolds(operand, values));
    case 'or':
      return normal.operands.some((operand) => normalHolds(operand, values));
  }
};

describe('on random events whose fields are known', () => {
  it('what is called dead never holds, what is called always true always does, and nothing is lost by folding', () => {
    const random = createRandom(seed('findings of random conditions'));
    const events = Array.from({ length: 100 }, () => randomValues(random));
    let [dead, constant] = [0, 0];
    for (let round = 0; round < count(20_000); round++) {
      const text = randomCondition(random, random.between(1, 3));
      const condition = conditionOf(text);
      const [normal, opposite] = [normalOf(condition), normalOf(condition, undefined, true)];
      const [never, always] = [whyNever(normal) !== undefined, whyNever(opposite) !== undefined];
      if (never) dead++;
      if (always) constant++;
      for (const values of events) {
        const truth = holds(condition, values);
        if ((never && truth) || (always && !truth)) expect.fail(`${text} on ${describeValues(values)}`);
        if (normalHolds(normal, values) !== truth || normalHolds(opposite, values) === truth)
          expect.fail(`folding changed ${text} on ${describeValues(values)}`);
      }
    }
    expect(dead).toBeGreaterThan(count(20_000) / 50);
    expect(constant).toBeGreaterThan(count(20_000) / 200);
  });

  it('a rule called hidden never matches where the earlier one does not, and one called the same always agrees', () => {
    const random = createRandom(seed('hidden rules'));
    const events = Array.from({ length: 100 }, () => randomValues(random));
    let [hidden, same] = [0, 0];
    const calls = 'evt.type in (openat, connect) and ';
    for (let round = 0; round < count(10_000); round++) {
      const texts = [0, 1].map(() => randomCondition(random, 1));
      const rules = texts.map((text, index) =>
        ruleOf(`r${index}`, calls + (index === 1 && random.chance(0.3) ? `${texts[0]} and ${text}` : text)),
      );
      const codes = new Set(findingsOf(rules, 'first').map(({ code }) => code));
      const isHidden = codes.has('shadowed');
      const isSame = codes.has('same-condition');
      if (isHidden) hidden++;
      if (isSame) same++;
      if (!isHidden && !isSame) continue;
      const [first, second] = rules.map((rule) => {
        const { condition } = rule;
        return (values: Values, type: string): boolean =>
          evaluate(condition, (predicate) => truthOn(predicate, values, type), 'possible');
      });
      for (const values of events)
        for (const type of ['openat', 'connect']) {
          const [one, other] = [first!(values, type), second!(values, type)];
          if ((isHidden && other && !one) || (isSame && one !== other))
            expect.fail(`${rules.map((rule) => rule.conditionText).join(' | ')} on ${type} ${describeValues(values)}`);
        }
    }
    expect(hidden).toBeGreaterThan(count(10_000) / 50);
    expect(same).toBeGreaterThan(0);
  });
});

/** Fields that openat or connect lack are absent there, as in the catalogue. */
const LACKS: Readonly<Record<string, readonly string[]>> = {
  openat: ['fd.sip', 'fd.snet'],
  connect: ['evt.is_open_write'],
};

const truthOn = (predicate: Predicate, values: Values, type: string) => {
  const { name } = predicate.field;
  if (name === 'evt.type') return evaluatePredicate(predicate, { state: 'present', value: type, trust: 'resolved' });
  return LACKS[type]?.includes(name) ? evaluatePredicate(predicate, { state: 'absent' }) : truthIn(values)(predicate);
};

const describeValues = (values: Values): string =>
  [...values]
    .map(([name, value]) => `${name}=${value.state === 'present' ? String(value.value) : value.state}`)
    .join(' ');
