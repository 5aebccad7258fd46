import { parseCondition, resolveCondition } from '../../../rules/index.ts';
import type { Ingredients } from './generate.ts';
import type { Modifier } from './language/index.ts';
import { FIELD_TABLE } from './values.ts';

const none = { list: () => undefined, macro: () => undefined, knownLists: () => [], knownMacros: () => [] };

/** Whether the compiler takes a condition. */
const isTaken = (text: string): boolean => {
  const parsed = parseCondition(text);
  const resolved = parsed.condition && resolveCondition(parsed.condition, none);
  return (
    resolved?.condition !== undefined &&
    ![...parsed.problems, ...resolved.problems].some(({ severity }) => severity === 'error')
  );
};

const NUMERIC = ['<', '<=', '>', '>='];
const TEXTUAL = ['=', '!=', 'startswith', 'endswith', 'contains', 'icontains', 'glob', 'iglob', 'regex'];
const OPERATORS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(NUMERIC.map((operator) => [operator, `fd.num ${operator} 1`])),
  ...Object.fromEntries(TEXTUAL.map((operator) => [operator, `proc.name ${operator} x`])),
  in: 'proc.name in (x)',
  intersects: 'proc.name intersects (x)',
  exists: 'proc.name exists',
  pmatch: 'proc.exepath pmatch (/x)',
  bcontains: 'proc.name bcontains 78',
  bstartswith: 'proc.name bstartswith 78',
};
const MODIFIERS = ['oneof', 'anyof', 'allof'] satisfies Modifier[];
const TRANSFORMERS: Readonly<Record<string, string>> = {
  tolower: 'tolower(proc.name) = x',
  toupper: 'toupper(proc.name) = x',
  basename: 'basename(proc.name) = x',
  len: 'len(proc.name) = 1',
};

const taken = (examples: Readonly<Record<string, string>>): readonly string[] =>
  Object.keys(examples).filter((name) => isTaken(examples[name] ?? ''));

const fields = FIELD_TABLE.filter(({ field, kind }) => isTaken(kind === 'domain' ? `${field} = x` : `${field} exists`));
const operators = taken(OPERATORS);
const modifiers = MODIFIERS.filter((modifier) => isTaken(`proc.name = ${modifier} (x)`));
const transformers = taken(TRANSFORMERS);

/** What conditions are made of, and what of the table the compiler does not take. */
export const ingredients: Ingredients & { readonly missing: readonly string[] } = {
  fields,
  operators: new Set(operators),
  modifiers,
  transformers,
  missing: [
    ...FIELD_TABLE.filter((entry) => !fields.includes(entry)).map(({ field }) => field),
    ...Object.keys(OPERATORS).filter((operator) => !operators.includes(operator)),
    ...MODIFIERS.filter((modifier) => !modifiers.includes(modifier)),
    ...Object.keys(TRANSFORMERS).filter((transformer) => !transformers.includes(transformer)),
  ],
};
