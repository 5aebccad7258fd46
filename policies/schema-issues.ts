import type { z } from 'zod';
import { type Diagnostic, nearest, PRIORITIES } from '../rules/index.ts';
import { formatPath, type Path, type SourceDocument, type SourcePlaces } from './document.ts';
import { diagnostic, near } from './messages.ts';
import { acceptsAt, expectedAt, keysAt } from './schema.ts';

type Issue = z.core.$ZodIssue;

/** What is left of a document when every wrong part is taken out: any member may be missing, none has a wrong type. */
export type Draft<T> = T extends readonly (infer Element)[]
  ? readonly (Draft<Element> | undefined)[]
  : T extends object
    ? { readonly [Key in keyof T]?: Draft<T[Key]> }
    : T;

const pathOf = (issue: Issue): Path => issue.path.map((part) => (typeof part === 'number' ? part : String(part)));

const at = (data: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined,
    data,
  );

const whereOf = (path: Path): string => (path.length === 0 ? 'The document' : formatPath(path));

/** A value in words, for "is ..." and "found ...". */
export const describe = (value: unknown): string => {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (value instanceof Uint8Array) return 'binary data';
  if (value instanceof Date) return 'a date';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string')
    return value === '' ? 'an empty text' : `"${value.length > 40 ? `${value.slice(0, 40)}...` : value}"`;
  return `the ${typeof value === 'bigint' ? 'number' : typeof value} ${String(value)}`;
};

/** The choices of an enumeration or literal. */
const choicesOf = (issue: Issue): readonly string[] =>
  issue.code === 'invalid_value' ? issue.values.map((value) => String(value)) : [];

/** Which part of which document a schema was held against. */
export interface Checked {
  readonly document: SourcePlaces & Pick<SourceDocument, 'data'>;
  readonly schema: z.ZodType;
  /** Where in the document the part is; [] for the whole. */
  readonly base: Path;
  /** What an unknown key is. */
  readonly unknownKeys: Diagnostic['severity'];
}

const unknownKeys = (checked: Checked, path: Path, keys: readonly string[]): readonly Diagnostic[] =>
  keys.map((key) => {
    const { document, schema, base } = checked;
    const known = keysAt(schema, path);
    const place: Path = [...base, ...path, key];
    const detail = {
      key,
      where: whereOf([...base, ...path]),
      expected: `one of ${known.join(', ')}`,
      ...near(nearest(key, known)),
    };
    return diagnostic('unknown-key', document.keyAt(place), formatPath(place), detail, checked.unknownKeys);
  });

const diagnosticsOf = (issue: Issue, checked: Checked): readonly Diagnostic[] => {
  const { document, schema, base } = checked;
  const inner = pathOf(issue);
  if (issue.code === 'unrecognized_keys') return unknownKeys(checked, inner, issue.keys);
  const path: Path = [...base, ...inner];
  const value = at(document.data, path);
  const field = formatPath(path);
  const expected = expectedAt(schema, inner);
  if (issue.code === 'invalid_key') {
    const wanted = 'a name of letters, digits, _ and -, not starting with a digit';
    const detail = { where: `The name "${String(path.at(-1))}"`, found: 'not usable', expected: wanted };
    return [diagnostic('wrong-value', document.keyAt(path), field, detail)];
  }
  if (value === undefined && path.length > 0) {
    const where = whereOf(path.slice(0, -1));
    const key = String(path.at(-1));
    return [diagnostic('missing-key', document.valueAt(path.slice(0, -1)), field, { key, where, expected })];
  }
  const place = document.valueAt(path);
  const choices = choicesOf(issue);
  if (choices.length > 0 && typeof value === 'string') {
    const suggestion = near(nearest(value, choices));
    if (path.at(-1) === 'priority' && choices.length === PRIORITIES.length) {
      return [diagnostic('unknown-priority', place, field, { priority: value, expected, ...suggestion })];
    }
    const detail = { where: whereOf(path), found: describe(value), expected, ...suggestion };
    return [diagnostic('wrong-value', place, field, detail)];
  }
  const code = issue.code === 'invalid_type' || issue.code === 'invalid_union' ? 'wrong-type' : 'wrong-value';
  const plain = typeof value === 'number' || typeof value === 'boolean';
  const quotes = plain && acceptsAt(schema, inner, String(value)) && !acceptsAt(schema, inner, value);
  const wanted = quotes && !expected.includes('in quotes') ? `${expected}, in quotes` : expected;
  return [diagnostic(code, place, field, { where: whereOf(path), found: describe(value), expected: wanted })];
};

const lastKeyOf = ({ field = '' }: Diagnostic): string => field.slice(field.lastIndexOf('.') + 1);

/** The schema's findings in words, at their places. A key that is missing because it is misspelt is told once, as misspelt. */
export const schemaDiagnostics = (issues: readonly Issue[], checked: Checked): readonly Diagnostic[] => {
  const found = issues.flatMap((issue) => diagnosticsOf(issue, checked));
  const parentOf = ({ field = '' }: Diagnostic): string => field.replace(/\.?[^.]*$/, '');
  const misspelt = new Set(
    found.flatMap((one) => (one.code === 'unknown-key' && one.nearest ? [`${parentOf(one)}.${one.nearest}`] : [])),
  );
  return found.filter((one) => one.code !== 'missing-key' || !misspelt.has(`${parentOf(one)}.${lastKeyOf(one)}`));
};

/** A document's data without the parts that the schema refused. */
export const salvage = <T>(data: unknown, issues: readonly Issue[]): Draft<T> => {
  const copy: unknown = structuredClone(data);
  const drop = (path: Path): void => {
    const parent = at(copy, path.slice(0, -1));
    const key = path.at(-1);
    if (key === undefined || typeof parent !== 'object' || parent === null) return;
    if (Array.isArray(parent)) parent[Number(key)] = undefined;
    else delete (parent as Record<string, unknown>)[key];
  };
  let whole = false;
  for (const issue of issues) {
    const path = pathOf(issue);
    if (issue.code === 'unrecognized_keys') for (const key of issue.keys) drop([...path, key]);
    else if (path.length === 0) whole = true;
    else drop(path);
  }
  return (whole ? {} : copy) as Draft<T>;
};
