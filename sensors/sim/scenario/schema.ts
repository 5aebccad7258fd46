import { z } from 'zod';
import { ExpectedEnforcementSchema, isCountable, killBudgetIn } from '../../../policies/index.ts';
import { CAPABILITIES } from '../../../rules/index.ts';
import { containersInCgroup } from '../../containers/index.ts';
import { parseEndpoint, parseMode } from './values.ts';

const absolute = z.string().startsWith('/');
const id = z.number().int().min(0).max(0xffff_ffff);
const arguments_ = z.array(z.union([z.string(), z.number(), z.boolean()]).describe('a text'));
/** A text as the mapping that it is short for. */
const textAs =
  (key: string, isShort: (text: string) => boolean = () => true) =>
  (value: unknown): unknown =>
    typeof value === 'string' && isShort(value) ? { [key]: value } : value;

const isEndpoint = (text: string): boolean => parseEndpoint(text) !== undefined;

const endpoint = z.string().refine(isEndpoint).describe('an address and a port such as "203.0.113.5:4444"');

/** A file as it is written: its content, or a mapping. */
export const FileSchema = z
  .preprocess(
    textAs('content'),
    z.strictObject({
      content: z.string().optional().describe("the file's content"),
      mode: z
        .union([z.string(), z.number()])
        .refine((mode) => parseMode(mode) !== undefined)
        .optional()
        .describe('octal digits in quotes such as "0644"'),
      uid: id.optional().describe("a user's number"),
      gid: id.optional().describe("a group's number"),
      layer: z.enum(['upper', 'lower']).optional().describe('upper or lower'),
    }),
  )
  .describe('a content, or a mapping with content, mode, uid, gid and layer');

/** Who a process is. */
const identityShape = {
  uid: id.optional().describe("a user's number"),
  gid: id.optional().describe("a group's number"),
  groups: z.array(id.describe("a group's number")).optional().describe("a list of groups' numbers"),
  loginuid: id.optional().describe('the number of the user who logged in'),
  cwd: absolute.optional().describe('an absolute path'),
  cgroup: absolute.optional().describe('a path such as /system.slice/nginx.service'),
  tty: z.string().min(1).optional().describe('a terminal such as pts/0'),
  capabilities: z
    .array(z.enum(CAPABILITIES as [string, ...string[]]).describe('a name such as CAP_SYS_ADMIN'))
    .optional()
    .describe('a list of names such as [CAP_SYS_ADMIN]'),
  vpid: z.number().int().min(1).optional().describe('a number in a pid namespace of its own such as 1'),
};

/** A process as it is written. */
export const ProcessSchema = z
  .strictObject({
    name: z.string().min(1).describe('what steps call the process'),
    path: absolute.optional().describe('the absolute path of its program'),
    argv: arguments_.min(1).optional().describe('a list of arguments such as [nginx, -g, "daemon off;"]'),
    env: z
      .array(z.string().describe('a text such as LANG=C'))
      .optional()
      .describe('a list such as [LANG=C, HOME=/root]'),
    parent: z.string().optional().describe('the name of a process before it'),
    container: z.string().optional().describe("a container's name: the process is in its cgroup"),
    listen: z.array(endpoint).optional().describe('a list of addresses such as ["0.0.0.0:80"]'),
    ...identityShape,
  })
  .describe('a process: a mapping with name');

/** A host on the network as it is written: its address, or a mapping. */
export const RemoteSchema = z
  .preprocess(
    textAs('address', isEndpoint),
    z.strictObject({
      address: endpoint,
      reply: z.string().optional().describe('what can be read from a connection'),
    }),
  )
  .describe('an address and a port such as "203.0.113.5:4444", or a mapping with address and reply');

/** A connection from outside as it is written. */
export const IncomingSchema = z
  .strictObject({
    from: endpoint,
    port: z.number().int().min(1).max(0xffff).describe('a port such as 80'),
    data: z.string().optional().describe('what can be read from it'),
  })
  .describe('a connection: a mapping with from and port');

const labels = z.record(z.string(), z.string()).optional().describe('a mapping from keys to texts');

