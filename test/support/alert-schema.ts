import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { alertJsonSchema } from '../../alerts/index.ts';

/** A schema that lets no member pass which it does not name. */
const closed = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const members = Object.fromEntries(Object.entries(schema).map(([name, member]) => [name, closed(member)]));
  return 'properties' in members ? { additionalProperties: false, ...members } : members;
};

const FORMATS = { 'date-time': true } as const;

/** A check by a JSON Schema, which has to be one without mistakes. */
export const validatorOf = (schema: object): ValidateFunction =>
  new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true, formats: FORMATS }).compile(
    schema,
  );

let validate: ValidateFunction | undefined;

/** What the published schema, closed against members it does not name, says against an alert. */
export const schemaProblems = (alert: unknown): readonly string[] => {
  validate ??= validatorOf(closed(alertJsonSchema()) as object);
  return validate(alert)
    ? []
    : (validate.errors ?? []).map(
        ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
      );
};
