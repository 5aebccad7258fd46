import { ESCAPED_CLASSES, foldCase, LAST_POINT, NAMED_CLASSES, negate, normal, type Range } from './regex-classes.ts';

/** What holds between two bytes: `^` and `$` of a line, `\A` and `\z` of the text, `\b` and `\B`. */
export type Assertion = 'line start' | 'line end' | 'text start' | 'text end' | 'word edge' | 'no word edge';

/** A regular expression as a tree; `points` takes one code point, `byte` one byte. */
export type RegexNode =
  | { readonly kind: 'points'; readonly ranges: readonly Range[] }
  | { readonly kind: 'byte' }
  | { readonly kind: 'assertion'; readonly assertion: Assertion }
  | { readonly kind: 'all' | 'any'; readonly of: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly of: RegexNode; readonly least: number; readonly most: number };

/** What is wrong with a pattern, and at which character of it, from 0. */
export interface RegexProblem {
  readonly at: number;
  readonly reason: string;
}

/** Times that a repetition in braces may ask for, as in RE2. */
export const MAX_REPEAT = 1000;
/** Groups inside one another. */
const MAX_GROUPS = 1000;

/** Thrown and caught in this file alone. */
class Wrong extends Error {
  readonly at: number;
  constructor(at: number, reason: string) {
    super(reason);
    this.at = at;
  }
}

interface Flags {
  readonly fold: boolean;
  /** `^` and `$` are those of lines, as in RE2's POSIX syntax. */
  readonly lines: boolean;
  /** `.` takes a line's end too. */
  readonly dotAll: boolean;
}

interface Reader {
  readonly text: string;
  at: number;
  flags: Flags;
  /** Where the text between `\Q` and `\E` ends, which stands for itself. */
  quoteEnd: number;
}

const EMPTY: RegexNode = { kind: 'all', of: [] };
const NO_LINE_END: readonly Range[] = [
  [0, 9],
  [11, LAST_POINT],
];
const EVERYTHING: readonly Range[] = [[0, LAST_POINT]];

const point = (reader: Reader): number => {
  const found = reader.text.codePointAt(reader.at) ?? 0;
  reader.at += found > 0xffff ? 2 : 1;
  return found;
};

const points = ({ flags }: Reader, ranges: readonly Range[]): RegexNode => ({
  kind: 'points',
  ranges: flags.fold ? foldCase(ranges) : normal(ranges),
});

/** Reads a pattern in RE2's syntax: POSIX's, with Perl's classes, flags and word edges. */
export const parseRegex = (text: string): { readonly node: RegexNode } | { readonly problem: RegexProblem } => {
  const reader: Reader = { text, at: 0, flags: { fold: false, lines: true, dotAll: false }, quoteEnd: 0 };
  try {
    const node = readAny(reader, 0);
    if (reader.at < text.length) throw new Wrong(reader.at, 'this ")" closes nothing');
    return { node };
  } catch (error) {
    if (error instanceof Wrong) return { problem: { at: error.at, reason: error.message } };
    throw error;
  }
};

const readAny = (reader: Reader, depth: number): RegexNode => {
  const { flags } = reader;
  const of = [readAll(reader, depth)];
  while (reader.text[reader.at] === '|') {
    reader.at++;
    of.push(readAll(reader, depth));
  }
  reader.flags = flags;
  return of.length === 1 ? (of[0] as RegexNode) : { kind: 'any', of };
};

const readAll = (reader: Reader, depth: number): RegexNode => {
  const of: RegexNode[] = [];
  const goesOn = (): boolean => reader.at < reader.quoteEnd || !'|)'.includes(reader.text[reader.at] ?? '');
  while (reader.at < reader.text.length && goesOn()) {
    const start = reader.at;
    const item = readItem(reader, depth);
    of.push(item === undefined ? EMPTY : readRepeats(reader, item, start));
  }
  return of.length === 1 ? (of[0] as RegexNode) : { kind: 'all', of };
};

const BRACES = /\{(\d{1,9})(?:(,)(\d{1,9})?)?\}/y;

/** How often a repetition at the reader's place takes what stands before it; undefined where there is none. */
const readCount = (reader: Reader): readonly [least: number, most: number] | undefined => {
  const start = reader.at;
  const sign = reader.text[start];
  if (start < reader.quoteEnd) return undefined;
  if (sign === '*' || sign === '+' || sign === '?') {
    reader.at++;
    return [sign === '+' ? 1 : 0, sign === '?' ? 1 : Number.POSITIVE_INFINITY];
  }
  BRACES.lastIndex = start;
  const braces = BRACES.exec(reader.text);
  if (braces === null) return undefined;
  const [whole, low = '', comma, high] = braces;
  reader.at += whole.length;
  const least = Number(low);
  const most = comma === undefined ? least : high === undefined ? Number.POSITIVE_INFINITY : Number(high);
  if (least > MAX_REPEAT || (most > MAX_REPEAT && high !== undefined))
    throw new Wrong(start, `${whole} is more than ${MAX_REPEAT} times`);
  if (least > most) throw new Wrong(start, `${whole} ends before it begins`);
  return [least, most];
};

