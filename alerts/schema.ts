import { z } from 'zod';
import { PRIORITIES, type Trust } from '../rules/index.ts';
import type { Alert } from './alert.ts';

const TRUST = ['resolved', 'contestable', 'as passed', 'unknown'] as const satisfies readonly Trust[];

const fieldSchema = z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]);
const timeSchema = z.iso.datetime({ precision: 9 });
const programSchema = { pid: z.int(), exe: z.string().nullable(), cmdline: z.string().nullable() };

/** The alert record as it comes from outside. */
export const alertSchema: z.ZodType<Alert> = z.object({
  v: z.literal(1),
  id: z.string().min(1),
  seq: z.int().positive(),
  time: timeSchema,
  host: z.string().min(1),
  policy: z.string(),
  policyHash: z.string(),
  rule: z.string().min(1),
  priority: z.enum(PRIORITIES),
  tags: z.array(z.string()),
  hook: z.string(),
  event: z.string(),
  verdict: z.enum(['allow', 'deny', 'kill']).exactOptional(),
  enforced: z.boolean().exactOptional(),
  output: z.string(),
  fields: z.record(z.string(), fieldSchema),
  trust: z.record(z.string(), z.enum(TRUST)),
  process: z.object({
    ...programSchema,
    start: z.number(),
    uid: z.int(),
    ancestors: z.array(z.object(programSchema)),
  }),
  container: z
    .object({
      id: z.string(),
      name: z.string().exactOptional(),
      image: z.string().exactOptional(),
      pod: z.string().exactOptional(),
      namespace: z.string().exactOptional(),
    })
    .exactOptional(),
  pending: z.array(z.string()).exactOptional(),
  correlation: z
    .object({
      kind: z.enum(['threshold', 'sequence']),
      count: z.int().positive(),
      within: z.int().positive(),
      key: z.record(z.string(), fieldSchema),
      from: timeSchema,
      to: timeSchema,
      events: z.array(z.object({ number: z.int(), time: timeSchema, event: z.string(), pid: z.int() })),
    })
    .exactOptional(),
  aggregated: z
    .object({
      count: z.int().nonnegative(),
      since: timeSchema,
      until: timeSchema,
      key: z.record(z.string(), fieldSchema),
      first: z.string().exactOptional(),
      storm: z
        .object({
          phase: z.enum(['begins', 'goes on', 'over']),
          total: z.int().positive(),
          limit: z.number().positive(),
        })
        .exactOptional(),
      early: z.enum(['room', 'reload', 'stop']).exactOptional(),
    })
    .exactOptional(),
  kernel: z.string(),
});

/** An alert from JSON, or one sentence about what is wrong with it. */
export const parseAlert = (json: string): { readonly alert: Alert } | { readonly problem: string } => {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    return { problem: `not JSON: ${(error as Error).message}` };
  }
  const parsed = alertSchema.safeParse(value);
  if (parsed.success) return { alert: parsed.data };
  const [issue] = parsed.error.issues;
  const place = issue === undefined || issue.path.length === 0 ? 'the record' : issue.path.join('.');
  return { problem: `${place}: ${issue?.message ?? 'not an alert'}` };
};
