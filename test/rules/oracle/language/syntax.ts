/** A constant as it is written. */
export interface Item {
  readonly text: string;
  /** Quoted texts are never names of lists. */
  readonly quoted: boolean;
}

/** A field, with what stands in its brackets. */
export interface FieldName {
  readonly kind: 'field';
  readonly name: string;
  readonly argument?: string;
}

/** What stands on a comparison's side: a field, or a transformer over fields and texts. */
export type Operand =
  | FieldName
  | { readonly kind: 'call'; readonly name: string; readonly operands: readonly Operand[] }
  | { readonly kind: 'text'; readonly item: Item };

export type Modifier = 'oneof' | 'anyof' | 'allof';

export interface Check {
  readonly kind: 'check';
  readonly left: Operand;
  readonly operator: string;
  readonly modifier?: Modifier;
  /** Constants, or what `val` stands for. */
  readonly right: readonly Item[] | Operand;
}

/** A condition as it is written. */
export type Tree =
  | { readonly kind: 'and' | 'or'; readonly of: readonly Tree[] }
  | { readonly kind: 'not'; readonly of: Tree }
  | { readonly kind: 'macro'; readonly name: string }
  | Check;

/** Operators with a list on their right. */
export const LIST_OPERATORS: ReadonlySet<string> = new Set(['in', 'intersects', 'pmatch']);
export const WORD_OPERATORS: ReadonlySet<string> = new Set([
  ...LIST_OPERATORS,
  'exists',
  'glob',
  'iglob',
  'contains',
  'icontains',
  'bcontains',
  'startswith',
  'bstartswith',
  'endswith',
  'regex',
]);
export const MODIFIERS: ReadonlySet<string> = new Set(['oneof', 'anyof', 'allof']);

/** `proc.aname[2]`; the two ways to write an argument of the call are one. */
export const fieldText = ({ name, argument }: FieldName): string => {
  if (argument !== undefined) return `${name}[${argument}]`;
  return name.replace(/^evt\.arg\.(.+)$/, 'evt.arg[$1]');
};

/** Whether the constants of a comparison are what is on its right. */
export const isItems = (right: Check['right']): right is readonly Item[] => Array.isArray(right);

const fieldsOf = (operand: Operand): readonly FieldName[] => {
  if (operand.kind === 'field') return [operand];
  return operand.kind === 'call' ? operand.operands.flatMap(fieldsOf) : [];
};

/** The comparisons of a condition, left to right. */
export const checksOf = (tree: Tree): readonly Check[] => {
  if (tree.kind === 'check') return [tree];
  if (tree.kind === 'macro') return [];
  return tree.kind === 'not' ? checksOf(tree.of) : tree.of.flatMap(checksOf);
};

/** The fields that a comparison names. */
export const fieldsOfCheck = ({ left, right }: Check): readonly FieldName[] => [
  ...fieldsOf(left),
  ...(isItems(right) ? [] : fieldsOf(right)),
];
