import { type Bound, type Condition, literalHolds, type Predicate, type Truth } from '../language/index.ts';

/**
 * A condition at one hook in negation normal form, for one bound: literals refer to predicates by number. A literal holds when its
 * predicate's byte shows it possible (or certain).
 */
export type Formula =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Formula[] }
  | { readonly kind: 'literal'; readonly predicate: number; readonly negated: boolean };

const TRUE: Formula = Object.freeze({ kind: 'constant', value: true });
const FALSE: Formula = Object.freeze({ kind: 'constant', value: false });

const join = (kind: 'and' | 'or', operands: readonly Formula[]): Formula => {
  const kept: Formula[] = [];
  for (const operand of operands) {
    if (operand.kind === 'constant') {
      if (operand.value === (kind === 'or')) return operand;
    } else if (operand.kind === kind) kept.push(...operand.operands);
    else kept.push(operand);
  }
  const [only] = kept;
  if (only === undefined) return kind === 'and' ? TRUE : FALSE;
  return kept.length === 1 ? only : { kind, operands: kept };
};

/**
 * The formula of a condition. `leaf` says what a predicate is: a truth that is known now, or a number under which it is
 * evaluated. Negations are pushed down to the literals; `not (a = b)` never becomes `a != b`.
 */
export const toFormula = (
  condition: Condition,
  bound: Bound,
  leaf: (predicate: Predicate) => Truth | { readonly index: number },
): Formula => {
  const visit = (node: Condition, negated: boolean): Formula => {
    switch (node.kind) {
      case 'constant':
        return node.value !== negated ? TRUE : FALSE;
      case 'not':
        return visit(node.operand, !negated);
      case 'predicate': {
        const known = leaf(node);
        if (typeof known === 'number') return literalHolds(known, negated, bound) ? TRUE : FALSE;
        return { kind: 'literal', predicate: known.index, negated };
      }
      default:
        return join(
          (node.kind === 'and') !== negated ? 'and' : 'or',
          node.operands.map((operand) => visit(operand, negated)),
        );
    }
  };
  return visit(condition, false);
};

/** The formula with some predicates set to a truth. */
export const assume = (formula: Formula, bound: Bound, truthOf: (predicate: number) => Truth | undefined): Formula => {
  switch (formula.kind) {
    case 'constant':
      return formula;
    case 'literal': {
      const truth = truthOf(formula.predicate);
      if (truth === undefined) return formula;
      return literalHolds(truth, formula.negated, bound) ? TRUE : FALSE;
    }
    default:
      return join(
        formula.kind,
        formula.operands.map((operand) => assume(operand, bound, truthOf)),
      );
  }
};

/** The predicates a formula refers to. */
export const literalsOf = (formula: Formula, into = new Set<number>()): Set<number> => {
  if (formula.kind === 'literal') into.add(formula.predicate);
  else if (formula.kind !== 'constant') for (const operand of formula.operands) literalsOf(operand, into);
  return into;
};

/** The predicates of a condition, in the order they are written. */
export const predicatesOf = (condition: Condition, into: Predicate[] = []): readonly Predicate[] => {
  if (condition.kind === 'predicate') into.push(condition);
  else if (condition.kind === 'not') predicatesOf(condition.operand, into);
  else if (condition.kind !== 'constant') for (const operand of condition.operands) predicatesOf(operand, into);
  return into;
};
