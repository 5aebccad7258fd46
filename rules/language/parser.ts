import { nearest } from '../../engine/text/index.ts';
import type { FieldRef, Operator, Span } from './ast.ts';
import { createScanner, type ParsedValue, type Scanner } from './lexer.ts';
import { LATER_OPERATORS, LIST_MODIFIERS, OPERATORS, operatorOf, TRANSFORMERS } from './operators.ts';
import type { ParsedCondition } from './parsed.ts';
import { type Problem, type ProblemCode, problem } from './problems.ts';

/** Parentheses and negations inside one another. */
export const MAX_DEPTH = 1000;

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

interface Parser {
  readonly scanner: Scanner;
  readonly problems: Problem[];
  /** A connective that was missing or miswritten, to be read as the next one. */
  pending: 'and' | 'or' | undefined;
  /** Set once the depth limit was met: the rest is not read. */
  stopped: boolean;
}

const report = <Code extends ProblemCode>(
  parser: Parser,
  code: Code,
  span: Span,
  detail: Parameters<typeof problem<Code>>[2],
): void => {
  if (!parser.stopped) parser.problems.push(problem(code, span, detail));
};

const errorNode = (span: Span): ParsedCondition => Object.freeze({ kind: 'error', span });

const pieceSpan = ({ scanner }: Parser): Span => {
  const start = scanner.at();
  return { start, end: start + scanner.peekPiece().length };
};

/** The next piece for a message. */
const foundBy = ({ scanner }: Parser): string => {
  const piece = scanner.peekPiece();
  if (piece === '') return 'the end';
  return piece.startsWith('"') ? piece : `"${piece}"`;
};

const syntax = (parser: Parser, expected: string): void =>
  report(parser, 'syntax', pieceSpan(parser), { found: foundBy(parser), expected });

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
  if (depth > MAX_DEPTH) {
    report(parser, 'too-deep', { start, end: start + 1 }, { limit: MAX_DEPTH });
    parser.stopped = true;
    scanner.moveTo(scanner.text.length);
  }
  if (parser.stopped) return errorNode({ start, end: start });
  if (scanner.take('(')) {
    const inner = parseOr(parser, depth + 1);
    if (!scanner.take(')')) report(parser, 'unclosed-parenthesis', { start, end: start + 1 }, {});
    return inner;
  }
  const word = scanner.peekWord();
  if (word === undefined || KEYWORDS.has(word)) return parseMisplaced(parser, start);
  scanner.takeWord();
  return parseWord(parser, word, start);
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

/** Takes a "(" and all up to its ")", quotes respected. */
const skipParentheses = ({ scanner }: Parser): void => {
  let open = 0;
  do {
    if (scanner.take('(')) open++;
    else if (scanner.take(')')) open--;
    else if (scanner.takeValue(() => undefined) === undefined) scanner.skipPiece();
  } while (open > 0 && !scanner.atEnd());
};

