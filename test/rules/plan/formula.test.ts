import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assume,
  type Bound,
  type Condition,
  type Formula,
  literalsOf,
  type Predicate,
  predicatesOf,
  Truth,
  toFormula,
} from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';

const SPAN = { start: 0, end: 0 };
const TRUTHS = [Truth.FALSE, Truth.TRUE, Truth.UNKNOWN, Truth.ABSENT] as const;

const leafOf = (index: number): Predicate => ({
  kind: 'predicate',
  field: { name: `field${index}`, span: SPAN },
  operator: 'exists',
  constants: [],
  span: SPAN,
});
const indexOf = (predicate: Predicate): number => Number(predicate.field.name.slice('field'.length));

const { tree } = fc.letrec<{ tree: Condition }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    fc.nat(4).map(leafOf),
    fc.boolean().map((value): Condition => ({ kind: 'constant', value, span: SPAN })),
    tie('tree').map((operand): Condition => ({ kind: 'not', operand, span: SPAN })),
    fc
      .tuple(fc.constantFrom<'and' | 'or'>('and', 'or'), fc.array(tie('tree'), { maxLength: 4 }))
      .map(([kind, operands]): Condition => ({ kind, operands, span: SPAN })),
  ),
}));

/**
 * DESIGN.md, "Conditions have three truth values": the certain bound holds where every way to fill in what isn't known makes the
 * condition true, an absent field being no ground for a negation; the possible bound holds where some way does.
 */
const meaning = (condition: Condition, truths: readonly Truth[], bound: Bound): boolean => {
  type Pair = { readonly holds: boolean; readonly fails: boolean };
  const literal: Record<Truth, Pair> =
    bound === 'possible'
      ? {
          [Truth.FALSE]: { holds: false, fails: true },
          [Truth.TRUE]: { holds: true, fails: false },
          [Truth.UNKNOWN]: { holds: true, fails: true },
          [Truth.ABSENT]: { holds: false, fails: true },
        }
      : {
          [Truth.FALSE]: { holds: false, fails: true },
          [Truth.TRUE]: { holds: true, fails: false },
          [Truth.UNKNOWN]: { holds: false, fails: false },
          [Truth.ABSENT]: { holds: false, fails: false },
        };
  const visit = (node: Condition): Pair => {
    switch (node.kind) {
      case 'constant':
        return { holds: node.value, fails: !node.value };
      case 'predicate':
        return literal[truths[indexOf(node)] ?? Truth.UNKNOWN];
      case 'not': {
        const { holds, fails } = visit(node.operand);
        return { holds: fails, fails: holds };
      }
      case 'and': {
        const parts = node.operands.map(visit);
        return { holds: parts.every((part) => part.holds), fails: parts.some((part) => part.fails) };
      }
      default: {
        const parts = node.operands.map(visit);
        return { holds: parts.some((part) => part.holds), fails: parts.every((part) => part.fails) };
      }
    }
  };
  return visit(condition).holds;
};

/** As the emitted code reads the truth bytes: bit 0 may be false, bit 1 may be true. */
const run = (formula: Formula, truths: readonly Truth[], bound: Bound): boolean => {
  switch (formula.kind) {
    case 'constant':
      return formula.value;
    case 'literal': {
      const truth = truths[formula.predicate] ?? Truth.UNKNOWN;
      const bit = formula.negated ? 1 : 2;
      return bound === 'possible' ? (truth & bit) !== 0 : truth === bit;
    }
    case 'and':
      return formula.operands.every((operand) => run(operand, truths, bound));
    default:
      return formula.operands.some((operand) => run(operand, truths, bound));
  }
};

const bound = fc.constantFrom<Bound>('possible', 'certain');
const truth = fc.constantFrom(...TRUTHS);
const truths = fc.array(truth, { minLength: 5, maxLength: 5 });

describe('a formula', () => {
  it('means what its condition means, whatever is known before it runs', () => {
    fc.assert(
      fc.property(
        tree,
        truths,
        fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
        bound,
        (condition, given, early, which) => {
          const formula = toFormula(condition, which, (predicate) => {
            const index = indexOf(predicate);
            return early[index] ? (given[index] ?? Truth.UNKNOWN) : { index };
          });
          expect(run(formula, given, which)).toBe(meaning(condition, given, which));
          for (const index of literalsOf(formula)) expect(early[index]).toBe(false);
        },
      ),
      { numRuns: count(200_000), seed: seed('formula') },
    );
  });

  it('can be told truths later', () => {
    fc.assert(
      fc.property(
        tree,
        truths,
        fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
        bound,
        (condition, given, told, which) => {
          const formula = toFormula(condition, which, (predicate) => ({ index: indexOf(predicate) }));
          const assumed = assume(formula, which, (index) => (told[index] ? given[index] : undefined));
          expect(run(assumed, given, which)).toBe(meaning(condition, given, which));
          for (const index of literalsOf(assumed)) expect(told[index]).toBe(false);
        },
      ),
      { numRuns: count(100_000), seed: seed('assume') },
    );
  });

  it.each<[Truth, string, Bound, boolean]>([
    [Truth.TRUE, 'a', 'possible', true],
    [Truth.FALSE, 'a', 'possible', false],
    [Truth.UNKNOWN, 'a', 'possible', true],
    [Truth.ABSENT, 'a', 'possible', false],
    [Truth.TRUE, 'not a', 'possible', false],
    [Truth.FALSE, 'not a', 'possible', true],
    [Truth.UNKNOWN, 'not a', 'possible', true],
    [Truth.ABSENT, 'not a', 'possible', true],
    [Truth.TRUE, 'a', 'certain', true],
    [Truth.FALSE, 'a', 'certain', false],
    [Truth.UNKNOWN, 'a', 'certain', false],
    [Truth.ABSENT, 'a', 'certain', false],
    [Truth.TRUE, 'not a', 'certain', false],
    [Truth.FALSE, 'not a', 'certain', true],
    [Truth.UNKNOWN, 'not a', 'certain', false],
    [Truth.ABSENT, 'not a', 'certain', false],
  ])('with truth %i "%s" is %s: %s', (given, text, which, expected) => {
    const leaf = leafOf(0);
    const condition: Condition = text === 'a' ? leaf : { kind: 'not', operand: leaf, span: SPAN };
    expect(
      run(
        toFormula(condition, which, () => given),
        [],
        which,
      ),
    ).toBe(expected);
    expect(
      run(
        toFormula(condition, which, () => ({ index: 0 })),
        [given],
        which,
      ),
    ).toBe(expected);
  });

  it('has the predicates of its condition in the order they are written', () => {
    const condition: Condition = {
      kind: 'and',
      operands: [leafOf(2), { kind: 'not', operand: leafOf(0), span: SPAN }, leafOf(1)],
      span: SPAN,
    };
    expect([...predicatesOf(condition)].map(indexOf)).toEqual([2, 0, 1]);
  });
});
