import { describe, expect, it } from 'vitest';
import {
  type Bound,
  type Condition,
  evaluate,
  evaluatePredicate,
  type FieldValue,
  type Predicate,
  parseCondition,
  resolveCondition,
  Truth,
} from '../../../rules/index.ts';

const NO_NAMES = { list: () => undefined, macro: () => undefined, knownLists: () => [], knownMacros: () => [] };

const conditionOf = (text: string): Condition => {
  const parsed = parseCondition(text).condition;
  const resolved = parsed && resolveCondition(parsed, NO_NAMES);
  if (resolved?.condition === undefined)
    throw new Error(`${text}: ${resolved?.problems.map((found) => found.message)}`);
  return resolved.condition;
};

const predicateOf = (text: string): Predicate => {
  const condition = conditionOf(text);
  if (condition.kind !== 'predicate') throw new Error(`${text} is no predicate`);
  return condition;
};

const present = (value: string | bigint | boolean | readonly string[]): FieldValue => ({
  state: 'present',
  value,
  trust: 'resolved',
});

describe('predicates on values', () => {
  const cases: readonly (readonly [
    text: string,
    value: string | bigint | boolean | readonly string[],
    expected: boolean,
  ])[] = [
    ['proc.name = bash', 'bash', true],
    ['proc.name = bash', 'Bash', false],
    ['proc.name != bash', 'sh', true],
    ['proc.name in (a, b)', 'b', true],
    ['proc.name in (a, b)', 'ab', false],
    ['proc.args intersects (-V, -l)', '-l', true],
    ['proc.args = ""', '', true],
    ['fd.name contains etc', '/etc/shadow', true],
    ['fd.name contains ETC', '/etc/shadow', false],
    ['fd.name icontains ETC', '/etc/shadow', true],
    ['fd.name icontains ä', '/Ä', false],
    ['fd.name startswith /etc', '/etcetera', true],
    ['fd.name startswith etc', '/etc', false],
    ['fd.name endswith .conf', '/a.conf', true],
    ['fd.name endswith .conf', '.con', false],
    ['fd.name glob /home/*/.ssh/*', '/home/a/.ssh/id', true],
    ['fd.name glob /home/?', '/home/ab', false],
    ['fd.name iglob /HOME/*', '/home/a', true],
    ['fd.name glob /HOME/*', '/home/a', false],
    ['fd.name pmatch (/etc, /usr/lib)', '/etc/shadow', true],
    ['fd.name pmatch (/etc, /usr/lib)', '/etc', true],
    ['fd.name pmatch (/etc, /usr/lib)', '/etcetera', false],
    ['fd.name pmatch (/etc, /usr/lib)', '/usr/lib/x/y', true],
    ['fd.name pmatch (/etc, /usr/lib)', '/usr/libexec', false],
    ['fd.name pmatch (/etc, /usr/lib)', '/usr', false],
    ['fd.name pmatch (/etc/)', '/etc/shadow', true],
    ['fd.name pmatch (/)', '/anything', true],
    ['evt.rawres < 0', -2n, true],
    ['evt.rawres < 0', 0n, false],
    ['evt.rawres <= 0', 0n, true],
    ['evt.rawres > -1', 0n, true],
    ['evt.rawres >= 18446744073709551615', 18446744073709551615n, true],
    ['evt.rawres >= 18446744073709551615', 18446744073709551614n, false],
    ['fd.num = 0x10', 16n, true],
    ['fd.num in (1, 2)', 2n, true],
    ['evt.failed = true', true, true],
    ['evt.failed != true', true, false],
    ['evt.arg.flags contains O_CREAT', 'O_WRONLY|O_CREAT', true],
    ['evt.arg.mode = 438', '438', true],
    ['evt.arg.mode = 0x1b6', '438', false],
    ['evt.res startswith E', 'ENOENT', true],
    ['evt.res = SUCCESS', 'SUCCESS', true],
    ['fd.sip = 127.0.0.1', '127.0.0.1', true],
    ['fd.sip = 127.0.0.1', '127.0.0.2', false],
    ['fd.sip = "::1"', '0:0:0:0:0:0:0:1', true],
    ['fd.snet = 10.0.0.0/8', '10.9.8.7', true],
    ['fd.snet in (10.0.0.0/8, "fc00::/7")', 'fd00::1', true],
    ['fd.snet != 10.0.0.0/8', '::1', true],
    ['fd.snet = 10.0.0.0/8', '::ffff:10.1.1.1', true],
    ['proc.name exists', '', true],
  ];
  it.each(cases)('%s on %s: %s', (text, value, expected) => {
    expect(evaluatePredicate(predicateOf(text), present(value))).toBe(expected ? Truth.TRUE : Truth.FALSE);
  });
});

