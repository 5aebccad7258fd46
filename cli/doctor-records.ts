import { z } from 'zod';
import { TIER_NAMES } from '../rules/index.ts';

const text = z.string();
const whole = z.number().int();

/** One thing that Shrike needs or can use: `weaker` where another way is taken. */
const finding = z.strictObject({
  type: z.literal('finding'),
  area: z.enum(['kernel', 'hooks', 'programs', 'memory', 'host']),
  name: text,
  state: z.enum(['works', 'weaker', 'missing']),
  found: text,
  costs: text.optional(),
  remedy: text.optional(),
});

/** A rule that would not run here: at some of its hooks, or at none. */
const rule = z.strictObject({
  type: z.literal('rule'),
  file: text,
  line: whole,
  policy: text,
  rule: text,
  action: z.enum(['alert', 'deny', 'kill']),
  runs: z.enum(['partly', 'not']),
  missing: z.array(z.strictObject({ hook: text, why: text, remedy: text })),
});

/** A way to enforce, strongest first, and whether this kernel and these privileges have it. */
const tier = z.strictObject({
  type: z.literal('tier'),
  tier: z.enum(TIER_NAMES),
  works: z.boolean(),
  /** What it does, or why it can't be had. */
  found: text,
  remedy: text.optional(),
});

const summary = z.strictObject({
  type: z.literal('summary'),
  kernel: text,
  level: text.optional(),
  works: whole,
  weaker: whole,
  missing: whole,
  /** Rules that were looked at, and those of them that don't run, or not at all their hooks. */
  rules: whole,
  affected: whole,
});

/** A line of `shrike doctor --json`. */
export const doctorRecord = z.discriminatedUnion('type', [finding, tier, rule, summary]);
export type DoctorRecord = z.infer<typeof doctorRecord>;
export type DoctorTier = z.infer<typeof tier>;
export type DoctorRule = z.infer<typeof rule>;
export type DoctorSummary = z.infer<typeof summary>;
