import { z } from 'zod';
import { PRIORITIES } from '../rules/index.ts';
import { durationOf } from './duration.ts';
import { ExpectedEnforcementSchema } from './expected-enforcement.ts';

const NAME = /^[\p{L}\p{N}_][\p{L}\p{N} ._-]*$/u;
const IDENTIFIER = /^[A-Za-z_][\w-]*$/;

const name = z.string().regex(NAME);
const lowerCase = (value: unknown): unknown => (typeof value === 'string' ? value.toLowerCase() : value);
const strings = z.array(z.string().describe('a text'));
const oneOrMore = <Element extends z.ZodType>(element: Element) => z.union([element, z.array(element).min(1)]);

/** Linux's largest user id; the one above it stands for none. */
const MAX_UID = 2 ** 32 - 2;

const CGROUP = /^\/(?:[^/\0]+(?:\/[^/\0]+)*)?$/;
const PATH = /^\/[^\0]*$/;
/** `10/min`: how many in which time. */
export const RATE = /^([1-9]\d{0,8})\/(s|min|h|d)$/;

const glob = z.string().min(1).describe('a pattern such as web-*');

/** Which tasks a policy is about. */
const ScopeSchema = z
  .strictObject({
    cgroup: z.string().regex(CGROUP).optional().describe('a cgroup v2 path such as /system.slice'),
    container: z
      .strictObject({
        name: oneOrMore(glob).optional().describe("a pattern for containers' names such as web-*, or a list of them"),
        image: oneOrMore(glob)
          .optional()
          .describe('a pattern for images such as docker.io/library/nginx or *:latest, or a list of them'),
      })
      .optional()
      .describe('a mapping such as {image: docker.io/library/nginx} or {name: web-*}'),
    uid: oneOrMore(
      z
        .union([z.number().int().min(0).max(MAX_UID), z.string().regex(/^(?:\d+(?:-\d+)?|[A-Za-z_][\w.-]*\$?)$/)])
        .describe('a user id, a range such as 1000-1999 or a user name'),
    )
      .optional()
      .describe('a user id, a range such as 1000-1999, a user name, or a list of them'),
    executable: oneOrMore(z.string().regex(PATH).describe('an absolute path'))
      .optional()
      .describe('the absolute path of a program such as /usr/sbin/nginx, or a list of them'),
  })
  .describe('a mapping such as {cgroup: /system.slice}');

/** How often a rule may raise alerts. */
const LimitsSchema = z
  .strictObject({
    rate: z.string().regex(RATE).describe('a number of alerts in a time such as 10/min; the times are s, min, h, d'),
    burst: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe('how many may come at once, a number from 1 to 1000000'),
  })
  .describe('a mapping such as {rate: 10/min, burst: 5}');

/** Limits as they are written. */
export type LimitsDocument = z.infer<typeof LimitsSchema>;

const [SHORTEST, LONGEST] = [1e6, 24 * 3600e9];

const isWindow = (text: string): boolean => {
  const time = durationOf(text);
  return time !== undefined && time >= SHORTEST && time <= LONGEST;
};
const within = z.string().refine(isWindow).describe('a time from 1 ms to 24 h such as 60s');
const key = z.string().describe('a field such as proc.pid');

/** How many matches are one too many. */
const ThresholdSchema = z
  .strictObject({
    more_than: z.number().int().min(1).max(1_000_000).describe('a number from 1 to 1000000'),
    within,
    by: z.array(key).max(8).optional().describe('a list of at most 8 fields such as [proc.pid]'),
  })
  .describe('a mapping such as {more_than: 5, within: 60s, by: [proc.pid]}');

/** Which matches are told of together. */
const AggregateSchema = z
  .strictObject({
    by: z.array(key).max(8).optional().describe('a list of at most 8 fields such as [proc.exepath, fd.name]'),
    within: z
      .string()
      .refine((text) => durationOf(text) === 0 || isWindow(text))
      .describe('a time from 1 ms to 24 h such as 60s, or 0s'),
  })
  .describe('a mapping such as {by: [proc.exepath, fd.name], within: 60s}');

/** Aggregation as it is written. */
export type AggregateDocument = z.infer<typeof AggregateSchema>;

