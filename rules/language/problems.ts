import type { Span } from './ast.ts';

/** A mistake in a condition, list or template, as a value; `span` points into the text that was read. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  /** Stable, kebab-case. */
  readonly code: ProblemCode;
  readonly span: Span;
  /** One sentence for a person, without file and line. */
  readonly message: string;
  readonly field?: string;
  /** What would have been right. */
  readonly expected?: string;
  /** The nearest valid name. */
  readonly nearest?: string;
  /** The macro inside which the mistake is; `span` is then the macro's use. Resolving that macro alone reports it too. */
  readonly macro?: string;
}

/** What a kind of problem needs to know to be put in words. */
interface Details {
  readonly syntax: { readonly found: string; readonly expected: string };
  readonly 'unclosed-parenthesis': Record<never, never>;
  readonly 'unopened-parenthesis': Record<never, never>;
  readonly 'unclosed-quote': { readonly quote: string };
  readonly 'bad-escape': { readonly escape: string; readonly expected: string };
  readonly 'unknown-operator': { readonly operator: string; readonly field: string; readonly nearest?: string };
  readonly 'missing-operator': { readonly field: string };
  readonly 'missing-value': { readonly field: string; readonly operator: string; readonly found: string };
  readonly 'list-not-allowed': { readonly field: string; readonly operator: string };
  readonly 'list-as-value': { readonly field: string; readonly operator: string; readonly list: string };
  readonly 'modifier-not-allowed': { readonly operator: string; readonly modifier: string };
  readonly 'misplaced-val': Record<never, never>;
  readonly 'no-field': { readonly text: string };
  readonly 'wrong-operand': { readonly transformer: string; readonly expected: string; readonly found: string };
  readonly 'different-types': {
    readonly left: string;
    readonly type: string;
    readonly right: string;
    readonly otherType: string;
  };
  readonly 'field-not-allowed': { readonly operator: string; readonly expected: string };
  readonly 'looks-like-field': { readonly value: string; readonly expected: string };
  readonly 'bad-regex': { readonly pattern: string; readonly at: number; readonly reason: string };
  readonly 'bad-hex': { readonly value: string; readonly operator: string };
  readonly 'too-deep': { readonly limit: number };
  readonly 'too-large': { readonly limit: number };
  readonly empty: Record<never, never>;
  readonly 'unknown-field': { readonly field: string; readonly nearest?: string };
  readonly 'unsupported-field': { readonly field: string; readonly because?: string };
  readonly 'unavailable-field': { readonly field: string; readonly because?: string };
  readonly 'missing-argument': { readonly field: string; readonly expected: string };
  readonly 'unexpected-argument': { readonly field: string };
  readonly 'bad-argument': { readonly field: string; readonly argument: string; readonly expected: string };
  readonly 'unknown-argument': { readonly field: string; readonly argument: string; readonly nearest?: string };
  readonly 'unknown-macro': { readonly macro: string; readonly list: boolean; readonly nearest?: string };
  readonly 'unknown-list': { readonly list: string; readonly nearest?: string };
  readonly 'looks-like-list': { readonly value: string; readonly nearest: string };
  readonly 'unknown-event': { readonly value: string; readonly nearest?: string };
  readonly 'event-never-seen': { readonly value: string };
  readonly 'never-matches': { readonly predicate: string; readonly because: string };
  readonly 'operator-not-allowed': {
    readonly field: string;
    readonly type: string;
    readonly operator: string;
    readonly expected: string;
  };
  readonly 'bad-number': { readonly field: string; readonly value: string };
  readonly 'bad-boolean': { readonly field: string; readonly value: string };
  readonly 'bad-address': { readonly field: string; readonly value: string };
  readonly 'network-not-allowed': { readonly field: string; readonly value: string; readonly nearest: string };
  readonly 'macro-cycle': { readonly path: readonly string[] };
  readonly 'list-cycle': { readonly path: readonly string[] };
  readonly 'broken-macro': { readonly macro: string };
  readonly 'unknown-transformer': { readonly transformer: string; readonly nearest?: string };
  readonly 'bad-placeholder': { readonly expected: string };
}

