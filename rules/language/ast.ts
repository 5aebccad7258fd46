/** Offsets into the condition's text, in UTF-16 units; `end` is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A field as a condition or template names it: `proc.aname[2]` is name `proc.aname`, argument `2`. */
export interface FieldRef {
  readonly name: string;
  readonly argument?: string;
  readonly span: Span;
}

/** Falco's transformers, which change a value before it is compared; `val` takes a field's value as it is, on the right side only. */
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
export type Transformer = (typeof TRANSFORMERS)[number];

/** What is compared where it is more than a field: `tolower(proc.name)`, `concat(fd.sip, ":", fd.sport)`, `getopt(proc.args, "c:")[c]`. */
export type Expression =
  | { readonly kind: 'field'; readonly field: FieldRef; readonly span: Span }
  /** A text among a transformer's operands. */
  | { readonly kind: 'text'; readonly value: string; readonly span: Span }
  | {
      readonly kind: 'call';
      readonly transformer: Transformer;
      readonly operands: readonly Expression[];
      /** What stands in brackets behind it: the option that getopt picks. */
      readonly argument?: string;
      readonly span: Span;
    };

/** A word after an operator that makes it take a list: exactly one, at least one or all of the comparisons have to be true. */
export const LIST_MODIFIERS = ['oneof', 'anyof', 'allof'] as const;
export type ListModifier = (typeof LIST_MODIFIERS)[number];

/** The operators, with Falco's meaning. `==` is parsed as `=`. */
export type Operator =
  | '='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'in'
  | 'pmatch'
  | 'intersects'
  | 'contains'
  | 'icontains'
  | 'bcontains'
  | 'startswith'
  | 'bstartswith'
  | 'endswith'
  | 'glob'
  | 'iglob'
  | 'regex'
  | 'exists';

/** A constant on the right side, typed by the field: numbers (also ports, errnos, ids) are bigint. */
export type Constant =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'number'; readonly value: bigint }
  | { readonly type: 'boolean'; readonly value: boolean }
  /** Address bytes (4 or 16) and prefix length in bits (32 or 128 for a single address). */
  | { readonly type: 'network'; readonly value: string; readonly bytes: Uint8Array; readonly prefix: number };

/**
 * One field, one operator, its constants: none for `exists`, one for most, any number for the list operators and after `anyof`, of
 * which one has to satisfy the operator.
 */
export interface Predicate {
  readonly kind: 'predicate';
  /** The field that is compared; the first one where `left` names several. */
  readonly field: FieldRef;
  readonly operator: Operator;
  readonly constants: readonly Constant[];
  readonly span: Span;
  /** What is compared instead of the field's value. */
  readonly left?: Expression;
  /** What it is compared with instead of constants, of which there are none then. */
  readonly right?: Expression;
}

/** A condition with its lists and macros substituted and its constants typed. Nodes are frozen; passes make new trees. */
export type Condition =
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Condition[]; readonly span: Span }
  | { readonly kind: 'not'; readonly operand: Condition; readonly span: Span }
  | { readonly kind: 'constant'; readonly value: boolean; readonly span: Span }
  | Predicate;
