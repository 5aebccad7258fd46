import type { Random } from '../../support/random.ts';
import {
  type Check,
  type FieldName,
  type Item,
  type Modifier,
  type Names,
  parse,
  type Tree,
} from './language/index.ts';
import type { FieldEntry } from './values.ts';

/** What conditions may be made of: what the compiler does not have yet is left out. */
export interface Ingredients {
  readonly fields: readonly FieldEntry[];
  readonly operators: ReadonlySet<string>;
  readonly modifiers: readonly Modifier[];
  readonly transformers: readonly string[];
  /** Lists and macros that may be used. */
  readonly names?: Names;
}

const TEXT_OPERATORS = [
  '=',
  '!=',
  '=',
  'startswith',
  'endswith',
  'contains',
  'icontains',
  'glob',
  'iglob',
  'regex',
  'bcontains',
  'bstartswith',
  'in',
  'in',
  'intersects',
  'exists',
];
const NUMBER_OPERATORS = ['=', '!=', '<', '<=', '>', '>=', 'in', 'exists'];
const ADDRESS_OPERATORS = ['=', '!=', 'in', 'intersects', 'exists'];
const OPERATORS: Readonly<Record<FieldEntry['kind'], readonly string[]>> = {
  text: TEXT_OPERATORS,
  path: [...TEXT_OPERATORS, 'pmatch', 'pmatch'],
  number: NUMBER_OPERATORS,
  boolean: ['=', '!='],
  name: ['=', '!=', 'in', 'in', 'exists'],
  domain: ['=', 'in'],
  address: ADDRESS_OPERATORS,
  network: ADDRESS_OPERATORS,
  list: ['in', 'intersects', 'exists'],
};
const LISTS: ReadonlySet<string> = new Set(['in', 'intersects', 'pmatch']);
const MODIFIABLE: ReadonlySet<string> = new Set([
  '=',
  '!=',
  'startswith',
  'endswith',
  'contains',
  'icontains',
  'glob',
  'iglob',
]);

const swapCase = (text: string): string =>
  text.replace(/[A-Za-z]/, (one) => (one === one.toLowerCase() ? one.toUpperCase() : one.toLowerCase()));

/** A text that is another by a byte. */
const nearMiss = (random: Random, text: string): string => {
  switch (random.below(6)) {
    case 0:
      return `${text}x`;
    case 1:
      return text.slice(0, -1);
    case 2:
      return swapCase(text);
    case 3:
      return `x${text}`;
    case 4:
      return text.slice(1);
    default:
      return text.replace(/.$/, (last) => String.fromCharCode(last.charCodeAt(0) ^ 1));
  }
};

const piece = (random: Random, text: string, from: 'start' | 'end' | 'middle'): string => {
  const length = 1 + random.below(Math.max(1, Math.min(text.length, 100)));
  if (from === 'start') return text.slice(0, length);
  if (from === 'end') return text.slice(-length);
  const start = random.below(Math.max(1, text.length - length + 1));
  return text.slice(start, start + length);
};

const escapeGlob = (text: string): string => text.replace(/[*?[\]\\]/g, '?');

const globOf = (random: Random, text: string): string => {
  const plain = escapeGlob(text.slice(0, 120));
  switch (random.below(6)) {
    case 0:
      return `${plain.slice(0, random.below(plain.length + 1))}*`;
    case 1:
      return `*${plain.slice(random.below(plain.length + 1))}`;
    case 2:
      return `*${piece(random, plain, 'middle')}*`;
    case 3:
      return plain.replace(/[a-z]/, '[a-f]');
    case 4:
      return plain.replace(/[a-z.]/, '?');
    default: {
      const at = random.below(plain.length + 1);
      return `${plain.slice(0, at)}*${plain.slice(at + random.below(3))}`;
    }
  }
};

const escapeRegex = (text: string): string => text.replace(/[.*+?()[\]{}|\\^$]/g, '\\$&');

