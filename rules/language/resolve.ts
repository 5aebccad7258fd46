import { nearest } from '../../engine/text/index.ts';
import type { Condition, Constant, FieldRef, Operator, Predicate, Span } from './ast.ts';
import { checkExpression, TYPE_WORDS } from './check-expression.ts';
import { checkField } from './check-field.ts';
import { typeConstant } from './constants.ts';
import { type Field, type FieldType, fieldOf } from './fields.ts';
import type { ParsedValue } from './lexer.ts';
import { type ListNames, listValues } from './lists.ts';
import { exactlyOne } from './modifiers.ts';
import { OPERATORS, operatorsFor } from './operators.ts';
import type { MacroUse, ParsedCondition, ParsedPredicate } from './parsed.ts';
import { MAX_DEPTH } from './parser-state.ts';
import { hasErrors, inMacro, type Problem, problem } from './problems.ts';
import { compileRegex } from './regex.ts';
import { expressionText } from './transformers.ts';

/** Comparisons in one condition after its macros are put in. */
export const MAX_PREDICATES = 10_000;
/** Parts that are looked at, so that macros of mistakes come to an end, too. */
const MAX_STEPS = 10 * MAX_PREDICATES;

/** The lists and macros that a condition may name. */
export interface Names extends ListNames {
  readonly macro: (name: string) => ParsedCondition | undefined;
  readonly knownMacros: () => Iterable<string>;
}

interface Resolver {
  readonly names: Names;
  readonly problems: Problem[];
  /** The macro whose own text is resolved. */
  readonly self: string | undefined;
  predicates: number;
  /** Nodes looked at, those of macros with mistakes among them. */
  steps: number;
  stopped: boolean;
}

/** Where in the tree the resolver is: `path` names the macros around it, `use` is the outermost one's span in the text. */
interface Place {
  readonly path: readonly string[];
  readonly use: Span | undefined;
  readonly depth: number;
}

/**
 * Puts macros and lists in, checks fields, operators and values, and types the constants; undefined where anything is wrong.
 * `self` names the macro whose text this is, where it is one. A macro's own mistakes are reported with `macro` set.
 */
export const resolveCondition = (
  parsed: ParsedCondition,
  names: Names,
  self?: string,
): { readonly condition: Condition | undefined; readonly problems: readonly Problem[] } => {
  const resolver: Resolver = { names, problems: [], self, predicates: 0, steps: 0, stopped: false };
  const condition = resolveNode(resolver, parsed, { path: [], use: undefined, depth: 0 });
  return { condition: hasErrors(resolver.problems) ? undefined : condition, problems: resolver.problems };
};

const report = (resolver: Resolver, place: Place, found: Problem): void => {
  const macro = place.path.at(-1);
  if (resolver.stopped) return;
  resolver.problems.push(macro === undefined || place.use === undefined ? found : inMacro(found, macro, place.use));
};

const resolveNode = (resolver: Resolver, node: ParsedCondition, place: Place): Condition | undefined => {
  const span = place.use ?? node.span;
  if (resolver.stopped) return undefined;
  resolver.steps++;
  if (resolver.steps > MAX_STEPS) {
    resolver.problems.push(problem('too-large', span, { limit: MAX_PREDICATES }));
    resolver.stopped = true;
    return undefined;
  }
  if (place.depth > MAX_DEPTH) {
    if (!resolver.stopped) resolver.problems.push(problem('too-deep', span, { limit: MAX_DEPTH }));
    resolver.stopped = true;
    return undefined;
  }
  const inner = { ...place, depth: place.depth + 1 };
  switch (node.kind) {
    case 'and':
    case 'or': {
      const operands = node.operands.map((operand) => resolveNode(resolver, operand, inner));
      const sound = operands.filter((operand) => operand !== undefined);
      return sound.length < operands.length
        ? undefined
        : Object.freeze({ kind: node.kind, operands: Object.freeze(sound), span });
    }
    case 'not': {
      const operand = resolveNode(resolver, node.operand, inner);
      return operand && Object.freeze({ kind: 'not', operand, span });
    }
    case 'error':
      return undefined;
    case 'macro':
      return resolveMacro(resolver, node, inner);
    case 'predicate':
      return resolvePredicate(resolver, node, inner);
  }
};