/** A container as it is written: what its runtime says of it. */
export const ContainerSchema = z
  .strictObject({
    cgroup: z
      .string()
      .refine((path) => containersInCgroup(path).length > 0)
      .optional()
      .describe("the path of a container's cgroup such as /docker/ and 64 hexadecimal digits"),
    name: z.string().min(1).describe("the container's name"),
    image: z.string().min(1).optional().describe("an image's name such as docker.io/library/nginx:1.25"),
    privileged: z.boolean().optional().describe('true or false'),
    labels,
    mounts: z
      .array(
        z
          .strictObject({
            source: z.string().describe('a path on the host'),
            destination: absolute.describe('an absolute path'),
            writable: z.boolean().optional().describe('true or false'),
          })
          .describe('a mount: a mapping with source and destination'),
      )
      .optional()
      .describe('a list of mounts'),
    ip: z.string().optional().describe('an address'),
    pod: z
      .strictObject({
        name: z.string().min(1).describe("the pod's name"),
        namespace: z.string().min(1).describe("the pod's namespace"),
        uid: z.string().optional().describe("the pod's unique id"),
        labels,
      })
      .optional()
      .describe('a pod: a mapping with name and namespace'),
  })
  .describe('a container: a mapping with name');

const hostShape = {
  files: z.record(z.string(), FileSchema).optional().describe('a mapping from paths to contents'),
  overlays: z.array(absolute.describe('an absolute path')).optional().describe('a list of absolute paths'),
  programs: z
    .array(z.string().min(1).describe('a name or a path'))
    .optional()
    .describe('a list of names or paths such as [npm, /opt/tool]'),
  processes: z.array(ProcessSchema).optional().describe('a list of processes'),
  remotes: z.array(RemoteSchema).optional().describe('a list of addresses such as ["203.0.113.5:4444"]'),
  incoming: z.array(IncomingSchema).optional().describe('a list of connections'),
  containers: z.array(ContainerSchema).optional().describe('a list of containers'),
};

const steps = z
  .array(z.unknown())
  .min(1)
  .describe('a list of steps such as [{exec: [cat, /etc/shadow]}, {openat: /etc/shadow, by: cat}]');

const name = z
  .string()
  .regex(/^[\w.-]+$/)
  .describe('a name of letters, digits and . _ -');

const expect = z
  .array(z.string().min(1).describe("a rule's name"))
  .describe('a list of the rules that it raises such as [Password file read]; [] for none');

const stepId = z.string().min(1).describe("a step's id");

const limitsShape = {
  budget: z
    .string()
    .refine((text) => {
      const budget = killBudgetIn(text);
      return budget !== undefined && isCountable(budget);
    })
    .optional()
    .describe('kills in a time such as 3/30s or 10/min'),
  protect: z.array(absolute.describe('an absolute path')).optional().describe('a list of absolute paths'),
};

/** How policies are enforced in a scenario, as it is written. */
export const EnforcementSchema = z.strictObject({
  policies: z
    .array(z.string().min(1).describe('a path'))
    .min(1)
    .describe("a list of policies' files, from where this one is"),
  ...limitsShape,
});

/** A scenario with one thing changed, as it is written. */
export const VariantSchema = z
  .strictObject({
    name,
    description: z.string().optional().describe('a sentence that says what is other, or why it is no attack'),
    of: z.string().optional().describe('the name of another variant, which this one changes further'),
    step: stepId.optional().describe('the id of the step that "change" is about'),
    process: z.string().min(1).optional().describe('the name of the host\'s process that "change" is about'),
    file: absolute.optional().describe('the path of the host\'s file that "change" is about, an absolute one'),
    container: z.string().min(1).optional().describe('the name of the host\'s container that "change" is about'),
    change: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('a mapping with the keys that are other; null takes one away'),
    without: z
      .union([stepId, z.array(stepId).min(1)])
      .optional()
      .describe('the id of a step that is left out, or a list of some'),
    add: z.unknown().optional().describe('a step that is added, at the end or as "before" says'),
    before: stepId.optional().describe('the id of the step that "add" comes before'),
    expect,
    enforced: ExpectedEnforcementSchema.optional(),
  })
  .describe('a variant: a mapping with name, what it changes, and expect');

/** A scenario in a file of its own, as it is written; the inside of steps is read apart. */
export const ScenarioSchema = z
  .strictObject({
    name,
    description: z.string().optional().describe('a sentence that says what happens'),
    host: z
      .strictObject(hostShape)
      .optional()
      .describe('a mapping with files, overlays, programs, processes, remotes, incoming, containers'),
    steps,
    expect: expect.optional(),
    enforcement: EnforcementSchema.optional().describe('a mapping with policies, budget, protect'),
    enforced: ExpectedEnforcementSchema.optional(),
    but: z.array(VariantSchema).optional().describe('a list of variants, each with one thing changed'),
  })
  .describe('a scenario: a mapping with name and steps');

/** A scenario in a policy's test, as it is written: what a list of steps stands for. */
export const InlineSchema = z
  .strictObject({
    ...hostShape,
    steps,
    enforcement: z.strictObject(limitsShape).optional().describe('a mapping with budget, protect'),
  })
  .describe(
    'a list of steps, or a mapping with steps and files, overlays, programs, processes, remotes, incoming, containers, enforcement',
  );
