import type { FieldRef, Span } from './ast.ts';
import type { Scanner } from './lexer.ts';
import type { ParsedCondition } from './parsed.ts';
import { type Problem, type ProblemCode, problem } from './problems.ts';

/** Parentheses, negations and transformers inside one another. */
export const MAX_DEPTH = 1000;

/** Where a parser of conditions is, and what it found wrong so far. */
export interface Parser {
  readonly scanner: Scanner;
  readonly problems: Problem[];
  /** A connective that was missing or miswritten, to be read as the next one. */
  pending: 'and' | 'or' | undefined;
  /** Set once the depth limit was met: the rest is not read. */
  stopped: boolean;
}

export const report = <Code extends ProblemCode>(
  parser: Parser,
  code: Code,
  span: Span,
  detail: Parameters<typeof problem<Code>>[2],
): void => {
  if (!parser.stopped) parser.problems.push(problem(code, span, detail));
};

export const errorNode = (span: Span): ParsedCondition => Object.freeze({ kind: 'error', span });

export const pieceSpan = ({ scanner }: Parser): Span => {
  const start = scanner.at();
  return { start, end: start + scanner.peekPiece().length };
};

/** The next piece for a message. */
export const foundBy = ({ scanner }: Parser): string => {
  const piece = scanner.peekPiece();
  if (piece === '') return 'the end';
  return piece.startsWith('"') ? piece : `"${piece}"`;
};

export const syntax = (parser: Parser, expected: string): void =>
  report(parser, 'syntax', pieceSpan(parser), { found: foundBy(parser), expected });

/** Reports that nothing deeper is read, and leaves the rest unread. */
export const stopTooDeep = (parser: Parser, start: number): void => {
  report(parser, 'too-deep', { start, end: start + 1 }, { limit: MAX_DEPTH });
  parser.stopped = true;
  parser.scanner.moveTo(parser.scanner.text.length);
};

/** Takes all up to the ")" that closes as many "(" as are open, quotes respected. */
export const skipToClose = ({ scanner }: Parser, open: number): void => {
  let depth = open;
  while (depth > 0 && !scanner.atEnd()) {
    if (scanner.take('(')) depth++;
    else if (scanner.take(')')) depth--;
    else if (scanner.takeValue(() => undefined) === undefined) scanner.skipPiece();
  }
};

/** Takes a "(" and all up to its ")". */
export const skipParentheses = (parser: Parser): void => {
  if (parser.scanner.take('(')) skipToClose(parser, 1);
};

/** A field as it is written. */
export const shown = (field: FieldRef): string =>
  field.argument === undefined ? field.name : `${field.name}[${field.argument}]`;
