import type { Position } from '../../rules/index.ts';
import { joinTexts, madeFor, type SourceText } from '../source-text.ts';
import type { FalcoExceptionEntry } from './falco-schema.ts';

/** An exception as a rule holds it, its values in the order they were given. */
export interface FalcoException {
  readonly name: string;
  readonly fields: readonly string[];
  readonly comps: readonly string[];
  /** Written with one field, not a list of them: a value is then one value, not a list of one. */
  readonly single: boolean;
  readonly values: NonNullable<FalcoExceptionEntry['values']>;
  readonly position: Position;
}

type Value = FalcoException['values'][number];

const LIST_OPERATORS: ReadonlySet<string> = new Set(['in', 'intersects', 'pmatch']);

const listOf = (value: string | readonly string[] | undefined): readonly string[] | undefined =>
  value === undefined ? undefined : typeof value === 'string' ? [value] : value;

/** Reads an exception that stands for itself; a sentence's end (after "The exception ... of the rule ...") where it is wrong. */
export const newException = (entry: FalcoExceptionEntry, position: Position): FalcoException | string => {
  const fields = listOf(entry.fields);
  if (fields === undefined || fields.length === 0) return 'names no fields';
  const single = typeof entry.fields === 'string';
  const comps = listOf(entry.comps) ?? fields.map(() => (single ? 'in' : '='));
  if (comps.length !== fields.length) {
    return `has ${fields.length} fields but ${comps.length} comps; give one operator for each field`;
  }
  return withValues({ name: entry.name, fields, comps, single, values: [], position }, entry.values ?? []);
};

/** The exception with more values. */
export const withValues = (exception: FalcoException, values: FalcoException['values']): FalcoException | string => {
  const { fields, single } = exception;
  for (const value of values) {
    if (single) continue;
    const count = Array.isArray(value) ? value.length : 1;
    if (count !== fields.length) return `has ${fields.length} fields but a line of ${count} values`;
  }
  return { ...exception, values: [...exception.values, ...values] };
};

/** A value as a condition names it; what is quoted already stays as it is. */
const quote = (value: string | number | boolean): string => {
  const text = String(value);
  if (/^"(?:[^"\\]|\\.)*"$|^'(?:[^'\\]|\\.)*'$/s.test(text)) return text;
  if (text !== '' && !/[()"'\s=,\\]/.test(text)) return text;
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
};

type Operand = Exclude<Value, readonly unknown[]> | readonly (string | number | boolean)[];

const comparison = (field: string, operator: string, operand: Operand): string => {
  const values = (Array.isArray(operand) ? operand : [operand]) as readonly (string | number | boolean)[];
  if (LIST_OPERATORS.has(operator)) {
    const [only] = values;
    const isList = values.length === 1 && typeof only === 'string' && only.startsWith('(') && only.endsWith(')');
    return `${field} ${operator} ${isList ? only : `(${values.map(quote).join(', ')})`}`;
  }
  return values.map((value) => `${field} ${operator} ${quote(value)}`).join(' or ');
};

const conditionOf = ({ fields, comps, single, values }: FalcoException): string => {
  const [field = '', operator = 'in'] = [fields[0], comps[0]];
  if (single) return comparison(field, operator, values.flat() as readonly (string | number | boolean)[]);
  return values
    .map((value) => {
      const line = (Array.isArray(value) ? value : [value]) as readonly Operand[];
      const parts = line.map((operand, index) => `(${comparison(fields[index] ?? '', comps[index] ?? '=', operand)})`);
      return parts.join(' and ');
    })
    .join(' or ');
};

/** The condition with its exceptions: `( condition ) and not (field operator value and ...)`. */
export const withExceptions = (condition: SourceText, exceptions: readonly FalcoException[]): SourceText => {
  const filled = exceptions.filter((exception) => exception.values.length > 0);
  if (filled.length === 0) return condition;
  const start = condition.at(0);
  const parts = filled.map((exception) => madeFor(`and not (${conditionOf(exception)})`, exception.position));
  return joinTexts([madeFor('(', start), condition, madeFor(')', start), ...parts]);
};