/** The stable codes. */
export type ProblemCode = keyof Details;

const meant = (nearest: string | undefined): string => (nearest === undefined ? '' : `; did you mean "${nearest}"?`);
const ending = (nearest: string | undefined): string => (nearest === undefined ? '.' : meant(nearest));

/** Operators that compare sizes. */
const SIZES: ReadonlySet<string> = new Set(['<', '<=', '>', '>=']);

const WORDS: { readonly [Code in ProblemCode]: (detail: Details[Code]) => string } = {
  syntax: ({ found, expected }) => `Expected ${expected}, but found ${found}.`,
  'unclosed-parenthesis': () => 'This "(" is never closed; add a ")".',
  'unopened-parenthesis': () => 'This ")" closes nothing; remove it or add a "(" before it.',
  'unclosed-quote': ({ quote }) => `This text is never closed; add a ${quote} at its end.`,
  'bad-escape': ({ escape: sequence, expected }) => `The escape ${sequence} does not exist here; expected ${expected}.`,
  'unknown-operator': ({ operator, nearest }) => `There is no operator "${operator}"${ending(nearest)}`,
  'missing-operator': ({ field }) =>
    `The field "${field}" is not compared with anything; expected an operator such as = or in.`,
  'missing-value': ({ field, operator, found }) =>
    `Expected a value after "${field} ${operator}", but found ${found}; put quotes around a value that looks like that.`,
  'list-not-allowed': ({ operator }) =>
    `The operator ${operator} takes one value, not a list${
      operator === '=' ? '; use in' : SIZES.has(operator) ? '' : `; write "${operator} anyof" before a list`
    }.`,
  'list-as-value': ({ field, operator, list }) => {
    const instead =
      operator === '='
        ? `${field} in (${list})`
        : operator === '!='
          ? `not ${field} in (${list})`
          : `${field} ${operator} anyof (${list})`;
    const write = SIZES.has(operator) ? '' : `; write "${instead}", or put quotes around the value`;
    return `The operator ${operator} takes one value, but "${list}" is a list${write}.`;
  },
  'modifier-not-allowed': ({ operator, modifier }) =>
    `${modifier} stands after =, != and the operators of texts that take one value, not after ${operator}.`,
  'misplaced-val': () => 'val(...) stands on the right side of an operator only; write the field itself.',
  'no-field': ({ text }) => `"${text}" names no field, so that there is nothing to compare.`,
  'wrong-operand': ({ transformer, expected, found }) => `${transformer} takes ${expected}, but found ${found}.`,
  'different-types': ({ left, type, right, otherType }) =>
    `"${left}" is ${type}, but "${right}" is ${otherType}; only values of one kind are compared.`,
  'field-not-allowed': ({ operator, expected }) =>
    `The operator ${operator} is not used with a field on its right side; expected ${expected}.`,
  'looks-like-field': ({ value, expected }) =>
    `"${value}" is taken as a text; write ${expected} to compare with the field, or put quotes around it.`,
  'bad-regex': ({ pattern, at, reason }) =>
    `The regular expression "${pattern}" is wrong at character ${at + 1}: ${reason}.`,
  'bad-hex': ({ value, operator }) =>
    `"${value}" is not a row of bytes, as ${operator} takes it; expected hexadecimal digits, two for each byte.`,
  'too-deep': ({ limit }) => `The condition is nested more than ${limit} levels deep; split it into several rules.`,
  'too-large': ({ limit }) =>
    `The condition has more than ${limit} comparisons after its macros are put in; split it into several rules.`,
  empty: () => 'The condition is empty; expected a comparison such as "proc.name = bash".',
  'unknown-field': ({ field, nearest }) => `There is no field "${field}"${ending(nearest)}`,
  'unsupported-field': ({ field, because }) =>
    because === undefined
      ? `The field "${field}" is known to Falco but not supported yet; compare another field.`
      : `The field "${field}" is known to Falco but there will be none here: ${because}.`,
  'unavailable-field': ({ field, because }) =>
    because === undefined
      ? `The field "${field}" is known to Falco but not supported yet; it will print as <NA>.`
      : `The field "${field}" is known to Falco but there will be none here: ${because}. It will print as <NA>.`,
  'missing-argument': ({ field, expected }) => `The field "${field}" needs ${expected} in brackets.`,
  'unexpected-argument': ({ field }) => `The field "${field}" takes nothing in brackets; remove them.`,
  'bad-argument': ({ field, argument, expected }) =>
    `"${argument}" does not fit in the brackets of "${field}"; expected ${expected}.`,
  'unknown-argument': ({ argument, nearest }) => `No event has an argument "${argument}"${ending(nearest)}`,
  'unknown-macro': ({ macro, list, nearest }) =>
    list
      ? `"${macro}" is a list, not a macro; compare a field with it, as in "proc.name in (${macro})".`
      : `There is no macro "${macro}"${ending(nearest)}`,
  'unknown-list': ({ list, nearest }) => `There is no list "${list}"${ending(nearest)}`,
  'looks-like-list': ({ value, nearest }) =>
    `"${value}" is taken as a value, as there is no list of that name${meant(nearest)}`,
  'unknown-event': ({ value, nearest }) => `There is no event type "${value}"${ending(nearest)}`,
  'event-never-seen': ({ value }) => `Events of type "${value}" exist in Falco but are never seen here.`,
  'never-matches': ({ predicate, because }) => `"${predicate}" never matches, as ${because}.`,
  'operator-not-allowed': ({ field, type, operator, expected }) =>
    `The operator ${operator} does not fit the field "${field}", which is ${type}; expected ${expected}.`,
  'bad-number': ({ field, value }) => `"${value}" is not a number, but "${field}" is; expected a decimal or 0x number.`,
  'bad-boolean': ({ field, value }) => `"${value}" is neither true nor false, but "${field}" is one of them.`,
  'bad-address': ({ field, value }) =>
    `"${value}" is not an address, but "${field}" is; expected an IPv4 or IPv6 address.`,
  'network-not-allowed': ({ field, value, nearest }) =>
    `"${value}" is a network, but "${field}" is compared with single addresses; use "${nearest}".`,
  'macro-cycle': ({ path }) => `The macro "${path[0]}" contains itself: ${path.join(' > ')}.`,
  'list-cycle': ({ path }) => `The list "${path[0]}" contains itself: ${path.join(' > ')}.`,
  'broken-macro': ({ macro }) => `The macro "${macro}" has mistakes of its own; mend them first.`,
  'unknown-transformer': ({ transformer, nearest }) => `There is no transformer "${transformer}"${ending(nearest)}`,
  'bad-placeholder': ({ expected }) => `Expected ${expected} after this %; write %% for a percent sign.`,
};

