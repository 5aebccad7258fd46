import {
  type Check,
  type Item,
  LIST_OPERATORS,
  MODIFIERS,
  type Modifier,
  type Operand,
  type Tree,
  WORD_OPERATORS,
} from './syntax.ts';

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** A quoted text with its escapes taken out. */
export const unquote = (text: string): string =>
  text
    .slice(1, -1)
    .replace(/\\(?:x([0-9A-Fa-f]{2})|(.))/gs, (_all, hex: string | undefined, one: string | undefined) =>
      hex === undefined ? (ESCAPES[one ?? ''] ?? one ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
    );

const QUOTED = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/sy;
const BARE = /[^()"'\s=,]+/y;
const NAME = /[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*/y;
const MACRO = /[A-Za-z][A-Za-z0-9_-]*/y;
const SYMBOL = /==|=|!=|<=|<|>=|>/y;
const WORD = /[a-z0-9]+/y;

/** Reads a condition by recursive descent, one character after the other. @throws Error with the place */
export const parse = (text: string): Tree => {
  let at = 0;
  const fail = (wanted: string): never => {
    throw new Error(`expected ${wanted} at ${at} of "${text.slice(Math.max(0, at - 30), at + 30)}"`);
  };
  const blanks = (): void => {
    while (/\s/.test(text[at] ?? '')) at++;
  };
  const take = (pattern: RegExp): string | undefined => {
    blanks();
    pattern.lastIndex = at;
    const [found] = pattern.exec(text) ?? [];
    if (found !== undefined) at += found.length;
    return found;
  };
  const peek = (pattern: RegExp): string | undefined => {
    const before = at;
    const found = take(pattern);
    at = before;
    return found;
  };
  const sign = (one: string): boolean => {
    blanks();
    if (text[at] !== one) return false;
    at++;
    return true;
  };
  const expect = (one: string): void => {
    if (!sign(one)) fail(`"${one}"`);
  };
  /** A keyword, which ends at a blank or a parenthesis. */
  const keyword = (word: string): boolean => {
    blanks();
    if (!text.startsWith(word, at) || !/[\s(]/.test(text[at + word.length] ?? '')) return false;
    at += word.length;
    return true;
  };

  const item = (): Item => {
    const quoted = take(QUOTED);
    if (quoted !== undefined) return { text: unquote(quoted), quoted: true };
    return { text: take(BARE) ?? fail('a value'), quoted: false };
  };
  const items = (): readonly Item[] => {
    if (!sign('(')) return [item()];
    const found: Item[] = [];
    while (!sign(')')) {
      if (found.length > 0) expect(',');
      found.push(item());
    }
    return found;
  };
  const operand = (): Operand => {
    if (peek(QUOTED) !== undefined) return { kind: 'text', item: item() };
    const name = take(NAME) ?? fail('a field');
    if (text[at] === '(') {
      at++;
      const operands: Operand[] = [];
      while (!sign(')')) {
        if (operands.length > 0) expect(',');
        operands.push(
          peek(/[A-Za-z][A-Za-z0-9_]*[.(]|["']/y) === undefined ? { kind: 'text', item: item() } : operand(),
        );
      }
      return { kind: 'call', name, operands };
    }
    if (text[at] !== '[') return { kind: 'field', name };
    at++;
    const quoted = take(QUOTED);
    const argument = quoted === undefined ? (take(/[^\]]+/y) ?? fail('an argument')) : unquote(quoted);
    expect(']');
    return { kind: 'field', name, argument };
  };
  const check = (): Check => {
    const left = operand();
    let operator = take(SYMBOL) ?? take(WORD) ?? fail('an operator');
    if (operator === '==') operator = '=';
    if (operator === 'exists') return { kind: 'check', left, operator, right: [] };
    if (/^[a-z]/.test(operator) && !WORD_OPERATORS.has(operator)) fail('an operator');
    const before = at;
    const modifier = take(WORD);
    blanks();
    if (modifier !== undefined && MODIFIERS.has(modifier) && text[at] === '(')
      return { kind: 'check', left, operator, modifier: modifier as Modifier, right: items() };
    at = before;
    if (peek(/val\(|[a-z0-9]+\(\s*val\(/y) !== undefined) {
      return { kind: 'check', left, operator, right: operand() };
    }
    return { kind: 'check', left, operator, right: LIST_OPERATORS.has(operator) ? items() : [item()] };
  };
  const primary = (): Tree => {
    if (keyword('not')) return { kind: 'not', of: primary() };
    if (sign('(')) {
      const inside = or();
      expect(')');
      return inside;
    }
    if (peek(/[A-Za-z][A-Za-z0-9_]*[.(]/y) !== undefined) return check();
    return { kind: 'macro', name: take(MACRO) ?? fail('a condition') };
  };
  const chain = (kind: 'and' | 'or', part: () => Tree): Tree => {
    const of = [part()];
    while (keyword(kind)) of.push(part());
    return of.length === 1 ? (of[0] as Tree) : { kind, of };
  };
  const and = (): Tree => chain('and', primary);
  const or = (): Tree => chain('or', and);

  const tree = or();
  blanks();
  if (at !== text.length) fail('the end');
  return tree;
};

/** An item of a list, which may be quoted within its own text. */
export const listItem = (value: unknown): Item => {
  const text = String(value);
  return /^(["']).*\1$/s.test(text) && text.length > 1
    ? { text: unquote(text), quoted: true }
    : { text, quoted: false };
};
