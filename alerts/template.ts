import type { FieldSource, FieldValue, OutputTemplate, TemplateField, Trust } from '../rules/index.ts';
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

const eachText = (change: (text: string) => string) => (value: Present) => {
  if (typeof value === 'string') return change(value);
  return typeof value === 'object' ? value.map(change) : change(String(value));
};

const utf8Length = (text: string): number => new TextEncoder().encode(text).length;

/** Falco's transformers of one field (https://falco.org/docs/concepts/rules/conditions/#transform-operators); undefined: no value. */
const TRANSFORMERS: Readonly<Record<string, (value: Present) => Present | undefined>> = {
  tolower: eachText((text) => text.toLowerCase()),
  toupper: eachText((text) => text.toUpperCase()),
  basename: eachText((text) => text.slice(text.lastIndexOf('/') + 1)),
  b64: (value) => (typeof value === 'string' ? decodeBase64(value) : undefined),
  len: (value) => BigInt(typeof value === 'object' ? value.length : utf8Length(String(value))),
};

/** Names of the transformers that an output template may use. */
export const OUTPUT_TRANSFORMERS: readonly string[] = Object.keys(TRANSFORMERS);

const decodeBase64 = (text: string): string | undefined =>
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/.test(text)
    ? Buffer.from(text, 'base64').toString()
    : undefined;

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

const transform = (field: TemplateField, value: Present): Present | undefined => {
  let result: Present | undefined = value;
  for (const name of field.transformers) {
    const apply = TRANSFORMERS[name];
    if (apply === undefined) {
      throw new Error(
        `there is no transformer ${name} for %${nameOf(field)}; there are ${OUTPUT_TRANSFORMERS.join(', ')}`,
      );
    }
    result = result === undefined ? undefined : apply(result);
  }
  return result;
};

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

/** Fills in an output template; control characters in values are escaped. Fails on a transformer that doesn't exist. */
export const formatOutput = (template: OutputTemplate, source: FieldSource, steps?: StepSource): Output => {
  const fields: Record<string, FieldJson> = {};
  const trust: Record<string, Trust> = {};
  let text = '';
  for (const part of template.parts) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    const span = { start: 0, end: 0 };
    const { name, argument, step } = part;
    const from = step === undefined ? source : steps?.(step);
    const value = from?.(argument === undefined ? { name, span } : { name, argument, span }) ?? { state: 'absent' };
    fields[nameOf(part)] = toJson(value);
    if (value.state !== 'absent') trust[nameOf(part)] = value.state === 'unknown' ? 'unknown' : value.trust;
    text += pad(printField(part, value), part.width);
  }
  return { text, fields, trust };
};