const hasErrorNode = (node: ParsedCondition): boolean => {
  if (node.kind === 'and' || node.kind === 'or') return node.operands.some(hasErrorNode);
  return node.kind === 'not' ? hasErrorNode(node.operand) : node.kind === 'error';
};

const resolveMacro = (resolver: Resolver, { name, span }: MacroUse, place: Place): Condition | undefined => {
  const { names, self } = resolver;
  const use = place.use ?? span;
  const around = self === undefined ? place.path : [self, ...place.path];
  const start = around.indexOf(name);
  if (start >= 0) {
    const path = [...around.slice(start), name];
    const known = resolver.problems.some((entry) => entry.code === 'macro-cycle' && entry.span === use);
    if (!known) resolver.problems.push(problem('macro-cycle', use, { path }));
    return undefined;
  }
  const condition = names.macro(name);
  if (condition === undefined) {
    const near = nearest(name, names.knownMacros());
    const list = names.list(name) !== undefined;
    const detail = { macro: name, list, ...(near === undefined ? {} : { nearest: near }) };
    report(resolver, place, problem('unknown-macro', span, detail));
    return undefined;
  }
  const inside = { ...place, path: [...place.path, name], use };
  if (hasErrorNode(condition)) {
    resolver.problems.push(Object.freeze({ ...problem('broken-macro', use, { macro: name }), macro: name }));
  }
  return resolveNode(resolver, condition, inside);
};

const nameOf = (field: FieldRef): string =>
  field.argument === undefined ? field.name : `${field.name}[${field.argument}]`;

const resolvePredicate = (resolver: Resolver, parsed: ParsedPredicate, place: Place): Condition | undefined => {
  const { operator, modifier, left } = parsed;
  const span = place.use ?? parsed.span;
  const tell = (found: Problem): void => report(resolver, place, found);
  if (!countPredicates(resolver, span, 1)) return undefined;
  const field = leftField(parsed, tell);
  const texts = valuesOf(resolver, parsed, tell);
  const rightType = parsed.right === undefined ? undefined : checkExpression(parsed.right, tell);
  if (field === undefined || texts === undefined) return undefined;
  const name = left === undefined ? nameOf(parsed.field) : expressionText(left);
  const types: readonly string[] = OPERATORS[operator].types;
  if (!types.includes(field.type)) {
    const type = TYPE_WORDS[field.type];
    const expected = operatorsFor(field.type).join(', ');
    tell(problem('operator-not-allowed', parsed.span, { field: name, type, operator, expected }));
    return undefined;
  }
  const ref: FieldRef = Object.freeze({ ...parsed.field, span: place.use ?? parsed.field.span });
  const plain = { kind: 'predicate', field: ref, operator, span } as const;
  const base = left === undefined ? plain : { ...plain, left };
  if (parsed.right !== undefined) {
    if (rightType === undefined || !comparesWith(parsed, parsed.right, name, field.type, rightType, tell))
      return undefined;
    return Object.freeze({ ...base, constants: Object.freeze([]), right: parsed.right });
  }
  const constants = constantsOf(field, name, operator, texts, tell);
  if (constants === undefined) return undefined;
  const made = (some: readonly Constant[]): Condition =>
    fold(Object.freeze({ ...base, constants: Object.freeze(some) }), tell, parsed.span);
  if (modifier === undefined || constants.length === 1) return made(constants);
  if (constants.length === 0) return Object.freeze({ kind: 'constant', value: false, span });
  if (modifier === 'anyof' && operator !== '!=') return made(constants);
  if (!countPredicates(resolver, span, constants.length)) return undefined;
  const each = constants.map((constant) => made([constant]));
  if (modifier === 'oneof') return exactlyOne(each, span);
  return Object.freeze({ kind: modifier === 'allof' ? 'and' : 'or', operands: Object.freeze(each), span });
};

