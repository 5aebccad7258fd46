import { z } from 'zod';
import { PRIORITIES } from '../rules/index.ts';
import {
  FalcoEngineSchema,
  FalcoListSchema,
  FalcoMacroSchema,
  FalcoPluginsSchema,
  FalcoPriority,
  FalcoRuleSchema,
} from './formats/falco-schema.ts';
import { PolicySchema } from './schema.ts';

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

const anyCase = (word: string): string => [...word].map((letter) => `[${letter.toUpperCase()}${letter}]`).join('');

/** A priority in any case; those in lower case first, since editors offer them. */
const priority = (names: readonly string[]): JsonSchema => ({
  anyOf: [{ enum: names }, { type: 'string', pattern: `^(?:${names.map(anyCase).join('|')})$` }],
});

const jsonOf = (schema: z.ZodType): JsonSchema => {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-2020-12',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const isFalco = zodSchema === FalcoPriority;
      if (!isFalco && !(zodSchema instanceof z.ZodPipe)) return;
      delete jsonSchema.type;
      delete jsonSchema.enum;
      Object.assign(jsonSchema, priority(isFalco ? [...PRIORITIES, 'info'] : PRIORITIES));
    },
  });
  return json;
};

/** Falco passes over keys that it does not know; a misspelt one is for `shrike check` to tell. */
const open = ({ additionalProperties: _closed, ...schema }: JsonSchema): JsonSchema => schema;

const FALCO_ENTRIES = {
  rule: FalcoRuleSchema,
  macro: FalcoMacroSchema,
  list: FalcoListSchema,
  required_engine_version: FalcoEngineSchema,
  required_plugin_versions: FalcoPluginsSchema,
} as const;

/** The schema of policy files, native ones and Falco's, made from what their loader checks them with. */
export const policyJsonSchema = (): JsonSchema => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Shrike policy',
  description: 'A policy of Shrike, or a rules file of Falco.',
  if: { type: 'array' },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: {
    description: 'Rules of Falco.',
    items: {
      type: 'object',
      allOf: Object.entries(FALCO_ENTRIES).map(([key, schema]) => ({
        if: { required: [key] },
        // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
        then: open(jsonOf(schema)),
      })),
    },
  },
  else: jsonOf(PolicySchema),
});