/** Events that follow each other. */
const SequenceSchema = z
  .strictObject({
    steps: z
      .array(
        z
          .strictObject({
            on: strings.min(1).optional().describe('a list of event types such as [open, openat]'),
            condition: z.string().describe('a condition such as "evt.type = openat and fd.name = /etc/shadow"'),
          })
          .describe('a step such as {condition: evt.type = connect}'),
      )
      .min(2)
      .max(8)
      .describe('a list of 2 to 8 steps, each with a condition'),
    within,
    by: z.array(key).max(8).optional().describe('a list of at most 8 fields such as [user.uid], or [proc.tree]'),
  })
  .describe('a mapping with steps and within');

/** A rule as it is written. */
const RuleSchema = z
  .strictObject({
    rule: z.string().min(1).max(200).describe("the rule's name"),
    desc: z.string().optional().describe('a sentence that says what the rule is for'),
    on: strings.min(1).optional().describe('a list of event types such as [open, openat]'),
    condition: z.string().optional().describe('a condition such as "evt.type = openat and fd.name = /etc/shadow"'),
    threshold: ThresholdSchema.optional(),
    sequence: SequenceSchema.optional(),
    priority: z.preprocess(lowerCase, z.enum(PRIORITIES)).describe(`one of ${PRIORITIES.join(', ')}`),
    output: z.string().describe('a template such as "%proc.name read %fd.name"'),
    tags: strings.optional().describe('a list of tags such as [T1003.008]'),
    action: z.enum(['alert', 'deny', 'kill', 'kill-tree']).optional().describe('one of alert, deny, kill, kill-tree'),
    limits: LimitsSchema.optional(),
    aggregate: AggregateSchema.optional(),
    enabled: z.boolean().optional().describe('true or false'),
  })
  .refine(({ condition, sequence }) => condition !== undefined || sequence !== undefined, {
    path: ['condition'],
    when: ({ value }) => typeof value === 'object' && value !== null && !Array.isArray(value),
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
        recording: z.string().min(1).optional().describe('the file of a recording such as app.strace'),
      })
      .refine(
        ({ name, inline, recording }) => [name, inline, recording].filter((each) => each !== undefined).length === 1,
      )
      .describe('one of {name: ...}, {inline: [...]} and {recording: ...}'),
    expect: strings.describe('a list of rule names in the order of their alerts, [] for none'),
    enforce: z.boolean().optional().describe('true or false'),
    enforced: ExpectedEnforcementSchema.optional(),
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
        scope: ScopeSchema.optional(),
        limits: LimitsSchema.optional(),
        aggregate: AggregateSchema.optional(),
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
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return unwrap(schema.unwrap());
  if (schema instanceof z.ZodPipe) return unwrap(schema.out);
  return schema;
};

const childOf = (schema: unknown, key: string | number): unknown => {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) return (inner.shape as Readonly<Record<string, unknown>>)[key];
  if (inner instanceof z.ZodArray) return inner.element;
  if (inner instanceof z.ZodRecord) return inner.valueType;
  if (inner instanceof z.ZodUnion)
    return inner.options.map((option) => childOf(option, key)).find((child) => child !== undefined);
  return undefined;
};

const schemaAt = (schema: z.ZodType, path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>(childOf, schema);

/** What belongs at a path of what a schema describes, in words. */
export const expectedAt = (schema: z.ZodType, path: readonly (string | number)[]): string => {
  const found = schemaAt(schema, path);
  const described = found instanceof z.ZodType ? found : undefined;
  const inner = unwrap(found);
  return described?.description ?? (inner instanceof z.ZodType ? inner.description : undefined) ?? 'another value';
};

/** Whether a schema takes a value at a path of what it describes. */
export const acceptsAt = (schema: z.ZodType, path: readonly (string | number)[], value: unknown): boolean => {
  const found = schemaAt(schema, path);
  return found instanceof z.ZodType && found.safeParse(value).success;
};

/** The keys that a mapping at a path of what a schema describes may have. */
export const keysAt = (schema: z.ZodType, path: readonly (string | number)[]): readonly string[] => {
  const found = unwrap(schemaAt(schema, path));
  return found instanceof z.ZodObject ? Object.keys(found.shape) : [];
};