const readRepeats = (reader: Reader, item: RegexNode, start: number): RegexNode => {
  let node = item;
  for (let count = readCount(reader); count !== undefined; count = readCount(reader)) {
    const [least, most] = count;
    if (reader.text[reader.at] === '?') reader.at++;
    node = { kind: 'repeat', of: node, least, most };
    if (repeats(node) > MAX_REPEAT)
      throw new Wrong(start, `repetitions inside one another make more than ${MAX_REPEAT}`);
  }
  return node;
};

/** How many copies of its innermost part a node needs. */
const repeats = (node: RegexNode): number => {
  switch (node.kind) {
    case 'all':
    case 'any':
      return node.of.reduce((most, part) => Math.max(most, repeats(part)), 1);
    case 'repeat':
      return Math.max(1, Number.isFinite(node.most) ? node.most : node.least) * repeats(node.of);
    default:
      return 1;
  }
};

/** One item; undefined where it is nothing but flags. */
const readItem = (reader: Reader, depth: number): RegexNode | undefined => {
  const start = reader.at;
  if (start < reader.quoteEnd) return readQuoted(reader);
  switch (reader.text[start]) {
    case '(':
      return readGroup(reader, depth);
    case '[':
      return points(reader, readClass(reader));
    case '.':
      reader.at++;
      return { kind: 'points', ranges: reader.flags.dotAll ? EVERYTHING : NO_LINE_END };
    case '^':
      reader.at++;
      return { kind: 'assertion', assertion: reader.flags.lines ? 'line start' : 'text start' };
    case '$':
      reader.at++;
      return { kind: 'assertion', assertion: reader.flags.lines ? 'line end' : 'text end' };
    case '*':
    case '+':
    case '?':
      throw new Wrong(start, `there is nothing before "${reader.text[start]}" that it could repeat`);
    case '\\':
      return readEscape(reader);
    default: {
      BRACES.lastIndex = start;
      const braces = BRACES.exec(reader.text)?.[0];
      if (braces !== undefined) throw new Wrong(start, `there is nothing before "${braces}" that it could repeat`);
      const found = point(reader);
      return points(reader, [[found, found]]);
    }
  }
};

const NAME = /\(\?P?<[A-Za-z_][A-Za-z0-9_]*>/y;
const FLAGS = /\(\?([imsU]*)(?:-([imsU]+))?([:)])/y;

const REFUSED: readonly (readonly [start: string, reason: string])[] = [
  ['(?=', 'looking ahead with (?= does not exist here'],
  ['(?!', 'looking ahead with (?! does not exist here'],
  ['(?<=', 'looking behind with (?<= does not exist here'],
  ['(?<!', 'looking behind with (?<! does not exist here'],
  ['(?P=', 'references back to a group do not exist here'],
];

const readGroup = (reader: Reader, depth: number): RegexNode | undefined => {
  const { text, at: start, flags } = reader;
  if (depth >= MAX_GROUPS) throw new Wrong(start, `groups lie more than ${MAX_GROUPS} deep`);
  if (text.startsWith('(?', start)) {
    for (const [refused, reason] of REFUSED) if (text.startsWith(refused, start)) throw new Wrong(start, reason);
    NAME.lastIndex = start;
    FLAGS.lastIndex = start;
    const name = NAME.exec(text)?.[0];
    const [whole, on = '', off = '', end] = FLAGS.exec(text) ?? [];
    if (name !== undefined) reader.at += name.length;
    else if (whole === undefined) throw new Wrong(start, `there is no group "${text.slice(start, start + 3)}"`);
    else {
      reader.at += whole.length;
      const switched = (flag: string, now: boolean): boolean => (on.includes(flag) || now) && !off.includes(flag);
      const { fold, lines, dotAll } = flags;
      reader.flags = { fold: switched('i', fold), lines: switched('m', lines), dotAll: switched('s', dotAll) };
      if (end === ')') return undefined;
    }
  } else reader.at++;
  const node = readAny(reader, depth + 1);
  if (text[reader.at] !== ')') throw new Wrong(start, 'this "(" is never closed');
  reader.at++;
  reader.flags = flags;
  return node;
};

const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  A: 'text start',
  z: 'text end',
  b: 'word edge',
  B: 'no word edge',
};