/** Counts comparisons; false where there are too many, which is reported. */
const countPredicates = (resolver: Resolver, span: Span, count: number): boolean => {
  resolver.predicates += count;
  if (resolver.predicates <= MAX_PREDICATES) return true;
  if (!resolver.stopped) resolver.problems.push(problem('too-large', span, { limit: MAX_PREDICATES }));
  resolver.stopped = true;
  return false;
};

/** The catalogue's entry of the left side; under a transformer one of its own, of the transformer's type. */
const leftField = ({ field, left }: ParsedPredicate, tell: (found: Problem) => void): Field | undefined => {
  if (left === undefined) {
    const { field: entry, problems } = checkField(field);
    for (const found of problems) tell(found);
    return entry;
  }
  const type = checkExpression(left, tell);
  const entry = fieldOf(field.name);
  return type === undefined || entry === undefined ? undefined : { ...entry, name: expressionText(left), type };
};

/** Operators whose right side is a pattern that is compiled beforehand. */
const NEEDS_CONSTANT: Partial<Record<Operator, string>> = {
  regex: 'a pattern',
  bcontains: 'hexadecimal digits',
  bstartswith: 'hexadecimal digits',
};

/** Whether an operator compares values of these types with one another. */
const comparesWith = (
  { operator, span }: ParsedPredicate,
  right: NonNullable<ParsedPredicate['right']>,
  name: string,
  type: FieldType,
  otherType: FieldType,
  tell: (found: Problem) => void,
): boolean => {
  const expected = NEEDS_CONSTANT[operator];
  if (expected !== undefined) {
    tell(problem('field-not-allowed', right.span, { operator, expected }));
    return false;
  }
  const single = (of: FieldType): FieldType => (OPERATORS[operator].arity === 'list' && of === 'list' ? 'string' : of);
  if (single(type) === single(otherType)) return true;
  const types = { type: TYPE_WORDS[type], otherType: TYPE_WORDS[otherType] };
  tell(problem('different-types', span, { left: name, right: expressionText(right), ...types }));
  return false;
};

interface Text {
  readonly text: string;
  readonly span: Span;
}

/** The values with lists put in, each once, or as often as it stands there where one has to match alone; undefined where a list is wrong. */
const valuesOf = (resolver: Resolver, parsed: ParsedPredicate, tell: (found: Problem) => void): Text[] | undefined => {
  const { names } = resolver;
  const { operator, field, modifier, left } = parsed;
  const name = left === undefined ? nameOf(field) : expressionText(left);
  const texts: Text[] = [];
  const seen = new Set<string>();
  let sound = true;
  const add = (text: string, span: Span): void => {
    if (modifier === 'oneof' || !seen.has(text)) texts.push({ text, span });
    seen.add(text);
  };
  for (const value of parsed.values) {
    if (value.quoted || names.list(value.text) === undefined) {
      sound = checkPlain(names, parsed, value, tell) && sound;
      add(value.text, value.span);
    } else {
      const { values, cycle } = listValues(value.text, names);
      if (OPERATORS[operator].arity !== 'list' && modifier === undefined && values.length !== 1) {
        tell(problem('list-as-value', value.span, { field: name, operator, list: value.text }));
        sound = false;
      } else if (cycle !== undefined) {
        tell(problem('list-cycle', value.span, { path: cycle }));
        sound = false;
      }
      for (const text of values) add(text, value.span);
    }
  }
  return sound ? texts : undefined;
};

