import { z } from 'zod';
import { AUDIT_KINDS } from './audit/line.ts';
import { attemptSchema, switchingSchema } from './enforcement.ts';
import { alertSchema } from './schema.ts';

/** A JSON Schema, draft 2020-12. */
type JsonSchema = Readonly<Record<string, unknown>>;

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/** What members mean, by the end of their path; a longer one before a shorter one. */
const ALERT_MEMBERS: Readonly<Record<string, string>> = {
  v: 'Version of the record. Members may be added to it; what is there keeps its meaning.',
  id: '<host>-<seq>: one alert of one host.',
  seq: "Number of the alert's entry in its host's audit log, which has other entries too: neighbours need not be one apart.",
  time: 'When the event happened: ISO 8601, nanoseconds, UTC.',
  host: 'Where it happened.',
  policy: "Name of the rule's policy; shrike for alerts of the agent's own.",
  policyHash: "SHA-256 of the policy file; empty for alerts of the agent's own.",
  rule: 'Name of the rule.',
  priority: "Falco's priorities in lower case, most urgent first.",
  tags: 'Tags of the rule, among them techniques of MITRE ATT&CK: T1059.004.',
  hook: 'The hook that saw the event: tp_btf/sys_exit.',
  event: 'Type of the event: openat.',
  verdict: 'What an enforcing rule decided.',
  enforced: 'Whether the verdict took effect; left out for rules that only alert.',
  output: "The rule's output template, filled in; control characters of values are escaped.",
  fields: "Values of the template's fields by name; null where absent or unknown, text where a number is beyond 2^53.",
  trust: 'How far each value can be trusted.',
  process: 'Who did it, at the time of the event.',
  'process.pid': 'Process id; 0 where the alert is about no process.',
  'process.start': 'When it started: nanoseconds since boot.',
  'process.exe': 'Path of its executable; null where it is not known.',
  'process.cmdline': 'Its arguments, joined by blanks; null where they are not known.',
  'process.uid': 'Effective user id.',
  'process.ancestors': 'Its ancestors, parent first.',
  'ancestors.pid': 'Process id.',
  'ancestors.exe': 'Path of its executable; null where it is not known.',
  'ancestors.cmdline': 'Its arguments, joined by blanks; null where they are not known.',
  container: 'Left out on the host.',
  'container.id': 'The first 12 digits of its id.',
  'container.name': 'What its runtime calls it.',
  'container.image': 'The image it is made from.',
  'container.pod': 'Its pod.',
  'container.namespace': "Its pod's namespace.",
  pending: 'Fields that were still asked for when the alert could wait no longer.',
  correlation: 'What several events came to; all other members are about the last of them.',
  'correlation.kind': 'A number of matches, or one event after another.',
  'correlation.count': 'Matches in the window, or steps.',
  'correlation.within': 'Nanoseconds that the rule allows between the first and the last.',
  'correlation.key': 'What the events have in common, by field.',
  'correlation.from': 'Time of the first event.',
  'correlation.to': 'Time of the last event.',
  'correlation.events': 'The last matches of a threshold, or all steps.',
  'events.number': 'evt.num.',
  'events.time': 'When it happened.',
  'events.event': 'Type of the event.',
  'events.pid': 'Process id.',
  aggregated: 'What this alert counts; left out for one that stands for a single match.',
  'aggregated.count': 'Matches that this alert stands for, and no other does.',
  'aggregated.since': 'Time of the first of them.',
  'aggregated.until': 'Time of the last of them.',
  'aggregated.key': 'What they have in common, by field; nothing in a storm.',
  'aggregated.first': 'Id of the alert that they follow.',
  'aggregated.storm': 'The rule raises more alerts than a rate: its matches are counted instead.',
  'storm.phase': 'Where in the storm the alert stands.',
  'storm.total': 'Matches of the storm so far.',
  'storm.limit': 'Alerts a second beyond which it is one.',
  'aggregated.early': 'Why it is told before its time.',
  kernel: "sim 6.12, or the kernel's release.",
};

const AUDIT_MEMBERS: Readonly<Record<string, string>> = {
  v: 'Version of the entry.',
  seq: "The entry's number: from 1, without gaps.",
  time: 'When it was appended: ISO 8601, nanoseconds, UTC.',
  kind: 'What the body is.',
  crc32c: 'CRC-32C of the bytes of the line before ,"crc32c": 8 lower-case hex digits.',
};

const BODIES: Readonly<Record<Exclude<(typeof AUDIT_KINDS)[number], 'alert' | 'enforcement'>, string>> = {
  policy: "A policy that was loaded, replaced or ended; with rotated, a change of the log's key.",
  start: 'The agent started.',
  stop: 'The agent stopped.',
  shed: 'What was held back or dropped, and why, with exact counts.',
  loss: 'Events that were not seen, entries that a crash took, or that nothing is signed from here on.',
};

/** The member `name` of what `path` leads to, in whose descriptions the nearest wins. */
const descriptionOf = (members: Readonly<Record<string, string>>, path: readonly string[]): string | undefined => {
  const parent = path.at(-2);
  const name = path.at(-1) ?? '';
  return parent === undefined ? members[name] : members[`${parent}.${name}`];
};

/** A schema whose members say what they mean. */
const described = (
  schema: JsonSchema,
  members: Readonly<Record<string, string>>,
  path: readonly string[] = [],
): JsonSchema => {
  const { properties, items } = schema as { properties?: Record<string, JsonSchema>; items?: JsonSchema };
  const description = descriptionOf(members, path);
  return {
    ...(description !== undefined && { description }),
    ...schema,
    ...(properties && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, member]) => [name, described(member, members, [...path, name])]),
      ),
    }),
    ...(items && { items: described(items, members, path) }),
  };
};

const jsonOf = (schema: z.ZodType): JsonSchema => {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' });
  return json;
};

/** The schema of alerts as they are published, made from what subscribers check them with. It lets further members pass. */
export const alertJsonSchema = (): JsonSchema => ({
  $schema: DIALECT,
  $id: 'urn:shrike:alert:1',
  title: 'Shrike alert',
  description:
    "A rule's match, ready for people. A member that doesn't apply is left out, one that isn't known is null.",
  ...described(jsonOf(alertSchema), ALERT_MEMBERS),
});

/** The schema of entries of the audit log, one a line. */
export const auditJsonSchema = (): JsonSchema => {
  const entry = z.object({
    v: z.literal(1),
    seq: z.int().positive(),
    time: z.iso.datetime({ precision: 9 }),
    kind: z.enum(AUDIT_KINDS),
    crc32c: z.string().regex(/^[0-9a-f]{8}$/),
  });
  const { properties, required, ...rest } = described(jsonOf(entry), AUDIT_MEMBERS) as {
    properties: Record<string, JsonSchema>;
    required: string[];
  };
  const bodies = {
    alert: described(jsonOf(alertSchema), ALERT_MEMBERS),
    enforcement: {
      description: 'An attempt to deny or kill, or a switching.',
      ...jsonOf(z.union([attemptSchema, switchingSchema])),
    },
    ...Object.fromEntries(Object.entries(BODIES).map(([kind, description]) => [kind, { type: 'object', description }])),
  };
  return {
    $schema: DIALECT,
    $id: 'urn:shrike:audit:1',
    title: "Entry of Shrike's audit log",
    description: 'One line of a segment of the audit log.',
    ...rest,
    properties: { ...properties, body: { type: 'object', description: 'What happened, as its kind has it.' } },
    required: [...required, 'body'],
    oneOf: Object.entries(bodies).map(([kind, body]) => ({ properties: { kind: { const: kind }, body } })),
  };
};
