import type { StraceArgument, StraceResult, StraceValue } from './value.ts';

/** Why a text is no value of strace's: what was expected, and at which column (from 1). */
export class ScanError extends Error {
  readonly column: number;
  constructor(expected: string, column: number) {
    super(expected);
    this.column = column;
  }
}

/** A call as one line prints it, its unfinished and its resumed part put together. */
export interface ScannedCall {
  readonly name: string;
  readonly arguments: readonly StraceArgument[];
  readonly result: StraceResult;
}

interface Cursor {
  readonly text: string;
  at: number;
}

const NAME = /[A-Za-z_$][\w.$]*/y;
const NUMBER = /-?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?)/y;
const OPERATOR = /or(?= )|\|\||&&|<<|==|!=|[|*+]|-(?!>)/y;
const SPACE = /(?:\s|\/\*(?:(?!\*\/).)*\*\/)*/y;
const UNAVAILABLE = /\?\?\?|\?|<unavailable>/y;

const match = (cursor: Cursor, pattern: RegExp): string | undefined => {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text)?.[0];
  if (found === undefined || found === '') return undefined;
  cursor.at += found.length;
  return found;
};

const skipSpace = (cursor: Cursor): void => {
  match(cursor, SPACE);
};

const eat = (cursor: Cursor, text: string): boolean => {
  if (!cursor.text.startsWith(text, cursor.at)) return false;
  cursor.at += text.length;
  return true;
};

const expected = (cursor: Cursor, what: string): never => {
  throw new ScanError(what, cursor.at + 1);
};

const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12, '"': 34, '\\': 92 };
const ENCODER = new TextEncoder();

/** A quoted string: C escapes, octal of one to three digits, `\x41` of -x and -xx. */
const scanString = (cursor: Cursor): StraceValue => {
  const start = cursor.at;
  const bytes: number[] = [];
  cursor.at += 1;
  for (;;) {
    const char = cursor.text[cursor.at];
    if (char === undefined) {
      cursor.at = start;
      return expected(cursor, 'a string that ends in a quotation mark');
    }
    cursor.at += 1;
    if (char === '"') break;
    if (char !== '\\') {
      const code = cursor.text.codePointAt(cursor.at - 1) ?? 0;
      if (code > 0xffff) cursor.at += 1;
      if (code < 0x80) bytes.push(code);
      else bytes.push(...ENCODER.encode(String.fromCodePoint(code)));
      continue;
    }
    const octal = match(cursor, /[0-7]{1,3}/y);
    if (octal !== undefined) {
      bytes.push(Number.parseInt(octal, 8) & 0xff);
      continue;
    }
    const hex = match(cursor, /x[0-9a-fA-F]{2}/y);
    if (hex !== undefined) {
      bytes.push(Number.parseInt(hex.slice(1), 16));
      continue;
    }
    const escaped = ESCAPES[cursor.text[cursor.at] ?? ''];
    if (escaped === undefined) return expected(cursor, 'an escape of C: \\n, \\", \\\\, \\0 or \\x00');
    bytes.push(escaped);
    cursor.at += 1;
  }
  return { kind: 'string', bytes: Uint8Array.from(bytes), truncated: eat(cursor, '...') };
};

/**
 * What stands in angle brackets behind a descriptor, without them. They nest (`</dev/null<char 1:3>>`), an arrow's bracket and
 * what is quoted don't count, and strace writes those of a path as octal escapes. A deleted file's `(deleted)` follows them.
 */
