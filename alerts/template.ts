import {
  applyTransformer,
  evaluateExpression,
  type FieldRef,
  type FieldSource,
  type FieldValue,
  fieldsOf,
  type OutputTemplate,
  type TemplateField,
  type Trust,
} from '../rules/index.ts';
import type { FieldJson } from './alert.ts';
import { escapeControl, isPlain } from './escape.ts';

const ABSENT = '<NA>';
const UNKNOWN = '<unknown>';

type Present = string | bigint | boolean | readonly string[];

/** An output template filled in from one event. */
export interface Output {
  readonly text: string;
  /** The values of the named fields without widths and transformers; null where absent or unknown. */
  readonly fields: Readonly<Record<string, FieldJson>>;
  /** How far each value can be trusted; absent ones are left out. */
  readonly trust: Readonly<Record<string, Trust>>;
}

const nameOf = ({ name, argument, step }: TemplateField): string =>
  `${step === undefined ? '' : `step[${step}].`}${argument === undefined ? name : `${name}[${argument}]`}`;

/** A field's value as JSON; null where absent or unknown. */
export const toJson = (value: FieldValue): FieldJson => {
  if (value.state !== 'present') return null;
  if (typeof value.value !== 'bigint') return value.value;
  const number = Number(value.value);
  return Number.isSafeInteger(number) ? number : value.value.toString();
};

/** A list prints as Falco's: `(a,b)`. */
const toText = (value: Present): string => (typeof value === 'object' ? `(${value.join(',')})` : String(value));

const transform = (field: TemplateField, value: Present): Present | undefined => {
  let made: Present | undefined = value;
  for (const name of field.transformers) if (made !== undefined) made = applyTransformer(name, made);
  return made;
};

/** Exactly `width` characters as Falco prints them: filled up with blanks on the right, or cut. */
const pad = (text: string, width: number | undefined): string => {
  if (width === undefined || width === 0) return text;
  const characters = [...text];
  return characters.length > width ? characters.slice(0, width).join('') : text + ' '.repeat(width - characters.length);
};

/** A value's text in an output; control characters in it stay where `raw`. */
const printField = (field: TemplateField, value: FieldValue, raw: boolean): string => {
  if (value.state === 'unknown') return UNKNOWN;
  const printed = value.state === 'present' ? transform(field, value.value) : undefined;
  if (printed === undefined) return ABSENT;
  return raw ? toText(printed) : escapeControl(toText(printed));
};

/** Fields of the event of a sequence's step, from 1. */
export type StepSource = (step: number) => FieldSource | undefined;

const NO_STEP: FieldSource = () => ({ state: 'absent' });

/** What a part of a template is read as: its field, and those that its output names, by their names there. */
interface Named {
  readonly part: TemplateField;
  readonly field: FieldRef;
  readonly fields: readonly { readonly key: string; readonly field: FieldRef }[];
}

type Trusts = Output['trust'];

/** What is looked up once of a template. */
interface Prepared {
  readonly parts: readonly (string | Named)[];
  /** All its fields without values: objects with the same members are copied and filled faster than they grow. */
  readonly blank: Output['fields'];
  /** That of its last output, which the next one shares where it is the same. */
  trust: Trusts;
}

const preparedBefore = new WeakMap<OutputTemplate, Prepared>();

const prepare = (template: OutputTemplate): Prepared => {
  const before = preparedBefore.get(template);
  if (before !== undefined) return before;
  const parts = template.parts.map((part): string | Named => {
    if (typeof part === 'string') return part;
    const span = { start: 0, end: 0 };
    const { name, argument, expression } = part;
    const field = argument === undefined ? { name, span } : { name, argument, span };
    const named = expression === undefined ? [field] : fieldsOf(expression);
    return { part, field, fields: named.map((each) => ({ key: nameOf({ ...part, ...each }), field: each })) };
  });
  const keys = parts.flatMap((part) => (typeof part === 'string' ? [] : part.fields.map(({ key }) => key)));
  const prepared = { parts, blank: Object.fromEntries(keys.map((key) => [key, null])), trust: {} };
  preparedBefore.set(template, prepared);
  return prepared;
};

const sourceOf = ({ part: { step } }: Named, source: FieldSource, steps: StepSource | undefined): FieldSource =>
  (step === undefined ? source : steps?.(step)) ?? NO_STEP;

/** The text of an output; control characters in values stay where `raw`. */
const textOf = (parts: Prepared['parts'], source: FieldSource, steps: StepSource | undefined, raw: boolean): string => {
  let text = '';
  for (const each of parts) {
    if (typeof each === 'string') text += each;
    else {
      const { part, field } = each;
      const from = sourceOf(each, source, steps);
      const value = part.expression === undefined ? from(field) : evaluateExpression(part.expression, from);
      text += pad(printField(part, value, raw), part.width);
    }
  }
  return text;
};

const trustOf = (value: FieldValue): Trust | undefined =>
  value.state === 'absent' ? undefined : value.state === 'unknown' ? 'unknown' : value.trust;

const collectTrust = (parts: Prepared['parts'], source: FieldSource, steps: StepSource | undefined): Trusts => {
  const trust: Record<string, Trust> = {};
  for (const each of parts) {
    if (typeof each === 'string') continue;
    const from = sourceOf(each, source, steps);
    for (const { key, field } of each.fields) {
      const its = trustOf(from(field));
      if (its !== undefined) trust[key] = its;
    }
  }
  return trust;
};

/** Fills in an output template; control characters in values are escaped. */
export const formatOutput = (template: OutputTemplate, source: FieldSource, steps?: StepSource): Output => {
  const prepared = prepare(template);
  const { parts, blank, trust: before } = prepared;
  const fields: Record<string, FieldJson> = { ...blank };
  let isAsBefore = true;
  let text = '';
  for (const each of parts) {
    if (typeof each === 'string') {
      text += each;
      continue;
    }
    const { part } = each;
    const from = sourceOf(each, source, steps);
    let value: FieldValue | undefined;
    for (const { key, field } of each.fields) {
      value = from(field);
      fields[key] = toJson(value);
      isAsBefore &&= before[key] === trustOf(value);
    }
    if (part.expression !== undefined) value = evaluateExpression(part.expression, from);
    text += pad(printField(part, value ?? from(each.field), true), part.width);
  }
  if (!isPlain(text)) text = textOf(parts, source, steps, false);
  if (!isAsBefore) prepared.trust = collectTrust(parts, source, steps);
  return { text, fields, trust: prepared.trust };
};