const regexOf = (random: Random, text: string): string => {
  const plain = text.slice(0, 40);
  const at = random.below(plain.length + 1);
  const [head, tail] = [escapeRegex(plain.slice(0, at)), escapeRegex(plain.slice(at))];
  switch (random.below(6)) {
    case 0:
      return `${head}.*`;
    case 1:
      return `.*${tail}`;
    case 2:
      return `(${head}|x)${tail}`;
    case 3:
      return `${head}[a-z./]*`;
    case 4:
      return `[^x]*${tail}`;
    default:
      return `${head}.?.{0,3}${escapeRegex(plain.slice(at + 1))}`;
  }
};

/** Whether quoting can say it: control characters are left to the tests of the lexer. */
const printable = (text: string): boolean => [...text].every((one) => one >= ' ');

const hexOf = (text: string): string => Buffer.from(text || 'x').toString('hex');

const addressNear = (random: Random, address: string): string => {
  if (!random.chance(0.3)) return address;
  return address.replace(/(\d+)$/, (last) => String(Math.max(0, Number(last) + (random.chance(0.5) ? 1 : -1))));
};

/** A constant for a field and an operator, near a value that events have. */
const constantOf = (random: Random, entry: FieldEntry, operator: string): string => {
  const value = random.pick(entry.values);
  switch (entry.kind) {
    case 'boolean':
    case 'name':
    case 'domain':
      return value;
    case 'number':
      return random.chance(0.4) ? String(BigInt(value) + BigInt(random.between(-1, 1))) : value;
    case 'address':
      return addressNear(random, value);
    case 'network': {
      const [base = '', prefix = '32'] = value.split('/');
      if (random.chance(0.6)) return value;
      return random.chance(0.3) ? base : `${base}/${Math.min(base.includes(':') ? 128 : 32, Number(prefix) + 1)}`;
    }
    default:
  }
  const near = random.chance(0.3) ? nearMiss(random, value) : value;
  if (!printable(near)) return value;
  switch (operator) {
    case 'startswith':
      return random.chance(0.3) ? near : piece(random, near, 'start');
    case 'endswith':
      return random.chance(0.3) ? near : piece(random, near, 'end');
    case 'contains':
      return random.chance(0.3) ? near : piece(random, near, 'middle');
    case 'icontains':
      return swapCase(piece(random, near, 'middle'));
    case 'bcontains':
      return hexOf(piece(random, near, 'middle'));
    case 'bstartswith':
      return hexOf(piece(random, near, 'start'));
    case 'glob':
      return globOf(random, near);
    case 'iglob':
      return swapCase(globOf(random, near));
    case 'regex':
      return regexOf(random, near);
    case 'pmatch':
      return random.chance(0.5) ? near : near.slice(0, Math.max(1, near.lastIndexOf('/')));
    default:
      return near;
  }
};

/** Words that conditions are made of, which stand for a value only in quotes. */
const KEYWORD = /^(?:and|or|not)$/i;
const item = (text: string): Item => ({ text, quoted: KEYWORD.test(text) || !/^[A-Za-z0-9_./:-]+$/.test(text) });

const fieldNameOf = (text: string): FieldName => {
  const tree = parse(`${text} exists`);
  if (tree.kind !== 'check' || tree.left.kind !== 'field') throw new Error(`${text} is no field`);
  return tree.left;
};

const isTextual = ({ kind }: FieldEntry): boolean => kind === 'text' || kind === 'path';

/** The same field through a transformer, with constants that fit. */
const transformed = (random: Random, check: Check, transformers: readonly string[]): Check => {
  const name = random.pick(transformers);
  const right = Array.isArray(check.right) ? (check.right as readonly Item[]) : [];
  const onTexts = (change: (text: string) => string): Check => ({
    ...check,
    left: { kind: 'call', name, operands: [check.left] },
    right: right.map(({ text }) => item(random.chance(0.8) ? change(text) : text)),
  });
  switch (name) {
    case 'toupper':
      return onTexts((text) => text.toUpperCase());
    case 'tolower':
      return onTexts((text) => text.toLowerCase());
    case 'basename':
      return onTexts((text) => text.slice(text.lastIndexOf('/') + 1));
    case 'len':
      return {
        kind: 'check',
        left: { kind: 'call', name, operands: [check.left] },
        operator: random.pick(['=', '<', '>=', '>', '<=']),
        right: [item(String((right[0]?.text.length ?? 3) + random.between(-1, 1)))],
      };
    default:
      return check;
  }
};

