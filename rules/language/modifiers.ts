import type { Condition, Span } from './ast.ts';

/** The nodes that say that exactly one, and that none of some conditions is true. */
interface Counted {
  readonly one: Condition;
  readonly none: Condition;
}

const join = (kind: 'and' | 'or', left: Condition, right: Condition, span: Span): Condition =>
  Object.freeze({ kind, operands: Object.freeze([left, right]), span });

/** Halves are counted apart, so that the condition grows by the logarithm of its operands' number only. */
const count = (operands: readonly Condition[], span: Span): Counted => {
  const [only] = operands;
  if (operands.length === 1 && only !== undefined)
    return { one: only, none: Object.freeze({ kind: 'not', operand: only, span }) };
  const half = operands.length >> 1;
  const left = count(operands.slice(0, half), span);
  const right = count(operands.slice(half), span);
  return {
    one: join('or', join('and', left.one, right.none, span), join('and', left.none, right.one, span), span),
    none: join('and', left.none, right.none, span),
  };
};

/** The condition that exactly one of some conditions is true; there is at least one. */
export const exactlyOne = (operands: readonly Condition[], span: Span): Condition => count(operands, span).one;