const parseWord = (parser: Parser, word: string, start: number): ParsedCondition => {
  const { scanner } = parser;
  const dotted = word.includes('.');
  if (scanner.peek() === '(' && !dotted && operatorOf(word) === undefined) return parseCall(parser, word, start);
  const field = parseField(parser, word, start);
  const symbol = scanner.takeSymbol();
  const next = symbol ?? scanner.peekWord();
  const operator = next === undefined ? undefined : operatorOf(next);
  if (operator !== undefined) {
    if (symbol === undefined) scanner.takeWord();
    return parseComparison(parser, field, operator, start);
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
  return parseUnknownOperator(parser, field, start);
};

const WORD_OPERATORS = Object.keys(OPERATORS).filter((operator) => /^[a-z]/.test(operator));

/** Whether a word after a name without a dot was rather meant as an operator than as the next comparison. */
const looksLikeOperator = (word: string): boolean =>
  LATER_OPERATORS.has(word) || (word.length > 2 && nearest(word, WORD_OPERATORS, 1) !== undefined);

const shown = (field: FieldRef): string =>
  field.argument === undefined ? field.name : `${field.name}[${field.argument}]`;

const parseUnknownOperator = (parser: Parser, field: FieldRef, start: number): ParsedCondition => {
  const { scanner } = parser;
  const span = pieceSpan(parser);
  const operator = scanner.takeWord() ?? '';
  const instead = LATER_OPERATORS.get(operator);
  if (instead !== undefined)
    report(parser, 'not-supported', span, { what: `The operator ${operator}`, expected: instead });
  else {
    const near = SYNONYMS.get(operator) ?? nearest(operator, WORD_OPERATORS);
    report(parser, 'unknown-operator', span, {
      operator,
      field: shown(field),
      ...(near === undefined ? {} : { nearest: near }),
    });
  }
  skipValues(parser);
  return errorNode({ start, end: scanner.end });
};

/** `name(`: a transformer, which conditions don't have yet, or a macro with a missing connective. */
const parseCall = (parser: Parser, word: string, start: number): ParsedCondition => {
  const { scanner } = parser;
  const span = { start, end: scanner.end };
  if (!TRANSFORMERS.some((name) => name === word)) {
    const near = nearest(word, TRANSFORMERS);
    if (near === undefined && MACRO_NAME.test(word)) return Object.freeze({ kind: 'macro', name: word, span });
    report(parser, 'unknown-transformer', span, {
      transformer: word,
      ...(near === undefined ? {} : { nearest: near }),
    });
  } else {
    report(parser, 'not-supported', span, { what: `The transformer ${word}`, expected: 'the field itself' });
  }
  skipParentheses(parser);
  skipComparison(parser);
  return errorNode({ start, end: scanner.end });
};

const EVENT_ARGUMENT = 'evt.arg.';

const parseField = (parser: Parser, word: string, start: number): FieldRef => {
  const { scanner } = parser;
  if (word.startsWith(EVENT_ARGUMENT) && word.length > EVENT_ARGUMENT.length) {
    return Object.freeze({
      name: 'evt.arg',
      argument: word.slice(EVENT_ARGUMENT.length),
      span: { start, end: scanner.end },
    });
  }
  if (scanner.text.charAt(scanner.end) !== '[') return Object.freeze({ name: word, span: { start, end: scanner.end } });
  scanner.take('[');
  const quoted = scanner.peek() === '"' || scanner.peek() === "'";
  const argument = quoted
    ? scanner.takeValue((found) => parser.problems.push(found))?.text
    : scanner.takeBareArgument();
  if (!scanner.take(']')) syntax(parser, argument === undefined ? `what "${word}" is asked for, then "]"` : '"]"');
  return Object.freeze({ name: word, argument: argument ?? '', span: { start, end: scanner.end } });
};

const parseComparison = (parser: Parser, field: FieldRef, operator: Operator, start: number): ParsedCondition => {
  const { scanner } = parser;
  const { arity } = OPERATORS[operator];
  const finish = (values: readonly ParsedValue[] | undefined, listName = false): ParsedCondition => {
    const span = { start, end: scanner.end };
    if (values === undefined) return errorNode(span);
    return Object.freeze({ kind: 'predicate', field, operator, values: Object.freeze(values), listName, span });
  };
  if (arity === 'none') return finish([]);
  const modifier = scanner.peekWord();
  if (
    modifier !== undefined &&
    LIST_MODIFIERS.has(modifier) &&
    /^\s*\(/.test(scanner.text.slice(scanner.at() + modifier.length))
  ) {
    report(parser, 'not-supported', pieceSpan(parser), {
      what: `A list after ${operator} with ${modifier}`,
      expected: 'one comparison for each value',
    });
    scanner.takeWord();
    skipParentheses(parser);
    return finish(undefined);
  }
  if (scanner.peek() === '(') {
    const open = scanner.at();
    const values = parseList(parser);
    if (arity === 'list') return finish(values);
    const span = { start: open, end: scanner.end };
    report(parser, 'list-not-allowed', span, { field: shown(field), operator });
    return finish(undefined);
  }
  const value = valueIsMissing(parser) ? undefined : scanner.takeValue((found) => parser.problems.push(found));
  if (value === undefined) {
    const detail = { field: shown(field), operator, found: foundBy(parser) };
    report(parser, 'missing-value', pieceSpan(parser), detail);
    return finish(undefined);
  }
  return finish([value], arity === 'list');
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