/** One character of a quoted text, or the end of an empty one. */
const readQuoted = (reader: Reader): RegexNode | undefined => {
  const found = reader.at < reader.quoteEnd ? point(reader) : undefined;
  if (reader.at >= reader.quoteEnd && reader.text.startsWith('\\E', reader.at)) reader.at += 2;
  return found === undefined ? undefined : points(reader, [[found, found]]);
};

const readEscape = (reader: Reader): RegexNode | undefined => {
  const letter = reader.text[reader.at + 1] ?? '';
  const assertion = Object.hasOwn(ASSERTIONS, letter) ? ASSERTIONS[letter] : undefined;
  if (assertion !== undefined) {
    reader.at += 2;
    return { kind: 'assertion', assertion };
  }
  if (letter === 'C') {
    reader.at += 2;
    return { kind: 'byte' };
  }
  if (letter === 'Q') {
    const end = reader.text.indexOf('\\E', reader.at + 2);
    reader.at += 2;
    reader.quoteEnd = end < 0 ? reader.text.length : end;
    return readQuoted(reader);
  }
  const named = readEscapedClass(reader);
  if (named !== undefined) return points(reader, named);
  const found = readEscapedPoint(reader);
  return points(reader, [[found, found]]);
};

const readEscapedClass = (reader: Reader): readonly Range[] | undefined => {
  const letter = reader.text[reader.at + 1] ?? '';
  const ranges = ESCAPED_CLASSES.get(letter.toLowerCase());
  if (ranges === undefined) return undefined;
  reader.at += 2;
  return letter === letter.toLowerCase() ? ranges : negate(ranges);
};

const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };
const HEX = /\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,8})\})/y;
const OCTAL = /\\(0[0-7]{0,2}|[1-7][0-7]{1,2})/y;

const readEscapedPoint = (reader: Reader): number => {
  const { text, at: start } = reader;
  const letter = text[start + 1];
  if (letter === undefined) throw new Wrong(start, 'the pattern ends in a lone backslash');
  const control = Object.hasOwn(CONTROLS, letter) ? CONTROLS[letter] : undefined;
  if (control !== undefined || /[!-/:-@[-`{-~ ]/.test(letter)) {
    reader.at += 2;
    return control ?? letter.charCodeAt(0);
  }
  HEX.lastIndex = start;
  OCTAL.lastIndex = start;
  const hex = HEX.exec(text);
  const octal = OCTAL.exec(text);
  const code = hex === null ? Number.parseInt(octal?.[1] ?? '', 8) : Number.parseInt(hex[1] ?? hex[2] ?? '', 16);
  if (code <= LAST_POINT) {
    reader.at += (hex ?? octal)?.[0].length ?? 0;
    return code;
  }
  if (/[1-9]/.test(letter)) throw new Wrong(start, `references back to a group, as \\${letter}, do not exist here`);
  if (letter === 'p' || letter === 'P')
    throw new Wrong(start, `classes of Unicode, as \\${letter}, do not exist here; write the characters in brackets`);
  throw new Wrong(start, `there is no escape \\${String.fromCodePoint(text.codePointAt(start + 1) ?? 0)}`);
};

const NAMED = /\[:(\^?)([A-Za-z]*):\]/y;

const readClass = (reader: Reader): readonly Range[] => {
  const { text, at: start } = reader;
  reader.at++;
  const negated = text[reader.at] === '^';
  if (negated) reader.at++;
  const ranges: Range[] = [];
  for (let first = true; first || text[reader.at] !== ']'; first = false) {
    if (reader.at >= text.length) throw new Wrong(start, 'this "[" is never closed');
    NAMED.lastIndex = reader.at;
    const named = NAMED.exec(text);
    if (named !== null) {
      const members = NAMED_CLASSES.get(named[2] ?? '');
      if (members === undefined) throw new Wrong(reader.at, `there is no class ${named[0]}`);
      ranges.push(...(named[1] === '' ? members : negate(members)));
      reader.at += named[0].length;
      continue;
    }
    const escaped = text[reader.at] === '\\' ? readEscapedClass(reader) : undefined;
    if (escaped !== undefined) ranges.push(...escaped);
    else ranges.push(readRange(reader, start));
  }
  reader.at++;
  if (!negated) return ranges;
  return negate(reader.flags.fold ? foldCase(ranges) : ranges);
};

const readRange = (reader: Reader, open: number): Range => {
  const { text, at: start } = reader;
  const end = (): number => {
    if (reader.at >= text.length) throw new Wrong(open, 'this "[" is never closed');
    return text[reader.at] === '\\' ? readEscapedPoint(reader) : point(reader);
  };
  const first = end();
  if (text[reader.at] !== '-' || text[reader.at + 1] === ']' || reader.at + 1 >= text.length) return [first, first];
  reader.at++;
  const last = end();
  if (last < first) throw new Wrong(start, `the range ${text.slice(start, reader.at)} runs backwards`);
  return [first, last];
};
