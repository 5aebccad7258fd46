import { nearest } from '../../engine/text/index.ts';
import { type Expression, type FieldRef, TRANSFORMERS, type Transformer } from './ast.ts';
import { MAX_DEPTH, type Parser, report, skipParentheses, skipToClose, stopTooDeep, syntax } from './parser-state.ts';

/** `evt.arg.NAME` is another way to write `evt.arg[NAME]`. */
const EVENT_ARGUMENT = /^(evt\.(?:raw)?arg)\.(.+)$/;

/** The rest of a field whose name was taken: what stands in its brackets. */
export const parseField = (parser: Parser, word: string, start: number): FieldRef => {
  const { scanner } = parser;
  const [, of, name] = EVENT_ARGUMENT.exec(word) ?? [];
  if (of !== undefined && name !== undefined)
    return Object.freeze({ name: of, argument: name, span: { start, end: scanner.end } });
  const argument = parseBrackets(parser, word);
  const span = { start, end: scanner.end };
  return Object.freeze(argument === undefined ? { name: word, span } : { name: word, argument, span });
};

/** What stands in the brackets behind a field or a transformer; undefined where there are none. */
const parseBrackets = (parser: Parser, word: string): string | undefined => {
  const { scanner } = parser;
  if (scanner.text.charAt(scanner.end) !== '[') return undefined;
  scanner.take('[');
  const quoted = scanner.peek() === '"' || scanner.peek() === "'";
  const argument = quoted
    ? scanner.takeValue((found) => parser.problems.push(found))?.text
    : scanner.takeBareArgument();
  if (!scanner.take(']')) syntax(parser, argument === undefined ? `what "${word}" is asked for, then "]"` : '"]"');
  return argument ?? '';
};

const transformerOf = (word: string): Transformer | undefined => TRANSFORMERS.find((name) => name === word);

/** The next word where a "(" follows it at once: a transformer, or what was meant as one. */
export const peekCall = ({ scanner }: Parser): string | undefined => {
  const word = scanner.peekWord();
  return word !== undefined && scanner.text.charAt(scanner.at() + word.length) === '(' ? word : undefined;
};

/**
 * The rest of a transformer whose name was taken, from its "(" on; undefined where anything in it is wrong, which is reported, and
 * skipped up to its ")".
 */
export const parseCall = (
  parser: Parser,
  word: string,
  start: number,
  depth: number,
  right: boolean,
): (Expression & { readonly kind: 'call' }) | undefined => {
  const { scanner } = parser;
  const transformer = transformerOf(word);
  const name = { start, end: scanner.end };
  if (transformer === undefined) {
    const near = nearest(word, TRANSFORMERS);
    report(parser, 'unknown-transformer', name, {
      transformer: word,
      ...(near === undefined ? {} : { nearest: near }),
    });
    skipParentheses(parser);
    return undefined;
  }
  if (transformer === 'val' && !right) {
    report(parser, 'misplaced-val', name, {});
    skipParentheses(parser);
    return undefined;
  }
  const operands = parseOperands(parser, transformer, depth, right);
  if (operands === undefined) return undefined;
  const argument = parseBrackets(parser, word);
  const span = { start, end: scanner.end };
  const call = { kind: 'call', transformer, operands: Object.freeze(operands), span } as const;
  return Object.freeze(argument === undefined ? call : { ...call, argument });
};

/** A transformer's operands with their parentheses. */
const parseOperands = (
  parser: Parser,
  transformer: Transformer,
  depth: number,
  right: boolean,
): Expression[] | undefined => {
  const { scanner } = parser;
  const open = scanner.at();
  const operands: Expression[] = [];
  scanner.take('(');
  for (;;) {
    const operand = parseOperand(parser, transformer, depth + 1, right);
    if (parser.stopped) return undefined;
    if (operand === undefined) {
      skipToClose(parser, 1);
      return undefined;
    }
    operands.push(operand);
    if (scanner.take(')')) return operands;
    if (scanner.take(',')) continue;
    if (scanner.atEnd() || ['and', 'or'].includes(scanner.peekWord() ?? '')) {
      report(parser, 'unclosed-parenthesis', { start: open, end: open + 1 }, {});
      return undefined;
    }
    syntax(parser, '"," or ")"');
    skipToClose(parser, 1);
    return undefined;
  }
};

const parseOperand = (
  parser: Parser,
  transformer: Transformer,
  depth: number,
  right: boolean,
): Expression | undefined => {
  const { scanner } = parser;
  const start = scanner.at();
  if (depth > MAX_DEPTH) {
    stopTooDeep(parser, start);
    return undefined;
  }
  if (scanner.peek() === '"' || scanner.peek() === "'") {
    const text = scanner.takeValue((found) => parser.problems.push(found));
    return text && Object.freeze({ kind: 'text', value: text.text, span: text.span });
  }
  const word = scanner.takeWord();
  const isCall = word !== undefined && scanner.peek() === '(';
  if (word === undefined || !(isCall || word.includes('.'))) {
    scanner.moveTo(start);
    syntax(parser, transformer === 'val' ? 'a field' : 'a field, a transformer or a text in quotes');
    return undefined;
  }
  if (isCall) return parseCall(parser, word, start, depth, right);
  const field = parseField(parser, word, start);
  return Object.freeze({ kind: 'field', field, span: field.span });
};

/** The first field that an expression names. */
export const firstField = (expression: Expression): FieldRef | undefined => {
  if (expression.kind === 'field') return expression.field;
  if (expression.kind === 'text') return undefined;
  for (const operand of expression.operands) {
    const found = firstField(operand);
    if (found !== undefined) return found;
  }
  return undefined;
};
