import type { Span } from './ast.ts';
import { type Problem, problem } from './problems.ts';

/** A value as it was written, without its quotes and with its escapes resolved. */
export interface ParsedValue {
  readonly text: string;
  readonly quoted: boolean;
  readonly span: Span;
}

const BLANK = /[\s]*/y;
/** Names of fields, macros, keywords and word operators. */
const WORD = /[A-Za-z_][A-Za-z0-9_.-]*/y;
const BARE = /[^()"'\s=,]+/y;
const SYMBOL = /==|!=|<=|>=|=|<|>/y;
const BARE_ARGUMENT = /[^[\]"'\s]+/y;
/** What a person would take for one piece, to name what was found. */
const PIECE = /[()]|[^\s()]+/y;

const ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  '\\': '\\',
  '/': '/',
  '"': '"',
  "'": "'",
};
const VALID_ESCAPES = String.raw`\b, \f, \n, \r, \t, \\, \/, \", \' or \xHH`;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const decodeUtf8 = (bytes: readonly number[]): string | undefined => {
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
};

/** Reads a text in quotes whose quote stands at `start`; an unclosed one reaches to the end of the text. */
export const readQuoted = (source: string, start: number): { value: ParsedValue; problems: readonly Problem[] } => {
  const quote = source[start] ?? '"';
  const problems: Problem[] = [];
  let text = '';
  let at = start + 1;
  while (at < source.length && source[at] !== quote) {
    if (source[at] !== '\\') {
      text += source[at++];
      continue;
    }
    const hex = /(?:\\x[0-9A-Fa-f]{2})+/y;
    hex.lastIndex = at;
    const bytes = hex.exec(source)?.[0];
    if (bytes !== undefined) {
      const decoded = decodeUtf8(
        bytes
          .split('\\x')
          .slice(1)
          .map((digits) => Number.parseInt(digits, 16)),
      );
      const span = { start: at, end: at + bytes.length };
      if (decoded === undefined)
        problems.push(problem('bad-escape', span, { escape: bytes, expected: 'bytes that are UTF-8' }));
      text += decoded ?? '';
      at += bytes.length;
      continue;
    }
    const escaped = source[at + 1];
    if (escaped === undefined) {
      at++;
      break;
    }
    const known = Object.hasOwn(ESCAPES, escaped) ? ESCAPES[escaped] : undefined;
    if (known === undefined) {
      const span = { start: at, end: at + 2 };
      problems.push(problem('bad-escape', span, { escape: `\\${escaped}`, expected: VALID_ESCAPES }));
    }
    text += known ?? escaped;
    at += 2;
  }
  const closed = at < source.length;
  if (!closed) problems.push(problem('unclosed-quote', { start, end: source.length }, { quote }));
  return { value: { text, quoted: true, span: { start, end: closed ? at + 1 : source.length } }, problems };
};

/** A position in a condition's text and the ways to read on from there: what a piece is depends on where it stands. */
export interface Scanner {
  readonly text: string;
  /** Offset of the next piece, blanks skipped. */
  at(): number;
  /** Offset behind the last piece taken. */
  readonly end: number;
  moveTo(offset: number): void;
  atEnd(): boolean;
  /** The next character, empty at the end. */
  peek(): string;
  /** Takes one character if it is the next. */
  take(character: string): boolean;
  /** The next word without taking it. */
  peekWord(): string | undefined;
  takeWord(): string | undefined;
  /** Takes `and`, `or` or `not` where it is the whole next word. */
  takeKeyword(keyword: string): boolean;
  peekSymbol(): string | undefined;
  takeSymbol(): string | undefined;
  /** A value in quotes or a bare one; undefined where none starts here. */
  takeValue(report: (found: Problem) => void): ParsedValue | undefined;
  /** The bare text of a field's argument, up to a bracket, quote or blank. */
  takeBareArgument(): string | undefined;
  /** What a person would take for the next piece; empty at the end. */
  peekPiece(): string;
  /** Takes whatever piece comes next. */
  skipPiece(): void;
}

/** A scanner at the start of `text`. */
export const createScanner = (text: string): Scanner => {
  let offset = 0;
  let end = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = offset;
    return pattern.exec(text)?.[0];
  };
  const skipBlanks = (): void => {
    offset += match(BLANK)?.length ?? 0;
  };
  const advance = (piece: string | undefined): string | undefined => {
    if (piece !== undefined) {
      offset += piece.length;
      end = offset;
    }
    return piece;
  };
  const next = (pattern: RegExp): string | undefined => {
    skipBlanks();
    return match(pattern);
  };
  return {
    text,
    at: () => {
      skipBlanks();
      return offset;
    },
    get end() {
      return end;
    },
    moveTo: (target) => {
      offset = target;
      end = target;
    },
    atEnd: () => {
      skipBlanks();
      return offset >= text.length;
    },
    peek: () => {
      skipBlanks();
      return text.charAt(offset);
    },
    take: (character) => {
      skipBlanks();
      if (text.charAt(offset) !== character) return false;
      advance(character);
      return true;
    },
    peekWord: () => next(WORD),
    takeWord: () => advance(next(WORD)),
    takeKeyword: (keyword) => {
      if (next(WORD) !== keyword) return false;
      advance(keyword);
      return true;
    },
    peekSymbol: () => next(SYMBOL),
    takeSymbol: () => advance(next(SYMBOL)),
    takeValue: (report) => {
      skipBlanks();
      const start = offset;
      const first = text.charAt(start);
      if (first === '"' || first === "'") {
        const { value, problems } = readQuoted(text, start);
        for (const entry of problems) report(entry);
        offset = value.span.end;
        end = offset;
        return value;
      }
      const bare = advance(match(BARE));
      return bare === undefined ? undefined : { text: bare, quoted: false, span: { start, end } };
    },
    takeBareArgument: () => advance(next(BARE_ARGUMENT)),
    peekPiece: () => next(PIECE) ?? '',
    skipPiece: () => {
      advance(next(PIECE));
    },
  };
};
