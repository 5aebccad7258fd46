import { z } from 'zod';
import { PRIORITIES } from '../rules/index.ts';

const NAME = /^[\p{L}\p{N}_][\p{L}\p{N} ._-]*$/u;
const IDENTIFIER = /^[A-Za-z_][\w-]*$/;

const name = z.string().regex(NAME);
const lowerCase = (value: unknown): unknown => (typeof value === 'string' ? value.toLowerCase() : value);
const strings = z.array(z.string());

/** A rule as it is written. */
const RuleSchema = z
  .strictObject({
    rule: z.string().min(1).max(200).describe("the rule's name"),
    desc: z.string().optional().describe('a sentence that says what the rule is for'),
    on: strings.min(1).optional().describe('a list of event types such as [open, openat]'),
    condition: z.string().describe('a condition such as "evt.type = openat and fd.name = /etc/shadow"'),
    priority: z.preprocess(lowerCase, z.enum(PRIORITIES)).describe(`one of ${PRIORITIES.join(', ')}`),
    output: z.string().describe('a template such as "%proc.name read %fd.name"'),
    tags: strings.optional().describe('a list of tags such as [T1003.008]'),
    action: z.enum(['alert', 'deny', 'kill']).optional().describe('one of alert, deny, kill'),
    enabled: z.boolean().optional().describe('true or false'),
  })
  .describe('a rule: a mapping with rule, condition, priority and output');

/** A test as it is written; the scenario's inside is checked by the sensor that plays it. */
const TestSchema = z
  .strictObject({
    name: z.string().min(1).describe("the test's name"),
    scenario: z
      .strictObject({
        name: z.string().optional().describe("a scenario's name"),
        inline: z.unknown().optional().describe('a list of steps such as [{exec: [cat, /etc/shadow]}]'),
      })
      .refine((scenario) => (scenario.name === undefined) !== (scenario.inline === undefined))
      .describe('either {name: ...} or {inline: [...]}'),
    expect: strings.describe('a list of rule names in the order of their alerts, [] for none'),
    enforce: z.boolean().optional().describe('true or false'),
  })
  .describe('a test: a mapping with name, scenario and expect');

/** One native policy document, version shrike/v1. */
export const PolicySchema = z
  .strictObject({
    apiVersion: z.literal('shrike/v1').describe('shrike/v1'),
    kind: z.literal('Policy').describe('Policy'),
    metadata: z
      .strictObject({
        name: name.describe('a name of letters, digits, blanks and . _ -'),
        description: z.string().optional().describe('a sentence that says what the policy is for'),
      })
      .describe('a mapping with name'),
    spec: z
      .strictObject({
        mode: z.enum(['monitor', 'enforce']).optional().describe('one of monitor, enforce'),
        scope: z
          .strictObject({ cgroup: z.string().startsWith('/').optional().describe('a path such as /system.slice') })
          .optional()
          .describe('a mapping such as {cgroup: /system.slice}'),
        lists: z
          .record(
            z.string().regex(IDENTIFIER),
            z
              .array(z.union([z.string(), z.number(), z.boolean()]).describe('a string or a number'))
              .describe('a list of values such as [/etc/shadow, /etc/gshadow]'),
          )
          .optional()
          .describe('a mapping from names to lists'),
        macros: z
          .record(z.string().regex(IDENTIFIER), z.string().describe('a condition such as "proc.name = sshd"'))
          .optional()
          .describe('a mapping from names to conditions'),
        rules: z.array(RuleSchema).min(1).describe('a list of at least one rule'),
        tests: z.array(TestSchema).optional().describe('a list of tests'),
      })
      .describe('a mapping with rules'),
  })
  .describe('a policy: a mapping with apiVersion, kind, metadata and spec');

/** A native policy document as it is written. */
export type PolicyDocument = z.infer<typeof PolicySchema>;

const unwrap = (schema: unknown): unknown => {
  if (schema instanceof z.ZodOptional) return unwrap(schema.unwrap());
  if (schema instanceof z.ZodPipe) return unwrap(schema.out);
  return schema;
};

const childOf = (schema: unknown, key: string | number): unknown => {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) return (inner.shape as Readonly<Record<string, unknown>>)[key];
  if (inner instanceof z.ZodArray) return inner.element;
  if (inner instanceof z.ZodRecord) return inner.valueType;
  return undefined;
};

const schemaAt = (schema: z.ZodType, path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>(childOf, schema);

/** What belongs at a path of what a schema describes, in words. */
export const expectedAt = (schema: z.ZodType, path: readonly (string | number)[]): string => {
  const found = schemaAt(schema, path);
  return (found instanceof z.ZodType ? found.description : undefined) ?? 'another value';
};

/** The keys that a mapping at a path of what a schema describes may have. */
export const keysAt = (schema: z.ZodType, path: readonly (string | number)[]): readonly string[] => {
  const found = unwrap(schemaAt(schema, path));
  return found instanceof z.ZodObject ? Object.keys(found.shape) : [];
};