describe('predicates on several values', () => {
  const cases: readonly (readonly [text: string, value: readonly string[], expected: boolean])[] = [
    ['fd.ip = 1.1.1.1', ['1.1.1.1', '2.2.2.2'], true],
    ['fd.ip = 3.3.3.3', ['1.1.1.1', '2.2.2.2'], false],
    ['fd.ip != 1.1.1.1', ['1.1.1.1', '2.2.2.2'], false],
    ['fd.ip != 3.3.3.3', ['1.1.1.1', '2.2.2.2'], true],
    ['fd.net != 10.0.0.0/8', ['10.0.0.1', '1.1.1.1'], false],
    ['fd.net in (10.0.0.0/8)', ['10.0.0.1', '1.1.1.1'], true],
    ['fd.net != 10.0.0.0/8', ['::1', '::2'], true],
    ['fd.port = 22', ['54321', '22'], true],
    ['fd.port != 22', ['54321', '22'], false],
    ['fd.port != 22', ['54321', '80'], true],
    ['fd.port < 1024', ['54321', '22'], true],
    ['fd.port in (22, 80)', ['54321', '443'], false],
    ['proc.aname = sshd', ['bash', 'sshd'], true],
    ['proc.aname != sshd', ['bash', 'sshd'], true],
    ['proc.aname != sshd', ['sshd', 'sshd'], false],
    ['proc.aname in (sshd, login)', ['bash', 'sshd'], true],
    ['proc.aname startswith ss', ['bash', 'sshd'], true],
    ['proc.aname exists', ['bash'], true],
  ];
  it.each(cases)('%s on %s: %s', (text, value, expected) => {
    expect(evaluatePredicate(predicateOf(text), present(value))).toBe(expected ? Truth.TRUE : Truth.FALSE);
  });
});

describe('absent and unknown values', () => {
  const texts = [
    'proc.pname = x',
    'proc.pname != x',
    'proc.pname in (x)',
    'proc.pname startswith x',
    'evt.rawres < 1',
    'fd.ip != 1.1.1.1',
  ];
  it.each(texts)('%s', (text) => {
    expect(evaluatePredicate(predicateOf(text), { state: 'absent' })).toBe(Truth.ABSENT);
    expect(evaluatePredicate(predicateOf(text), { state: 'unknown' })).toBe(Truth.UNKNOWN);
    expect(evaluatePredicate(predicateOf(text), present([]))).toBe(Truth.ABSENT);
  });

  it('exists is false on absent fields and unknown on unknown ones', () => {
    expect(evaluatePredicate(predicateOf('proc.pname exists'), { state: 'absent' })).toBe(Truth.FALSE);
    expect(evaluatePredicate(predicateOf('proc.pname exists'), { state: 'unknown' })).toBe(Truth.UNKNOWN);
  });
});

