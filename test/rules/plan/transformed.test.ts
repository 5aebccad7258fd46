import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildAutomaton, runAutomaton } from '../../../rules/codegen/automaton.ts';
import {
  EVENT_TYPES,
  evaluatePredicate,
  type Placed,
  type Predicate,
  placePredicate,
  stringTest,
} from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';
import { conditionOf } from '../../support/rules.ts';

const predicateOf = (text: string): Predicate => {
  const condition = conditionOf(text);
  if (condition.kind !== 'predicate') throw new Error(`${text} is no predicate`);
  return condition;
};

const placed = (text: string, type = 'openat'): Placed =>
  placePredicate(predicateOf(text), { hook: 'tp_btf/sys_exit', event: EVENT_TYPES.get(type)! });

describe('what the kernel decides of transformers', () => {
  it.each([
    ['tolower(proc.name) = nc', [{ match: 'equals', text: 'nc', fold: true }]],
    ['toupper(fd.name) startswith /ETC', [{ match: 'prefix', text: '/ETC', fold: true }]],
    ['tolower(proc.name) in (NC, sh)', [{ match: 'equals', text: 'sh', fold: true }]],
    [
      'basename(proc.exepath) = nc',
      [
        { match: 'equals', text: 'nc', fold: false },
        { match: 'suffix', text: '/nc', fold: false },
      ],
    ],
    ['proc.name regex "a.*"', [{ match: 'regex', text: 'a.*', fold: false }]],
    ['fd.name bstartswith 2f65', [{ match: 'prefix', text: '/e', fold: false }]],
    [
      'fd.name endswith anyof (.sh, .py)',
      [
        { match: 'suffix', text: '.sh', fold: false },
        { match: 'suffix', text: '.py', fold: false },
      ],
    ],
  ])('%s', (text, patterns) => {
    expect(placed(text)).toMatchObject({ kind: 'kernel', kernel: { test: { patterns, negated: false } } });
  });

  it.each([
    ['b64(proc.args) contains x', 'the transformer b64 is evaluated after the kernel'],
    ['len(proc.name) > 3', 'the transformer len is evaluated after the kernel'],
    ['tolower(proc.name) regex a', 'the transformer tolower is evaluated after the kernel'],
    ['basename(proc.exepath) startswith a', 'the transformer basename is evaluated after the kernel'],
    ['tolower(evt.res) = enoent', 'the transformer tolower is evaluated after the kernel'],
    ['concat(proc.name, proc.pname) = x', 'the transformer concat is evaluated after the kernel'],
    ['proc.name = val(proc.pname)', 'two fields are compared after the kernel'],
    ['fd.name bcontains ff', 'the operator bcontains'],
  ])('not %s', (text, reason) => {
    expect(placed(text)).toEqual({ kind: 'user', reason });
  });

  it('is known beforehand where a field is not there, on either side', () => {
    expect(placed('proc.name = val(fd.name)', 'setuid')).toEqual({ kind: 'constant', truth: 5 });
    expect(placed('tolower(fd.name) exists', 'setuid')).toEqual({ kind: 'constant', truth: 1 });
    expect(placed('tolower(evt.type) = openat')).toEqual({ kind: 'constant', truth: 2 });
    expect(placed('toupper(evt.type) = openat')).toEqual({ kind: 'constant', truth: 1 });
  });
});

it('is what user space evaluates', () => {
  const unit = fc.constantFrom('a', 'b', 'A', 'B', '/', '.', '_', '0');
  const text = fc.string({ unit, maxLength: 6 });
  const chain = fc.array(fc.constantFrom('tolower', 'toupper', 'basename'), { minLength: 1, maxLength: 3 });
  const operator = fc.constantFrom(
    '=',
    '!=',
    'contains',
    'icontains',
    'startswith',
    'endswith',
    'glob',
    'iglob',
    'regex',
  );
  const value = fc.oneof(
    text,
    text.map((part) => `*${part}`),
    text.map((part) => `[a-Z]${part}?`),
    text.map((part) => `[Aa_]${part}`),
  );
  let decided = 0;
  fc.assert(
    fc.property(
      chain,
      operator,
      value,
      fc.array(text, { minLength: 1, maxLength: 10 }),
      (calls, op, constant, texts) => {
        fc.pre(op !== 'regex' || !/[*?]/.test(constant[0] ?? ''));
        fc.pre(op !== 'regex' || !constant.includes('a-Z'));
        const left = calls.reduceRight((inner, call) => `${call}(${inner})`, 'proc.exe');
        const predicate = predicateOf(`${left} ${op} "${constant}"`);
        const test = stringTest(predicate);
        if (test === undefined) return;
        const automaton = buildAutomaton([test])!;
        for (const given of texts) {
          decided++;
          const [truth] = runAutomaton(automaton, new TextEncoder().encode(given));
          expect([given, truth]).toEqual([
            given,
            evaluatePredicate(predicate, { state: 'present', value: given, trust: 'resolved' }),
          ]);
        }
      },
    ),
    { numRuns: count(30_000), seed: seed('transformed patterns') },
  );
  expect(decided).toBeGreaterThan(count(30_000));
});