/** A value that is no list's name: wrong after a bare `in`, doubtful where it is nearly one. */
const checkPlain = (
  names: Names,
  { listName, operator, modifier }: ParsedPredicate,
  { text, quoted, span }: ParsedValue,
  tell: (found: Problem) => void,
): boolean => {
  if (listName) {
    const near = nearest(text, names.knownLists());
    tell(problem('unknown-list', span, { list: text, ...(near === undefined ? {} : { nearest: near }) }));
    return false;
  }
  const takesList = OPERATORS[operator].arity === 'list' || modifier !== undefined;
  if (takesList && !quoted && text.includes('_')) {
    const near = nearest(text, names.knownLists(), 2);
    if (near !== undefined) tell(problem('looks-like-list', span, { value: text, nearest: near }));
  }
  if (!takesList && !quoted && fieldOf(text) !== undefined)
    tell(problem('looks-like-field', span, { value: text, expected: `val(${text})` }));
  return true;
};

const HEX = /^(?:[0-9A-Fa-f]{2})+$/;

/** What is wrong with a text as an operator's pattern. */
const patternProblem = (operator: Operator, text: string, span: Span): Problem | undefined => {
  if (operator === 'bcontains' || operator === 'bstartswith')
    return HEX.test(text) ? undefined : problem('bad-hex', span, { value: text, operator });
  const compiled = operator === 'regex' ? compileRegex(text) : undefined;
  return compiled !== undefined && 'problem' in compiled
    ? problem('bad-regex', regexSpan(text, span, compiled.problem.at), { pattern: text, ...compiled.problem })
    : undefined;
};

/** The character of a pattern, where it is written as it is; all of the pattern where it has escapes or stands in a list. */
const regexSpan = (text: string, span: Span, at: number): Span => {
  const quotes = span.end - span.start - text.length;
  if (quotes !== 0 && quotes !== 2) return span;
  const start = span.start + quotes / 2 + at;
  return { start, end: Math.min(start + 1, span.end) };
};

const constantsOf = (
  field: Field,
  name: string,
  operator: Operator,
  texts: readonly Text[],
  tell: (found: Problem) => void,
): readonly Constant[] | undefined => {
  const exact = operator === '=' || operator === '!=' || operator === 'in' || operator === 'intersects';
  const constants: Constant[] = [];
  for (const { text, span } of texts) {
    const wrong = patternProblem(operator, text, span);
    if (wrong !== undefined) {
      tell(wrong);
      continue;
    }
    if (!exact && field.type === 'string') {
      constants.push(Object.freeze({ type: 'string', value: text }));
      continue;
    }
    const typed = typeConstant(field, name, text, span);
    if ('problem' in typed) {
      tell(typed.problem);
      continue;
    }
    if (typed.warning !== undefined) tell(typed.warning);
    constants.push(typed.constant);
  }
  return constants.length < texts.length ? undefined : Object.freeze(constants);
};

/** A predicate that is decided by its text alone becomes a constant. */
const fold = (predicate: Predicate, tell: (found: Problem) => void, written: Span): Condition => {
  const { field, operator, constants, span } = predicate;
  const [first] = constants;
  const constant = (value: boolean): Condition => Object.freeze({ kind: 'constant', value, span });
  if (OPERATORS[operator].arity === 'list' && first === undefined) return constant(false);
  if (predicate.left !== undefined) return predicate;
  if (field.name === 'evt.dir' && first?.type === 'string' && (operator === '=' || operator === '!=')) {
    const same = first.value === '<';
    if (first.value === '>' && operator === '=') {
      const because = 'rules see a call at its end, where evt.dir is <';
      tell(problem('never-matches', written, { predicate: 'evt.dir = >', because }));
    }
    return constant(same === (operator === '='));
  }
  if (field.name === 'evt.num' && first?.type === 'number' && first.value <= 0n && operator !== 'in') {
    return constant(operator === '!=' || operator === '>' || (operator === '>=' && first.value <= 0n));
  }
  return predicate;
};