const scanDecoration = (cursor: Cursor): string | undefined => {
  if (cursor.text[cursor.at] !== '<' || cursor.text[cursor.at + 1] === '<') return undefined;
  const start = cursor.at;
  let depth = 0;
  let quoted = false;
  for (; cursor.at < cursor.text.length; cursor.at += 1) {
    const char = cursor.text[cursor.at];
    if (char === '\\') cursor.at += 1;
    else if (char === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (char === '<') depth += 1;
    else if (char === '>' && cursor.text[cursor.at - 1] !== '-') {
      depth -= 1;
      if (depth === 0) {
        cursor.at += 1;
        const inside = cursor.text.slice(start + 1, cursor.at - 1);
        return eat(cursor, '(deleted)') ? `${inside} (deleted)` : inside;
      }
    }
  }
  cursor.at = start;
  return expected(cursor, 'a closing > of the descriptor decoration');
};

const decorated = <T extends object>(cursor: Cursor, value: T): T & { decoration?: string } => {
  const decoration = scanDecoration(cursor);
  return decoration === undefined ? value : { ...value, decoration };
};

const scanNumber = (cursor: Cursor): StraceValue | undefined => {
  const text = match(cursor, NUMBER);
  if (text === undefined) return undefined;
  const negative = text.startsWith('-');
  const digits = (negative ? text.slice(1) : text).replace(/\..*/, '');
  const magnitude = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  return decorated(cursor, { kind: 'number' as const, value: negative ? -magnitude : magnitude });
};

/** What stands between brackets, up to `close`: separated by commas, in a set of signals (`[INT CHLD]`) or terminal flags by blanks. */
const scanList = (
  cursor: Cursor,
  close: string,
): { readonly items: readonly StraceArgument[]; readonly truncated: boolean } => {
  const items: StraceArgument[] = [];
  let truncated = false;
  for (;;) {
    skipSpace(cursor);
    if (eat(cursor, close)) return { items, truncated };
    if (eat(cursor, '...')) truncated = true;
    else items.push(scanArgument(cursor));
    skipSpace(cursor);
    if (cursor.text.startsWith(close, cursor.at) || eat(cursor, ',')) continue;
    if (close !== ')' && cursor.text[cursor.at - 1] === ' ') continue;
    expected(cursor, `a comma or ${close}`);
  }
};

const scanPrimary = (cursor: Cursor): StraceValue => {
  // strace -X raw prints flags of which the first is zero as |0x800
  if (cursor.text[cursor.at] === '|') cursor.at += 1;
  const char = cursor.text[cursor.at];
  if (char === '"') return scanString(cursor);
  if (char === '{') {
    cursor.at += 1;
    const { items, truncated } = scanList(cursor, '}');
    return { kind: 'struct', members: items, truncated };
  }
  if (char === '[') {
    cursor.at += 1;
    const { items, truncated } = scanList(cursor, ']');
    return { kind: 'array', items: items.map((item) => item.value), truncated };
  }
  if (char === '~') {
    cursor.at += 1;
    return { kind: 'complement', of: scanPrimary(cursor) };
  }
  if (char === '&') {
    cursor.at += 1;
    return scanPrimary(cursor);
  }
  if (char === '(') {
    cursor.at += 1;
    const inside = scanValue(cursor);
    skipSpace(cursor);
    if (!eat(cursor, ')')) expected(cursor, 'a closing parenthesis');
    return inside;
  }
  if (match(cursor, UNAVAILABLE) !== undefined) return { kind: 'unavailable' };
  if (eat(cursor, '@"')) {
    cursor.at -= 1;
    const name = scanString(cursor);
    return name.kind === 'string' ? { ...name, bytes: Uint8Array.from([0, ...name.bytes]) } : name;
  }
  const number = scanNumber(cursor);
  if (number !== undefined) return number;
  const name = match(cursor, NAME);
  if (name === undefined) return expected(cursor, 'a value: a number, a string, a constant, a struct or an array');
  if (eat(cursor, '(')) return { kind: 'macro', name, arguments: scanList(cursor, ')').items };
  return decorated(cursor, { kind: 'constant' as const, name });
};

/** How tightly operators bind, as in C; `or` stands between two names of one number (`BTRFS_IOC_CLONE or FICLONE`). */
const BINDING: Readonly<Record<string, number>> = {
  or: 1,
  '||': 2,
  '&&': 3,
  '|': 4,
  '==': 5,
  '!=': 5,
  '<<': 6,
  '+': 7,
  '-': 7,
  '*': 8,
};

const scanOperation = (cursor: Cursor, above: number): StraceValue => {
  skipSpace(cursor);
  let value = scanPrimary(cursor);
  for (;;) {
    skipSpace(cursor);
    const at = cursor.at;
    const operator = match(cursor, OPERATOR);
    const binding = BINDING[operator ?? ''] ?? 0;
    if (operator === undefined || binding <= above) {
      cursor.at = at;
      return value;
    }
    value = { kind: 'operation', operator, left: value, right: scanOperation(cursor, binding) };
  }
};

const scanValue = (cursor: Cursor): StraceValue => {
  const value = scanOperation(cursor, 0);
  return eat(cursor, '=>') ? { kind: 'change', before: value, after: scanValue(cursor) } : value;
};

const MEMBER = /[A-Za-z_][\w.]*(?:\[[^\]]*\])?=(?![=>])/y;

const scanArgument = (cursor: Cursor): StraceArgument => {
  const name = match(cursor, MEMBER)?.slice(0, -1);
  const value = scanValue(cursor);
  return name === undefined ? { value } : { name, value };
};

const RESULT_NUMBER = /-?(?:0[xX][0-9a-fA-F]+|[0-9]+)/y;
const ERRNO = /E[A-Z0-9_]+|\(errno [0-9]+\)/y;

const scanResult = (cursor: Cursor): StraceResult => {
  skipSpace(cursor);
  if (!eat(cursor, '=')) expected(cursor, '= and the result of the call');
  skipSpace(cursor);
  let value: bigint | undefined;
  if (!eat(cursor, '?')) {
    const text = match(cursor, RESULT_NUMBER);
    if (text === undefined) return expected(cursor, 'the result: a number or ?');
    value = text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(/^0[0-7]+$/.test(text) ? `0o${text}` : text);
  }
  const decoration = scanDecoration(cursor);
  skipSpace(cursor);
  const errno = match(cursor, ERRNO);
  skipSpace(cursor);
  const note = /^\((.*?)\)(?: \((?:INJECTED|DELAYED).*\))?(?: <[0-9.]+>)?\s*$/.exec(cursor.text.slice(cursor.at))?.[1];
  return { value, errno, decoration, note };
};

/** Reads `name(arguments) = result`. @throws ScanError */
export const scanCall = (text: string): ScannedCall => {
  const cursor: Cursor = { text, at: 0 };
  const name = match(cursor, NAME);
  if (name === undefined || !eat(cursor, '(')) {
    return expected(cursor, 'a system call, name(arguments) = result');
  }
  if (eat(cursor, '<... resuming interrupted ')) {
    const end = text.indexOf('...>', cursor.at);
    cursor.at = end < 0 ? cursor.at : end + '...>'.length;
  }
  const { items } = scanList(cursor, ')');
  return { name, arguments: items, result: scanResult(cursor) };
};

/** Reads one value, all of the text. @throws ScanError */
export const scanStraceValue = (text: string): StraceValue => {
  const cursor: Cursor = { text, at: 0 };
  const value = scanValue(cursor);
  if (cursor.at < text.length) expected(cursor, 'the end of the value');
  return value;
};
