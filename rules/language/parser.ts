import { nearest } from '../../engine/text/index.ts';
import {
  type Expression,
  type FieldRef,
  LIST_MODIFIERS,
  type ListModifier,
  type Operator,
  TRANSFORMERS,
} from './ast.ts';
import { createScanner, type ParsedValue } from './lexer.ts';
import { OPERATORS, operatorOf, takesModifier } from './operators.ts';
import { firstField, parseCall, parseField, peekCall } from './parse-expression.ts';
import type { ParsedCondition } from './parsed.ts';
import {
  errorNode,
  foundBy,
  MAX_DEPTH,
  type Parser,
  pieceSpan,
  report,
  shown,
  skipParentheses,
  stopTooDeep,
  syntax,
} from './parser-state.ts';
import type { Problem } from './problems.ts';

const MACRO_NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/;
/** Other languages' connectives, taken for ours after the problem is reported. */
const MISWRITTEN = new Map<string, 'and' | 'or'>([
  ['AND', 'and'],
  ['And', 'and'],
  ['&&', 'and'],
  ['&', 'and'],
  ['OR', 'or'],
  ['Or', 'or'],
  ['||', 'or'],
  ['|', 'or'],
]);
/** Other languages' operators that no spelling brings near ours. */
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['beginswith', 'startswith'],
  ['is', '='],
  ['equals', '='],
  ['like', 'glob'],
  ['matches', 'glob'],
  ['has', 'contains'],
  ['includes', 'contains'],
]);
const KEYWORDS: ReadonlySet<string> = new Set(['and', 'or', 'not']);

/** Reads a condition and reports everything that is wrong with its form; undefined where the text is empty. */
export const parseCondition = (
  text: string,
): { readonly condition: ParsedCondition | undefined; readonly problems: readonly Problem[] } => {
  const scanner = createScanner(text);
  const parser: Parser = { scanner, problems: [], pending: undefined, stopped: false };
  if (scanner.atEnd()) {
    report(parser, 'empty', { start: 0, end: text.length }, {});
    return { condition: undefined, problems: parser.problems };
  }
  const condition = parseOr(parser, 0);
  return { condition, problems: parser.problems };
};

type Binary = 'and' | 'or';

const join = (kind: Binary, operands: readonly ParsedCondition[]): ParsedCondition => {
  const [first, ...rest] = operands;
  const last = rest.at(-1);
  if (first === undefined || last === undefined) return first ?? errorNode({ start: 0, end: 0 });
  return Object.freeze({
    kind,
    operands: Object.freeze(operands),
    span: { start: first.span.start, end: last.span.end },
  });
};

const takeConnective = (parser: Parser, wanted: Binary): boolean => {
  if (parser.pending === undefined) return parser.scanner.takeKeyword(wanted);
  if (parser.pending !== wanted) return false;
  parser.pending = undefined;
  return true;
};

const parseOr = (parser: Parser, depth: number): ParsedCondition => {
  const operands = [parseAnd(parser, depth)];
  while (takeConnective(parser, 'or')) operands.push(parseAnd(parser, depth));
  return join('or', operands);
};

const parseAnd = (parser: Parser, depth: number): ParsedCondition => {
  const operands: ParsedCondition[] = [];
  do {
    operands.push(parseNot(parser, depth));
    expectConnective(parser, depth);
  } while (takeConnective(parser, 'and'));
  return join('and', operands);
};

/** After a comparison: anything but a connective, the end or our ")" is reported, and read as if `and` stood before it. */
const expectConnective = (parser: Parser, depth: number): void => {
  const { scanner } = parser;
  while (!parser.stopped && !scanner.atEnd()) {
    if (scanner.peek() === ')') {
      if (depth > 0) return;
      report(parser, 'unopened-parenthesis', pieceSpan(parser), {});
      scanner.take(')');
      continue;
    }
    const word = scanner.peekWord();
    if (word === 'and' || word === 'or') return;
    const end = scanner.end;
    const touches = scanner.at() === end && scanner.peek() !== '(';
    syntax(parser, touches ? 'a blank or quotes around the whole value' : 'and, or or the end of the condition');
    if (touches) {
      scanner.skipPiece();
      continue;
    }
    const instead = MISWRITTEN.get(scanner.peekPiece());
    if (instead !== undefined) {
      scanner.skipPiece();
      parser.pending = instead;
      return;
    }
    if (word !== undefined || scanner.peek() === '(') {
      parser.pending = 'and';
      return;
    }
    scanner.skipPiece();
  }
};

const parseNot = (parser: Parser, depth: number): ParsedCondition => {
  const { scanner } = parser;
  const starts: number[] = [];
  for (;;) {
    const start = scanner.at();
    if (scanner.peek() === '!') {
      report(parser, 'syntax', { start, end: start + 1 }, { found: '"!"', expected: 'not' });
      scanner.take('!');
    } else if (!scanner.takeKeyword('not')) break;
    starts.push(start);
  }
  let node = parsePrimary(parser, depth + starts.length);
  for (const start of starts.reverse()) {
    node = Object.freeze({ kind: 'not', operand: node, span: { start, end: node.span.end } });
  }
  return node;
};

