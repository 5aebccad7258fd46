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
  startswith: { arity: 'one', types: TEXT },
  endswith: { arity: 'one', types: TEXT },
  glob: { arity: 'one', types: TEXT },
  iglob: { arity: 'one', types: TEXT },
  regex: { arity: 'one', types: TEXT },
  exists: { arity: 'none', types: EVERY },
} as const satisfies Record<Operator, OperatorEntry>;

/** Falco's operators, modifiers and transformers that don't exist here yet, with what to use instead. */
export const LATER_OPERATORS: ReadonlyMap<string, string> = new Map([
  ['bcontains', 'contains'],
  ['bstartswith', 'startswith'],
]);

/** Falco's transformers; none is evaluated in conditions yet. */
export const TRANSFORMERS = [
  'tolower',
  'toupper',
  'b64',
  'basename',
  'len',
  'join',
  'concat',
  'getopt',
  'val',
] as const;

/** Words after a string operator that make it take a list. */
export const LIST_MODIFIERS: ReadonlySet<string> = new Set(['oneof', 'anyof', 'allof']);

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
