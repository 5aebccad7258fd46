import { expect, it } from 'vitest';
import { mutantsOf } from '../../agent/mutants.ts';
import { type Condition, parseCondition, predicateText, resolveCondition } from '../../rules/index.ts';

const conditionOf = (text: string): Condition => {
  const { condition } = parseCondition(text);
  const names = { list: () => undefined, knownLists: () => [], macro: () => undefined, knownMacros: () => [] };
  const resolved = condition && resolveCondition(condition, names).condition;
  if (resolved === undefined) throw new Error(`not a condition: ${text}`);
  return resolved;
};

const textOf = (node: Condition): string => {
  switch (node.kind) {
    case 'constant':
      return String(node.value);
    case 'predicate':
      return predicateText(node);
    case 'not':
      return `not (${textOf(node.operand)})`;
    default:
      return `(${node.operands.map(textOf).join(` ${node.kind} `)})`;
  }
};

const mutants = (text: string): readonly string[] => mutantsOf(conditionOf(text)).map((each) => textOf(each.condition));

it('negates, leaves out, exchanges values and operators, and and for or', () => {
  expect(mutants('evt.failed = false and not fd.name startswith /etc')).toEqual([
    '(not (evt.failed = false) and not (fd.name startswith /etc))',
    '(evt.failed != false and not (fd.name startswith /etc))',
    'not (fd.name startswith /etc)',
    '(evt.failed = false and not (not (fd.name startswith /etc)))',
    '(evt.failed = false and not (fd.name startswith /etz))',
    '(evt.failed = false and not (fd.name contains /etc))',
    'evt.failed = false',
    '(evt.failed = false or not (fd.name startswith /etc))',
  ]);
});

it('takes the neighbour of numbers, the network beside, and values out of short lists', () => {
  expect(mutants('fd.num > 2')).toEqual(['not (fd.num > 2)', 'fd.num > 3', 'fd.num >= 2']);
  expect(mutants('fd.snet = 10.0.0.0/8')).toEqual([
    'not (fd.snet = 10.0.0.0/8)',
    'fd.snet = 11.0.0.0/8',
    'fd.snet != 10.0.0.0/8',
  ]);
  expect(mutants('proc.name in (a, b, c)')).toEqual([
    'not (proc.name in (a, b, c))',
    'proc.name in (z, z, z)',
    'proc.name in (b, c)',
    'proc.name in (a, c)',
    'proc.name in (a, b)',
  ]);
  expect(mutants('proc.name in (a, b, c, d, e)')).toHaveLength(2);
});

it('says what stood there and what stands there now, at its place', () => {
  const [, , first] = mutantsOf(conditionOf('evt.type in (open, openat) and fd.num = 3'));
  expect(first).toMatchObject({
    span: { start: 0, end: 26 },
    before: 'evt.type in (open, openat)',
    after: 'without open',
  });
});
