import { z } from 'zod';

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const oneOrMore = z.union([z.string(), z.array(z.string())]);
const override = <Key extends string>(keys: readonly Key[], replaceOnly: readonly Key[] = []) => {
  const change = z.enum(['append', 'replace']).optional().describe('one of append, replace');
  const replace = z.literal('replace').optional().describe('replace; this member has one value');
  const shape = [...keys.map((key) => [key, change]), ...replaceOnly.map((key) => [key, replace])];
  return z
    .strictObject(Object.fromEntries(shape) as Record<Key, typeof change>)
    .optional()
    .describe('a mapping such as {condition: append}');
};
const append = z.boolean().optional().describe('true or false');
const condition = z.string().optional().describe('a condition such as "evt.type = openat and fd.name = /etc/shadow"');

/** A value of an exception: one for each of its fields, or one for its only field. */
const ExceptionValue = z.union([scalar, z.array(z.union([scalar, z.array(scalar)]))]);

const ExceptionSchema = z
  .strictObject({
    name: z.string().describe("the exception's name"),
    fields: oneOrMore.optional().describe('a field or a list of fields'),
    comps: oneOrMore.optional().describe('an operator or a list of operators'),
    values: z
      .array(ExceptionValue.describe('a value, or a list with one for each field'))
      .optional()
      .describe('a list with one list of values a line'),
  })
  .describe('an exception: a mapping with name, fields, comps and values');

/** A priority as Falco writes it: in any case, and info for informational. */
export const FalcoPriority = z.string().describe('a priority such as WARNING');

/** A rule as Falco writes it; what is required depends on whether it changes an earlier one. */
export const FalcoRuleSchema = z
  .strictObject({
    rule: z.string().min(1).describe("the rule's name"),
    desc: z.string().optional().describe('a sentence that says what the rule is for'),
    condition,
    output: z.string().optional().describe('a template such as "%proc.name read %fd.name"'),
    priority: FalcoPriority.optional(),
    source: z.string().optional().describe('a source of events; syscall is the only one here'),
    enabled: z.boolean().optional().describe('true or false'),
    tags: z.array(z.string().describe('a text')).optional().describe('a list of tags'),
    exceptions: z.array(ExceptionSchema).nullable().optional().describe('a list of exceptions'),
    capture: z.boolean().optional().describe('true or false'),
    capture_duration: z.number().optional().describe('a number of milliseconds'),
    warn_evttypes: z.boolean().optional().describe('true or false'),
    'skip-if-unknown-filter': z.boolean().optional().describe('true or false'),
    append,
    override: override(
      ['condition', 'output', 'desc', 'tags', 'exceptions'],
      ['priority', 'enabled', 'warn_evttypes', 'skip-if-unknown-filter', 'capture', 'capture_duration'],
    ),
  })
  .describe('a rule: a mapping with rule, desc, condition, output and priority');

/** A macro as Falco writes it. */
export const FalcoMacroSchema = z
  .strictObject({
    macro: z.string().min(1).describe("the macro's name"),
    condition: z.string().describe('a condition such as "proc.name = sshd"'),
    append,
    override: override(['condition']),
  })
  .describe('a macro: a mapping with macro and condition');

/** A list as Falco writes it. */
export const FalcoListSchema = z
  .strictObject({
    list: z.string().min(1).describe("the list's name"),
    items: z
      .array(scalar.describe('a string or a number'))
      .describe('a list of values such as [/etc/shadow, /etc/gshadow]'),
    append,
    override: override(['items']),
  })
  .describe('a list: a mapping with list and items');

const Requirement = {
  name: z.string().min(1).describe("a plugin's name"),
  version: z.string().describe('a version such as 0.4.0'),
};

/** Plugins that a file needs, as Falco writes them. */
export const FalcoPluginsSchema = z
  .strictObject({
    required_plugin_versions: z
      .array(
        z
          .strictObject({
            ...Requirement,
            alternatives: z
              .array(z.strictObject(Requirement).describe('a mapping with name and version'))
              .optional()
              .describe('a list of mappings with name and version'),
          })
          .describe('a mapping with name, version and alternatives'),
      )
      .describe('a list of mappings with name and version'),
  })
  .describe('an entry with required_plugin_versions');

/** The engine that a file needs, as Falco writes it. */
export const FalcoEngineSchema = z
  .strictObject({
    required_engine_version: z.union([z.string(), z.number()]).describe('a version such as 0.57.0, or a whole number'),
  })
  .describe('an entry with required_engine_version');

export type FalcoRuleEntry = z.infer<typeof FalcoRuleSchema>;
export type FalcoMacroEntry = z.infer<typeof FalcoMacroSchema>;
export type FalcoListEntry = z.infer<typeof FalcoListSchema>;
export type FalcoExceptionEntry = z.infer<typeof ExceptionSchema>;
