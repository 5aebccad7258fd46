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

/** The operators there are so far, with Falco's meaning. `==` is parsed as `=`. */
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
  | 'startswith'
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

/** One field, one operator, its constants: none for `exists`, one for most, any number for the list operators. */
export interface Predicate {
  readonly kind: 'predicate';
  readonly field: FieldRef;
  readonly operator: Operator;
  readonly constants: readonly Constant[];
  readonly span: Span;
}

/** A condition with its lists and macros substituted and its constants typed. Nodes are frozen; passes make new trees. */
export type Condition =
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Condition[]; readonly span: Span }
  | { readonly kind: 'not'; readonly operand: Condition; readonly span: Span }
  | { readonly kind: 'constant'; readonly value: boolean; readonly span: Span }
  | Predicate;