describe('conditions', () => {
  const { FALSE, TRUE, UNKNOWN, ABSENT } = Truth;
  const given = (a: Truth, b: Truth) => (predicate: Predicate) => (predicate.field.name === 'proc.name' ? a : b);
  const A = 'proc.name = x';
  const B = 'proc.pname = y';

  // Written from the design: unknown counts as true in a positive literal and as false in a negated one for detection, and against
  // the rule for enforcement; absent makes a predicate false, and for enforcement is no ground for a negation.
  const literals: readonly (readonly [text: string, truth: Truth, possible: boolean, certain: boolean])[] = [
    [A, TRUE, true, true],
    [A, FALSE, false, false],
    [A, UNKNOWN, true, false],
    [A, ABSENT, false, false],
    [`not ${A}`, TRUE, false, false],
    [`not ${A}`, FALSE, true, true],
    [`not ${A}`, UNKNOWN, true, false],
    [`not ${A}`, ABSENT, true, false],
    [`not not ${A}`, TRUE, true, true],
    [`not not ${A}`, FALSE, false, false],
    [`not not ${A}`, UNKNOWN, true, false],
    [`not not ${A}`, ABSENT, false, false],
  ];
  it.each(literals)('%s where it is %d: possible %s, certain %s', (text, truth, possible, certain) => {
    const condition = conditionOf(text);
    expect(evaluate(condition, given(truth, FALSE), 'possible')).toBe(possible);
    expect(evaluate(condition, given(truth, FALSE), 'certain')).toBe(certain);
  });

  const joined: readonly (readonly [text: string, a: Truth, b: Truth, bound: Bound, expected: boolean])[] = [
    [`${A} and ${B}`, TRUE, UNKNOWN, 'possible', true],
    [`${A} and ${B}`, TRUE, UNKNOWN, 'certain', false],
    [`${A} and ${B}`, FALSE, UNKNOWN, 'possible', false],
    [`${A} or ${B}`, TRUE, UNKNOWN, 'certain', true],
    [`${A} or ${B}`, FALSE, UNKNOWN, 'possible', true],
    [`${A} or ${B}`, FALSE, ABSENT, 'possible', false],
    [`not (${A} or ${B})`, FALSE, FALSE, 'certain', true],
    [`not (${A} or ${B})`, FALSE, ABSENT, 'certain', false],
    [`not (${A} or ${B})`, FALSE, ABSENT, 'possible', true],
    [`not (${A} or ${B})`, FALSE, UNKNOWN, 'possible', true],
    [`not (${A} or ${B})`, TRUE, UNKNOWN, 'possible', false],
    [`not (${A} and ${B})`, TRUE, UNKNOWN, 'possible', true],
    [`not (${A} and ${B})`, TRUE, UNKNOWN, 'certain', false],
    [`not (${A} and ${B})`, FALSE, UNKNOWN, 'certain', true],
    [`not (${A} and ${B})`, TRUE, TRUE, 'possible', false],
    [`not (${A} and not ${B})`, TRUE, UNKNOWN, 'possible', true],
    [`not (${A} and not ${B})`, TRUE, ABSENT, 'possible', false],
    [`${A} and not ${A}`, UNKNOWN, FALSE, 'possible', true],
  ];
  it.each(joined)('%s with %d, %d, %s: %s', (text, a, b, bound, expected) => {
    expect(evaluate(conditionOf(text), given(a, b), bound)).toBe(expected);
  });

  it('takes constants as they are, also negated', () => {
    const never = (): never => {
      throw new Error('nothing to ask');
    };
    expect(evaluate(conditionOf('evt.num = 0'), never, 'possible')).toBe(false);
    expect(evaluate(conditionOf('not evt.num = 0'), never, 'certain')).toBe(true);
  });

  it('does not take != for a negated =', () => {
    const differs = conditionOf(`proc.name != x`);
    const truth = evaluatePredicate(differs as Predicate, { state: 'absent' });
    expect(evaluate(differs, () => truth, 'possible')).toBe(false);
    expect(evaluate(conditionOf(`not ${A}`), () => truth, 'possible')).toBe(true);
  });
});