const parsePrimary = (parser: Parser, depth: number): ParsedCondition => {
  const { scanner } = parser;
  const start = scanner.at();
  if (depth > MAX_DEPTH) stopTooDeep(parser, start);
  if (parser.stopped) return errorNode({ start, end: start });
  if (scanner.take('(')) {
    const inner = parseOr(parser, depth + 1);
    if (!scanner.take(')')) report(parser, 'unclosed-parenthesis', { start, end: start + 1 }, {});
    return inner;
  }
  const word = scanner.peekWord();
  if (word === undefined || KEYWORDS.has(word)) return parseMisplaced(parser, start);
  scanner.takeWord();
  return parseWord(parser, word, start, depth);
};

/** What can't begin a comparison: reported, and skipped as far as it reaches. */
const parseMisplaced = (parser: Parser, start: number): ParsedCondition => {
  const { scanner } = parser;
  syntax(parser, 'a field or a macro');
  const stays = scanner.atEnd() || scanner.peek() === ')' || scanner.peekWord() !== undefined;
  if (!stays) {
    if (scanner.takeValue(() => undefined) === undefined && scanner.peekSymbol() === undefined) scanner.skipPiece();
    skipComparison(parser);
  }
  return errorNode({ start, end: Math.max(start, scanner.end) });
};

/** Takes an operator and its values unheard. */
const skipComparison = (parser: Parser): void => {
  const { scanner } = parser;
  const word = scanner.peekWord();
  const operator = operatorOf(scanner.peekSymbol() ?? word ?? '');
  if (operator === undefined) return;
  scanner.moveTo(scanner.at() + (scanner.peekSymbol() ?? word ?? '').length);
  if (OPERATORS[operator].arity !== 'none') skipValues(parser);
};

const skipValues = (parser: Parser): void => {
  if (parser.scanner.peek() === '(') skipParentheses(parser);
  else if (!valueIsMissing(parser)) parser.scanner.takeValue(() => undefined);
};

const parseWord = (parser: Parser, word: string, start: number, depth: number): ParsedCondition => {
  const { scanner } = parser;
  const dotted = word.includes('.');
  if (scanner.peek() === '(' && !dotted && operatorOf(word) === undefined) {
    const isTransformer = TRANSFORMERS.some((name) => name === word) || nearest(word, TRANSFORMERS) !== undefined;
    if (isTransformer || !MACRO_NAME.test(word)) return parseTransformed(parser, word, start, depth);
    return Object.freeze({ kind: 'macro', name: word, span: { start, end: scanner.end } });
  }
  const field = parseField(parser, word, start);
  const symbol = scanner.takeSymbol();
  const next = symbol ?? scanner.peekWord();
  const operator = next === undefined ? undefined : operatorOf(next);
  if (operator !== undefined) {
    if (symbol === undefined) scanner.takeWord();
    return parseComparison(parser, { field }, operator, start, depth);
  }
  const isField = dotted || field.argument !== undefined;
  if (!isField && (next === undefined || KEYWORDS.has(next) || !looksLikeOperator(next))) {
    if (MACRO_NAME.test(word)) return Object.freeze({ kind: 'macro', name: word, span: field.span });
    syntax(parser, 'a field or a macro');
    return errorNode(field.span);
  }
  if (next === undefined || KEYWORDS.has(next)) {
    report(parser, 'missing-operator', field.span, { field: shown(field) });
    return errorNode(field.span);
  }
  return parseUnknownOperator(parser, shown(field), start);
};

const WORD_OPERATORS = Object.keys(OPERATORS).filter((operator) => /^[a-z]/.test(operator));

/** Whether a word after a name without a dot was rather meant as an operator than as the next comparison. */
const looksLikeOperator = (word: string): boolean => word.length > 2 && nearest(word, WORD_OPERATORS, 1) !== undefined;

const parseUnknownOperator = (parser: Parser, field: string, start: number): ParsedCondition => {
  const { scanner } = parser;
  const span = pieceSpan(parser);
  const operator = scanner.takeWord() ?? '';
  const near = SYNONYMS.get(operator) ?? nearest(operator, WORD_OPERATORS);
  report(parser, 'unknown-operator', span, { operator, field, ...(near === undefined ? {} : { nearest: near }) });
  skipValues(parser);
  return errorNode({ start, end: scanner.end });
};

/** A comparison whose left side begins with a transformer. */
const parseTransformed = (parser: Parser, word: string, start: number, depth: number): ParsedCondition => {
  const { scanner } = parser;
  const left = parseCall(parser, word, start, depth, false);
  if (left === undefined) {
    skipComparison(parser);
    return errorNode({ start, end: scanner.end });
  }
  const symbol = scanner.takeSymbol();
  const next = symbol ?? scanner.peekWord();
  const operator = next === undefined ? undefined : operatorOf(next);
  const text = scanner.text.slice(left.span.start, left.span.end);
  const field = firstField(left);
  if (operator !== undefined) {
    if (symbol === undefined) scanner.takeWord();
    if (field !== undefined) return parseComparison(parser, { field, left, text }, operator, start, depth);
    report(parser, 'no-field', left.span, { text });
    skipValues(parser);
    return errorNode({ start, end: scanner.end });
  }
  if (next === undefined || KEYWORDS.has(next)) {
    report(parser, 'missing-operator', left.span, { field: text });
    return errorNode(left.span);
  }
  return parseUnknownOperator(parser, text, start);
};

