import type { Expression, FieldRef, ListModifier, Operator, Span } from './ast.ts';
import type { ParsedValue } from './lexer.ts';

/** A comparison as written: values are text, field and types are not checked yet. */
export interface ParsedPredicate {
  readonly kind: 'predicate';
  readonly field: FieldRef;
  readonly operator: Operator;
  readonly values: readonly ParsedValue[];
  /** `in name` without parentheses: the one value has to be a list's name. */
  readonly listName: boolean;
  readonly span: Span;
  /** Set where the left side is more than `field`. */
  readonly left?: Expression;
  /** Set where the right side is a field or a transformer; there are no values then. */
  readonly right?: Expression;
  readonly modifier?: ListModifier;
}

/** The use of a macro. */
export interface MacroUse {
  readonly kind: 'macro';
  readonly name: string;
  readonly span: Span;
}

/** A condition as written, with macros and lists by name. Nodes are frozen; `error` stands where a problem was reported. */
export type ParsedCondition =
  | { readonly kind: 'and' | 'or'; readonly operands: readonly ParsedCondition[]; readonly span: Span }
  | { readonly kind: 'not'; readonly operand: ParsedCondition; readonly span: Span }
  | MacroUse
  | { readonly kind: 'error'; readonly span: Span }
  | ParsedPredicate;
