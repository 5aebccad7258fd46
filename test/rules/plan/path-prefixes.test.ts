import { expect, it } from 'vitest';
import { buildAutomaton, runAutomaton } from '../../../rules/codegen/automaton.ts';
import { evaluatePredicate, type Predicate, stringTest, Truth } from '../../../rules/index.ts';
import { conditionOf } from '../../support/rules.ts';

const VALUES = ['/', '/usr', '/usr/lib', '/usrlocal', '/USR', 'usr', 'usr/lib', '', 'etc', '/etc'];

const predicateOf = (text: string): Predicate => {
  const condition = conditionOf(text);
  if (condition.kind !== 'predicate') throw new Error(`${text} is no predicate`);
  return condition;
};

it.each([
  ['', ['usr', 'usr/lib', '', 'etc']],
  ['/', ['/', '/usr', '/usr/lib', '/usrlocal', '/USR', '/etc']],
  ['//', ['/', '/usr', '/usr/lib', '/usrlocal', '/USR', '/etc']],
  ['/usr', ['/usr', '/usr/lib']],
  ['/usr/', ['/usr', '/usr/lib']],
  ['/usr//lib', ['/usr/lib']],
  ['usr//', ['usr', 'usr/lib']],
])('pmatch ("%s") is the same in the kernel and in user space', (prefix, matching) => {
  const predicate = predicateOf(`proc.exepath pmatch ("${prefix}")`);
  const test = stringTest(predicate);
  const automaton = test && buildAutomaton([test]);
  if (automaton === undefined) throw new Error('no automaton decides it');
  const inKernel = VALUES.filter((value) => runAutomaton(automaton, new TextEncoder().encode(value))[0] === Truth.TRUE);
  const inUserSpace = VALUES.filter(
    (value) => evaluatePredicate(predicate, { state: 'present', value, trust: 'resolved' }) === Truth.TRUE,
  );
  expect(inKernel).toEqual(matching);
  expect(inUserSpace).toEqual(matching);
});
