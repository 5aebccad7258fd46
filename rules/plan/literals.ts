import { type Condition, type Constant, type Predicate, Truth } from '../language/index.ts';

/** A predicate that has to be true, or with `negated` must not be: false or absent. */
export interface Literal {
  readonly predicate: Predicate;
  readonly negated: boolean;
}

/** A condition with its negations at the predicates. */
export type Normal =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Normal[] }
  | { readonly kind: 'literal'; readonly literal: Literal };

const TRUE: Normal = Object.freeze({ kind: 'constant', value: true });
const FALSE: Normal = Object.freeze({ kind: 'constant', value: false });

const textOf = (constant: Constant): string => `${constant.type}:${JSON.stringify(String(constant.value))}`;

const keys = new WeakMap<Predicate, string>();

/** What a predicate asks, as a text: those of the same key are true of the same events. */
export const predicateKey = (predicate: Predicate): string => {
  const known = keys.get(predicate);
  if (known !== undefined) return known;
  const { kind: _kind, span: _span, field, operator, constants, ...more } = predicate;
  const values = [...new Set(constants.map(textOf))];
  const rest = Object.values(more).every((part) => part === undefined) ? '' : ` ${withoutSpans(more)}`;
  const key = `${field.name}[${field.argument ?? ''}] ${operator} ${values.sort().join()}${rest}`;
  keys.set(predicate, key);
  return key;
};

const withoutSpans = (value: unknown): string =>
  JSON.stringify(value, (name, part: unknown) =>
    name === 'span' ? undefined : typeof part === 'bigint' ? `${part}` : part,
  );

const operandKey = (normal: Normal): string => {
  switch (normal.kind) {
    case 'constant':
      return String(normal.value);
    case 'literal':
      return `${normal.literal.negated ? 'not ' : ''}${predicateKey(normal.literal.predicate)}`;
    default:
      return `(${normal.operands.map(operandKey).sort().join(` ${normal.kind} `)})`;
  }
};

/** A text that conditions have in common where they differ in nothing but the order and the repetition of their parts. */
export const normalKey = operandKey;

const join = (kind: 'and' | 'or', operands: readonly Normal[]): Normal => {
  const kept = new Map<string, Normal>();
  for (const operand of operands.flatMap((each) => (each.kind === kind ? each.operands : [each]))) {
    if (operand.kind === 'constant') {
      if (operand.value === (kind === 'or')) return operand;
      continue;
    }
    const key = operandKey(operand);
    if (!kept.has(key)) kept.set(key, operand);
  }
  const parts = [...kept.values()];
  const [only] = parts;
  if (only === undefined) return kind === 'and' ? TRUE : FALSE;
  return parts.length === 1 ? only : Object.freeze({ kind, operands: Object.freeze(parts) });
};

/**
 * A condition on events whose fields are known, each present or absent: constants are folded and repeated operands stand once. `known` may say what a predicate comes to. With `negated` it is the condition's opposite.
 */
export const normalOf = (
  condition: Condition,
  known: (predicate: Predicate) => Truth = () => Truth.UNKNOWN,
  negated = false,
): Normal => {
  switch (condition.kind) {
    case 'constant':
      return condition.value !== negated ? TRUE : FALSE;
    case 'not':
      return normalOf(condition.operand, known, !negated);
    case 'predicate': {
      const truth = known(condition);
      if (truth !== Truth.UNKNOWN) return (truth === Truth.TRUE) !== negated ? TRUE : FALSE;
      return Object.freeze({ kind: 'literal', literal: Object.freeze({ predicate: condition, negated }) });
    }
    default:
      return join(
        (condition.kind === 'and') !== negated ? 'and' : 'or',
        condition.operands.map((operand) => normalOf(operand, known, negated)),
      );
  }
};

/** The conjunction of conditions. */
export const bothOf = (...operands: readonly Normal[]): Normal => join('and', operands);
