import { type Alert, formatOutput, type StepSource, toJson } from '../../alerts/index.ts';
import type { FieldRef, FieldSource, Rule } from '../../rules/index.ts';

/** What matches of a rule have in common that are counted together. */
export interface MatchKey {
  readonly text: string;
  readonly fields: Alert['fields'];
}

/** The key of rules that are not aggregated. */
export const NO_KEY: MatchKey = { text: '', fields: {} };

const nameOf = ({ name, argument }: FieldRef): string => (argument === undefined ? name : `${name}[${argument}]`);

/** The key of a match by its rule's `aggregate`: the fields of `by`, or the whole output where it names none. */
export const keyOf = (
  { aggregate, output }: Pick<Rule, 'aggregate' | 'output'>,
  fields: FieldSource,
  step?: StepSource,
): MatchKey => {
  if (aggregate === undefined) return NO_KEY;
  if (aggregate.by === undefined) return formatOutput(output, fields, step);
  const values: Record<string, Alert['fields'][string]> = {};
  for (const field of aggregate.by) values[nameOf(field)] = toJson(fields(field));
  return { text: JSON.stringify(values), fields: values };
};
