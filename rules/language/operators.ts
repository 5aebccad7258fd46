import type { Operator } from './ast.ts';
import type { FieldType } from './fields.ts';

/** How many values stand on an operator's right side. */
export type Arity = 'none' | 'one' | 'list';

interface OperatorEntry {
  readonly arity: Arity;
  /** The field types it compares. */
  readonly types: readonly FieldType[];
}

const EVERY = ['string', 'number', 'boolean', 'address', 'list'] as const satisfies readonly FieldType[];
const TEXT = ['string'] as const;

/** Every operator, with what it compares (docs of Falco's operators: https://falco.org/docs/concepts/rules/conditions/). */
export const OPERATORS = {
  '=': { arity: 'one', types: ['string', 'number', 'boolean', 'address'] },
  '!=': { arity: 'one', types: ['string', 'number', 'boolean', 'address'] },
  '<': { arity: 'one', types: ['number'] },
  '<=': { arity: 'one', types: ['number'] },
  '>': { arity: 'one', types: ['number'] },
  '>=': { arity: 'one', types: ['number'] },
  in: { arity: 'list', types: ['string', 'number', 'address', 'list'] },
  intersects: { arity: 'list', types: ['string', 'number', 'address', 'list'] },
  pmatch: { arity: 'list', types: TEXT },
  contains: { arity: 'one', types: TEXT },
  icontains: { arity: 'one', types: TEXT },
  bcontains: { arity: 'one', types: TEXT },
  startswith: { arity: 'one', types: TEXT },
  bstartswith: { arity: 'one', types: TEXT },
  endswith: { arity: 'one', types: TEXT },
  glob: { arity: 'one', types: TEXT },
  iglob: { arity: 'one', types: TEXT },
  regex: { arity: 'one', types: TEXT },
  exists: { arity: 'none', types: EVERY },
} as const satisfies Record<Operator, OperatorEntry>;

/** Operators of one value, other than comparisons of size: those that `oneof`, `anyof` and `allof` may follow. */
export const takesModifier = (operator: Operator): boolean =>
  OPERATORS[operator].arity === 'one' && !['<', '<=', '>', '>='].includes(operator);

/** The operator that a word or symbol writes; `==` is `=`. */
export const operatorOf = (text: string): Operator | undefined => {
  if (text === '==') return '=';
  return Object.hasOwn(OPERATORS, text) ? (text as Operator) : undefined;
};

/** The operators that compare a type. */
export const operatorsFor = (type: FieldType): readonly Operator[] =>
  (Object.keys(OPERATORS) as Operator[]).filter((operator) =>
    OPERATORS[operator].types.some((entry) => entry === type),
  );
