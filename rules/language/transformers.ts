import type { Expression, FieldRef, Transformer } from './ast.ts';
import type { FieldSource, FieldValue, Trust } from './value.ts';

type Present = string | bigint | boolean | readonly string[];

const utf8 = new TextEncoder();

/** Upper or lower case of A to Z alone, as tolower(3) in the C locale. */
const fold = (pattern: RegExp, change: (letter: string) => string) => (text: string) => text.replace(pattern, change);

const eachText = (change: (text: string) => string | undefined) => (value: Present) => {
  if (typeof value !== 'object') return change(String(value));
  const changed = value.map(change);
  return changed.every((text) => text !== undefined) ? changed : undefined;
};

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

const decodeBase64 = (text: string): string | undefined =>
  BASE64.test(text) ? Buffer.from(text, 'base64').toString() : undefined;

const itemsOf = (value: Present): readonly string[] => (typeof value === 'object' ? value : [String(value)]);

/** Arguments as one text are taken apart at blanks. */
const argumentsOf = (value: Present): readonly string[] =>
  typeof value === 'object' ? value : String(value).split(' ').filter(Boolean);

/** What options there are, and which of them take an argument: `ab:` has `a`, and `b` with one (getopt(3)). */
const readOptions = (text: string): ReadonlyMap<string, boolean> => {
  const options = new Map<string, boolean>();
  for (let at = text.startsWith(':') ? 1 : 0; at < text.length; at++)
    if (text[at] !== ':') options.set(text[at] as string, text[at + 1] === ':');
  return options;
};

/**
 * Options with their arguments as Falco's getopt finds them: up to `--` or the first argument that is no option; `?` for an option that
 * isn't one of `options`, an empty text where an option's argument is missing.
 */
const findOptions = (words: readonly string[], options: ReadonlyMap<string, boolean>): readonly [string, string?][] => {
  const found: [string, string?][] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '--' || word.length < 2 || !word.startsWith('-')) break;
    if (word.startsWith('--')) continue;
    for (let position = 1; position < word.length; position++) {
      const option = word[position] ?? '';
      const takes = options.get(option);
      if (takes === undefined) found.push(['?']);
      else if (!takes) found.push([option]);
      else {
        const rest = word.slice(position + 1);
        const argument = rest === '' ? words[++at] : rest;
        found.push([option, argument ?? '']);
        break;
      }
    }
  }
  return found;
};

const getopt = ([words = '', options = '']: readonly Present[], option: string | undefined): Present | undefined => {
  const found = findOptions(argumentsOf(words), readOptions(String(options)));
  if (option === undefined)
    return found.flatMap(([name, argument]) =>
      argument === undefined || argument === '' ? [argument ?? name] : [name, argument],
    );
  const last = found.filter(([name]) => name === option && name !== '?').at(-1);
  return last && (last[1] ?? last[0]);
};

/** What each transformer makes of its operands' values; undefined where that is no value. */
const APPLY: Readonly<
  Record<Transformer, (operands: readonly Present[], argument: string | undefined) => Present | undefined>
> = {
  tolower: ([value = '']) => eachText(fold(/[A-Z]/g, (letter) => letter.toLowerCase()))(value),
  toupper: ([value = '']) => eachText(fold(/[a-z]/g, (letter) => letter.toUpperCase()))(value),
  b64: ([value = '']) => eachText(decodeBase64)(value),
  basename: ([value = '']) => eachText((text) => text.slice(text.lastIndexOf('/') + 1))(value),
  len: ([value = '']) => BigInt(typeof value === 'object' ? value.length : utf8.encode(String(value)).length),
  join: ([separator = '', list = '']) => itemsOf(list).join(String(separator)),
  concat: (operands) => operands.map((operand) => itemsOf(operand).join(',')).join(''),
  getopt,
  val: ([value]) => value,
};

/** What a transformer makes of one value, in conditions as in output templates; undefined where that is no value. */
export const applyTransformer = (transformer: Transformer, value: Present): Present | undefined =>
  APPLY[transformer]([value], undefined);

const TRUSTS: readonly Trust[] = ['resolved', 'contestable', 'as passed', 'unknown'];

/**
 * The value of an expression on one event. It is absent where a value that it needs is, and then unknown where one of them is; its
 * trust is the least of theirs.
 */
export const evaluateExpression = (expression: Expression, source: FieldSource): FieldValue => {
  if (expression.kind === 'field') return source(expression.field);
  if (expression.kind === 'text') return { state: 'present', value: expression.value, trust: 'resolved' };
  const operands = expression.operands.map((operand) => evaluateExpression(operand, source));
  if (operands.some(({ state }) => state === 'absent')) return { state: 'absent' };
  const values: Present[] = [];
  let trust = 0;
  for (const operand of operands) {
    if (operand.state !== 'present') return { state: 'unknown' };
    values.push(operand.value);
    trust = Math.max(trust, TRUSTS.indexOf(operand.trust));
  }
  const value = APPLY[expression.transformer](values, expression.argument);
  return value === undefined ? { state: 'absent' } : { state: 'present', value, trust: TRUSTS[trust] ?? 'unknown' };
};

const nameOf = (field: FieldRef): string =>
  field.argument === undefined ? field.name : `${field.name}[${field.argument}]`;

/** An expression as a condition would write it. */
export const expressionText = (expression: Expression): string => {
  switch (expression.kind) {
    case 'field':
      return nameOf(expression.field);
    case 'text':
      return JSON.stringify(expression.value);
    case 'call': {
      const operands = expression.operands.map(expressionText).join(', ');
      const argument = expression.argument === undefined ? '' : `[${expression.argument}]`;
      return `${expression.transformer}(${operands})${argument}`;
    }
  }
};

/** The fields that an expression names, in their order. */
export const fieldsOf = (expression: Expression): readonly FieldRef[] =>
  expression.kind === 'field'
    ? [expression.field]
    : expression.kind === 'text'
      ? []
      : expression.operands.flatMap(fieldsOf);