const atom = (random: Random, { fields, operators, modifiers, transformers, names }: Ingredients): Check => {
  const entry = random.weighted(fields.map((each) => [each.weight ?? 1, each] as const));
  const operator = random.pick(OPERATORS[entry.kind].filter((each) => operators.has(each)));
  const left = fieldNameOf(entry.field);
  if (operator === 'exists') return { kind: 'check', left, operator, right: [] };
  const constants = (count: number): readonly Item[] =>
    Array.from({ length: count }, () => item(constantOf(random, entry, operator)));
  if (modifiers.length > 0 && isTextual(entry) && MODIFIABLE.has(operator) && random.chance(0.15))
    return { kind: 'check', left, operator, modifier: random.pick(modifiers), right: constants(random.between(1, 3)) };
  const isListed = names !== undefined && operator === 'in' && entry.kind === 'text' && random.chance(0.25);
  if (isListed) {
    const list: Item = { text: random.pick([...names.lists.keys()]), quoted: false };
    return { kind: 'check', left, operator, right: [...constants(random.below(3)), list] };
  }
  const check: Check = {
    kind: 'check',
    left,
    operator,
    right: constants(LISTS.has(operator) ? random.between(1, 5) : 1),
  };
  const isPlain = !entry.field.startsWith('proc.a') || entry.field.startsWith('proc.args');
  if (
    transformers.length > 0 &&
    isTextual(entry) &&
    isPlain &&
    operator !== 'regex' &&
    operator !== 'pmatch' &&
    random.chance(0.1)
  )
    return transformed(random, check, transformers);
  return check;
};

/** Values of a list: names, words and paths that events have. */
export const randomItems = (random: Random, { fields }: Ingredients): readonly Item[] => {
  const texts = fields.filter(({ kind }) => kind === 'text');
  return Array.from({ length: random.between(0, 5) }, () => {
    const value = random.pick(random.pick(texts).values);
    const text = random.chance(0.3) ? nearMiss(random, value) : value;
    return item(printable(text) ? text : value);
  });
};

/** A condition of some depth. */
export const randomTree = (random: Random, ingredients: Ingredients, depth: number): Tree => {
  const choice = depth === 0 ? 0 : random.below(8);
  const macros = [...(ingredients.names?.macros.keys() ?? [])];
  if (macros.length > 0 && random.chance(0.06)) return { kind: 'macro', name: random.pick(macros) };
  if (choice < 3) return atom(random, ingredients);
  if (choice < 5) return { kind: 'not', of: randomTree(random, ingredients, depth - 1) };
  const parts = Array.from({ length: random.between(2, 3) }, () => randomTree(random, ingredients, depth - 1));
  return { kind: choice === 5 ? 'and' : 'or', of: parts };
};

const TYPES = [
  'open',
  'openat',
  'openat2',
  'creat',
  'execve',
  'connect',
  'rename',
  'renameat',
  'unlink',
  'read',
  'procexit',
  'dup2',
  'sendto',
  'clone',
  'mkdir',
  'close',
];

/** A condition about all events, or about some types of them, as rules usually are. */
export const randomCondition = (random: Random, ingredients: Ingredients): Tree => {
  const rest = randomTree(random, ingredients, random.between(1, 6));
  if (random.chance(0.4)) return rest;
  const types = Array.from({ length: random.between(1, 6) }, () => item(random.pick(TYPES)));
  const ofTypes: Check = { kind: 'check', left: { kind: 'field', name: 'evt.type' }, operator: 'in', right: types };
  return { kind: 'and', of: [ofTypes, rest] };
};
