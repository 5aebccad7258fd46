import { z } from 'zod';
import { ACCEPT_MEMBERS, CALLS, EXEC_MEMBERS, membersOf, OWN_WORDS } from './forms.ts';
import { KINDS } from './kinds.ts';
import { FileSchema, RemoteSchema, ScenarioSchema } from './schema.ts';
import { ERRNO_CHOICES } from './values.ts';

/** A JSON Schema, draft 2020-12. */
type JsonSchema = Readonly<Record<string, unknown>>;

const text = (description: string): JsonSchema => ({ type: 'string', minLength: 1, description });

const MODIFIERS: Readonly<Record<string, JsonSchema>> = {
  by: text('the process that acts, by name'),
  as: text('the name of the process that the step starts'),
  abi: { enum: ['x86-64', 'ia32', 'x32'] },
  via: { enum: ['io_uring', 'io_uring_sqpoll'] },
  expect: {
    description: 'what the call must come to: a result, an errno, or a comparison',
    anyOf: [
      { enum: ERRNO_CHOICES },
      { type: 'integer' },
      { type: 'string', pattern: '^\\s*(=|!=|<=?|>=?)?\\s*-?\\d+\\s*$' },
    ],
  },
  expect_errno: { enum: ERRNO_CHOICES },
  id: text('a name for variants to mean the step by'),
  note: text('a sentence that says what begins here'),
};

/** What a call's own value may be: all of it in a mapping, a list in the order of its arguments, or the first alone. */
const callSchema = (call: string): JsonSchema => {
  if (call === 'exec') {
    const members = EXEC_MEMBERS.map(({ key, kind }) => [key, { description: KINDS[kind].expected }]);
    return {
      description: 'a new process: the one that acts forks, the child executes',
      anyOf: [
        { type: 'array', items: { type: ['string', 'number', 'boolean'] }, minItems: 1 },
        { type: 'string' },
        { type: 'object', properties: { ...MODIFIERS, ...Object.fromEntries(members) }, additionalProperties: false },
      ],
    };
  }
  if (call === 'enforcement') return { enum: KINDS.switch.choices, description: 'somebody switches enforcement' };
  if (call === 'agent') return { enum: KINDS.agent.choices, description: 'the agent stops doing anything, or goes on' };
  if (call === 'wait') return { type: 'string', description: KINDS.duration.expected };
  const members = call === 'accept' || call === 'accept4' ? ACCEPT_MEMBERS : membersOf(call);
  if (members.length === 0) return { description: 'no arguments' };
  return { description: members.map(({ key, kind }) => `${key}: ${KINDS[kind].expected}`).join('; ') };
};

/** A step: a call's name alone, or a mapping with one call, keys of its arguments, and what every step may say. */
const stepSchema = (): JsonSchema => {
  const words = [...OWN_WORDS, ...CALLS];
  const calls = Object.fromEntries(words.map((call) => [call, callSchema(call)]));
  const beside = [
    ...new Set(words.flatMap((call) => (OWN_WORDS.includes(call) ? [] : membersOf(call).map(({ key }) => key)))),
    ...EXEC_MEMBERS.map(({ key }) => key),
    ...ACCEPT_MEMBERS.map(({ key }) => key),
  ].filter((key) => !(key in calls) && !(key in MODIFIERS));
  return {
    description: 'a step: one system call of one process',
    anyOf: [
      { enum: words },
      {
        type: 'object',
        properties: { ...MODIFIERS, ...calls, ...Object.fromEntries(beside.map((key) => [key, {}])) },
        additionalProperties: false,
      },
    ],
  };
};

/** A mapping that may also be written as a text. */
const orText = (schema: unknown): JsonSchema | undefined =>
  schema instanceof z.ZodPipe ? { anyOf: [{ type: 'string' }, jsonOf(schema.out as z.ZodType)] } : undefined;

const jsonOf = (schema: z.ZodType): JsonSchema => {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-2020-12',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (jsonSchema.format === 'starts_with') delete jsonSchema.format;
      const either = zodSchema === FileSchema || zodSchema === RemoteSchema ? orText(zodSchema) : undefined;
      if (either === undefined) return;
      const { description } = jsonSchema;
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
      Object.assign(jsonSchema, either, description === undefined ? {} : { description });
    },
  });
  return json;
};

/** The schema of scenario files, made from what their loader checks them with. What a `but:` names, and what calls take, the loader checks. */
export const scenarioJsonSchema = (): JsonSchema => {
  const { properties, ...whole } = jsonOf(ScenarioSchema);
  const own = properties as Readonly<Record<string, JsonSchema>>;
  const { items, ...but } = own.but ?? {};
  const variant = items as { readonly properties: Readonly<Record<string, JsonSchema>> };
  const step = { $ref: '#/$defs/step' };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Shrike scenario',
    ...whole,
    properties: {
      ...own,
      steps: { ...own.steps, items: step },
      but: { ...but, items: { ...variant, properties: { ...variant.properties, add: step } } },
    },
    $defs: { step: stepSchema() },
  };
};
