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
import { escapeControl } from './escape.ts';

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
const toText = (value: Present): string =>
  escapeControl(typeof value === 'object' ? `(${value.join(',')})` : String(value));

const transform = (field: TemplateField, value: Present): Present | undefined =>
  field.transformers.reduce<Present | undefined>(
    (before, name) => (before === undefined ? undefined : applyTransformer(name, before)),
    value,
  );

/** Exactly `width` characters as Falco prints them: filled up with blanks on the right, or cut. */
const pad = (text: string, width: number | undefined): string => {
  if (width === undefined || width === 0) return text;
  const characters = [...text];
  return characters.length > width ? characters.slice(0, width).join('') : text + ' '.repeat(width - characters.length);
};

const printField = (field: TemplateField, value: FieldValue): string => {
  if (value.state === 'unknown') return UNKNOWN;
  const printed = value.state === 'present' ? transform(field, value.value) : undefined;
  return printed === undefined ? ABSENT : toText(printed);
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

const partsBefore = new WeakMap<OutputTemplate, readonly (string | Named)[]>();

/** A template's parts, looked up once. */
const partsOf = (template: OutputTemplate): readonly (string | Named)[] => {
  const before = partsBefore.get(template);
  if (before !== undefined) return before;
  const parts = template.parts.map((part): string | Named => {
    if (typeof part === 'string') return part;
    const span = { start: 0, end: 0 };
    const { name, argument, expression } = part;
    const field = argument === undefined ? { name, span } : { name, argument, span };
    const named = expression === undefined ? [field] : fieldsOf(expression);
    return { part, field, fields: named.map((each) => ({ key: nameOf({ ...part, ...each }), field: each })) };
  });
  partsBefore.set(template, parts);
  return parts;
};

/** Fills in an output template; control characters in values are escaped. */
export const formatOutput = (template: OutputTemplate, source: FieldSource, steps?: StepSource): Output => {
  const fields: Record<string, FieldJson> = {};
  const trust: Record<string, Trust> = {};
  let text = '';
  for (const each of partsOf(template)) {
    if (typeof each === 'string') {
      text += each;
      continue;
    }
    const { part, field } = each;
    const { step, expression } = part;
    const from: FieldSource = (step === undefined ? source : steps?.(step)) ?? NO_STEP;
    for (const { key, field: named } of each.fields) {
      const value = from(named);
      fields[key] = toJson(value);
      if (value.state !== 'absent') trust[key] = value.state === 'unknown' ? 'unknown' : value.trust;
    }
    const printed = expression === undefined ? from(field) : evaluateExpression(expression, from);
    text += pad(printField(part, printed), part.width);
  }
  return { text, fields, trust };
};
