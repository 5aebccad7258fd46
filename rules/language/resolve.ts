import { nearest } from '../../engine/text/index.ts';
import type { Condition, Constant, FieldRef, Operator, Predicate, Span } from './ast.ts';
import { checkField } from './check-field.ts';
import { typeConstant } from './constants.ts';
import type { Field } from './fields.ts';
import type { ParsedValue } from './lexer.ts';
import { type ListNames, listValues } from './lists.ts';
import { OPERATORS, operatorsFor } from './operators.ts';
import type { MacroUse, ParsedCondition, ParsedPredicate } from './parsed.ts';
import { MAX_DEPTH } from './parser.ts';
import { hasErrors, inMacro, type Problem, problem } from './problems.ts';

/** Comparisons in one condition after its macros are put in. */
export const MAX_PREDICATES = 10_000;

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
  const resolver: Resolver = { names, problems: [], self, predicates: 0, stopped: false };
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
  if (place.depth > MAX_DEPTH) {
    report(resolver, place, problem('too-deep', span, { limit: MAX_DEPTH }));
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

const TYPE_WORDS = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  address: 'an address',
  list: 'a list',
} as const;

const resolvePredicate = (resolver: Resolver, parsed: ParsedPredicate, place: Place): Condition | undefined => {
  const { operator } = parsed;
  const span = place.use ?? parsed.span;
  resolver.predicates++;
  if (resolver.predicates > MAX_PREDICATES) {
    report(resolver, place, problem('too-large', span, { limit: MAX_PREDICATES }));
    resolver.stopped = true;
    return undefined;
  }
  const tell = (found: Problem): void => report(resolver, place, found);
  const { field, problems } = checkField(parsed.field);
  for (const found of problems) tell(found);
  const texts = valuesOf(resolver, parsed, tell);
  if (field === undefined || texts === undefined) return undefined;
  const name = nameOf(parsed.field);
  const types: readonly string[] = OPERATORS[operator].types;
  if (!types.includes(field.type)) {
    const type = TYPE_WORDS[field.type];
    const expected = operatorsFor(field.type).join(', ');
    tell(problem('operator-not-allowed', parsed.span, { field: name, type, operator, expected }));
    return undefined;
  }
  if (operator === 'regex') {
    tell(problem('not-supported', parsed.span, { what: 'The operator regex', expected: 'glob or contains' }));
    return undefined;
  }
  const constants = constantsOf(field, name, operator, texts, tell);
  if (constants === undefined) return undefined;
  const ref: FieldRef = Object.freeze({ ...parsed.field, span: place.use ?? parsed.field.span });
  const predicate: Predicate = Object.freeze({ kind: 'predicate', field: ref, operator, constants, span });
  return fold(predicate, tell, parsed.span);
};

interface Text {
  readonly text: string;
  readonly span: Span;
}

/** The values with lists put in, each once; undefined where a list is wrong. */
const valuesOf = (resolver: Resolver, parsed: ParsedPredicate, tell: (found: Problem) => void): Text[] | undefined => {
  const { names } = resolver;
  const { operator, field } = parsed;
  const texts = new Map<string, Text>();
  let sound = true;
  const add = (text: string, span: Span): void => {
    if (!texts.has(text)) texts.set(text, { text, span });
  };
  for (const value of parsed.values) {
    if (value.quoted || names.list(value.text) === undefined) {
      sound = checkPlain(names, parsed, value, tell) && sound;
      add(value.text, value.span);
    } else if (OPERATORS[operator].arity !== 'list') {
      tell(problem('list-as-value', value.span, { field: nameOf(field), operator, list: value.text }));
      sound = false;
    } else {
      const { values, cycle } = listValues(value.text, names);
      if (cycle !== undefined) {
        tell(problem('list-cycle', value.span, { path: cycle }));
        sound = false;
      }
      for (const text of values) add(text, value.span);
    }
  }
  return sound ? [...texts.values()] : undefined;
};

/** A value that is no list's name: wrong after a bare `in`, doubtful where it is nearly one. */
const checkPlain = (
  names: Names,
  { listName, operator }: ParsedPredicate,
  { text, quoted, span }: ParsedValue,
  tell: (found: Problem) => void,
): boolean => {
  if (listName) {
    const near = nearest(text, names.knownLists());
    tell(problem('unknown-list', span, { list: text, ...(near === undefined ? {} : { nearest: near }) }));
    return false;
  }
  if (OPERATORS[operator].arity === 'list' && !quoted && text.includes('_')) {
    const near = nearest(text, names.knownLists(), 2);
    if (near !== undefined) tell(problem('looks-like-list', span, { value: text, nearest: near }));
  }
  return true;
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