/** The left side of a comparison; `text` is what messages call it. */
interface Left {
  readonly field: FieldRef;
  readonly left?: Expression;
  readonly text?: string;
}

/** What follows an operator. */
interface Right {
  readonly values?: readonly ParsedValue[];
  readonly listName?: boolean;
  readonly right?: Expression;
  readonly modifier?: ListModifier;
}

const parseComparison = (
  parser: Parser,
  { field, left, text = shown(field) }: Left,
  operator: Operator,
  start: number,
  depth: number,
): ParsedCondition => {
  const found = OPERATORS[operator].arity === 'none' ? {} : parseRight(parser, operator, text, depth);
  const span = { start, end: parser.scanner.end };
  if (found === undefined) return errorNode(span);
  const { values = [], listName = false, right, modifier } = found;
  return Object.freeze({
    kind: 'predicate',
    field,
    operator,
    values: Object.freeze(values),
    listName,
    span,
    ...(left === undefined ? {} : { left }),
    ...(right === undefined ? {} : { right }),
    ...(modifier === undefined ? {} : { modifier }),
  });
};

/** A modifier where a list or a list's name follows it; elsewhere the word is a value. */
const takeModifier = ({ scanner }: Parser): ListModifier | undefined => {
  const word = scanner.peekWord();
  const modifier = LIST_MODIFIERS.find((name) => name === word);
  if (modifier === undefined) return undefined;
  const start = scanner.at();
  scanner.takeWord();
  const next = scanner.peekWord();
  if (scanner.peek() === '(' || (next !== undefined && !KEYWORDS.has(next))) return modifier;
  scanner.moveTo(start);
  return undefined;
};

/** The right side of a comparison; undefined where it is wrong, which is reported. */
const parseRight = (parser: Parser, operator: Operator, field: string, depth: number): Right | undefined => {
  const { scanner } = parser;
  const at = scanner.at();
  const modifier = takeModifier(parser);
  if (modifier !== undefined && !takesModifier(operator)) {
    report(parser, 'modifier-not-allowed', { start: at, end: scanner.end }, { operator, modifier });
    skipValues(parser);
    return undefined;
  }
  const takesList = modifier !== undefined || OPERATORS[operator].arity === 'list';
  if (scanner.peek() === '(') {
    const open = scanner.at();
    const values = parseList(parser);
    if (takesList) return values && { values, ...(modifier === undefined ? {} : { modifier }) };
    report(parser, 'list-not-allowed', { start: open, end: scanner.end }, { field, operator });
    return undefined;
  }
  const call = modifier === undefined ? peekCall(parser) : undefined;
  if (call !== undefined) {
    const start = scanner.at();
    scanner.takeWord();
    const right = parseCall(parser, call, start, depth, true);
    return right && { right };
  }
  const value = valueIsMissing(parser) ? undefined : scanner.takeValue((found) => parser.problems.push(found));
  if (value === undefined) {
    const shownOperator = modifier === undefined ? operator : `${operator} ${modifier}`;
    report(parser, 'missing-value', pieceSpan(parser), { field, operator: shownOperator, found: foundBy(parser) });
    return undefined;
  }
  return { values: [value], listName: takesList, ...(modifier === undefined ? {} : { modifier }) };
};

/** A connective in a value's place is taken as one: `proc.name = and` without quotes is a mistake. */
const valueIsMissing = ({ scanner }: Parser): boolean => {
  const word = scanner.peekWord();
  return scanner.atEnd() || scanner.peek() === ')' || word === 'and' || word === 'or';
};

/** A list in parentheses; undefined where it is broken. */
const parseList = (parser: Parser): readonly ParsedValue[] | undefined => {
  const { scanner } = parser;
  const open = scanner.at();
  const values: ParsedValue[] = [];
  let broken = false;
  scanner.take('(');
  if (scanner.take(')')) return values;
  for (;;) {
    const value = scanner.takeValue((found) => parser.problems.push(found));
    if (value === undefined) {
      broken = true;
      if (scanner.atEnd()) break;
      syntax(parser, 'a value');
      if (scanner.peek() === '(') skipParentheses(parser);
      else if (scanner.peek() !== ',' && scanner.peek() !== ')') scanner.moveTo(scanner.at() + 1);
    } else values.push(value);
    if (scanner.take(',')) continue;
    if (scanner.take(')')) return broken ? undefined : values;
    if (scanner.atEnd()) break;
    const word = scanner.peekWord();
    if (word === 'and' || word === 'or') break;
    broken = true;
    if (value !== undefined) syntax(parser, '"," or ")"');
  }
  report(parser, 'unclosed-parenthesis', { start: open, end: open + 1 }, {});
  return undefined;
};