const WARNINGS: ReadonlySet<ProblemCode> = new Set([
  'looks-like-list',
  'event-never-seen',
  'never-matches',
  'unavailable-field',
  'looks-like-field',
]);

const textOf = (detail: object, key: string): string | undefined => {
  const value: unknown = (detail as Readonly<Record<string, unknown>>)[key];
  return typeof value === 'string' ? value : undefined;
};

/** Makes a problem and its words. */
export const problem = <Code extends ProblemCode>(code: Code, span: Span, detail: Details[Code]): Problem => {
  const field = textOf(detail, 'field');
  const expected = textOf(detail, 'expected');
  const near = textOf(detail, 'nearest');
  return Object.freeze({
    severity: WARNINGS.has(code) ? 'warning' : 'error',
    code,
    span,
    message: WORDS[code](detail),
    ...(field === undefined ? {} : { field }),
    ...(expected === undefined ? {} : { expected }),
    ...(near === undefined ? {} : { nearest: near }),
  });
};

/** The same mistake, seen from a condition that uses the macro. */
export const inMacro = (inner: Problem, macro: string, span: Span): Problem =>
  Object.freeze({ ...inner, span, macro, message: `In the macro "${macro}": ${inner.message}` });

/** Whether any of them is an error. */
export const hasErrors = (problems: readonly Problem[]): boolean =>
  problems.some((entry) => entry.severity === 'error');
