import { z } from 'zod';
import { TIER_NAMES } from '../rules/index.ts';

const text = z.string();
const whole = z.number().int();
const LEVELS = ['6.1', '6.9', '6.12'] as const;

/** A rule that compiles: where its predicates are decided and what it costs. */
const rule = z.strictObject({
  type: z.literal('rule'),
  file: text,
  line: whole,
  policy: text,
  rule: text,
  action: z.enum(['alert', 'deny', 'kill']),
  mode: z.enum(['monitor', 'enforce']),
  hooks: z.array(text),
  /** Of a rule that denies or kills: the way to do so at each of its hooks, on a kernel of the level with all that Shrike can use. */
  tiers: z.array(z.strictObject({ hook: text, tier: z.enum(TIER_NAMES) })).optional(),
  /** The ways on one without LSM; empty where there is none. */
  withoutLsm: z.array(z.enum(TIER_NAMES)).optional(),
  /** Predicates that a program decides at one of the hooks at least. */
  kernel: z.array(text),
  /** Predicates that user space decides at one of the hooks at least, and why. */
  residual: z.array(z.strictObject({ predicate: text, reason: text })),
  /** Of the programs at its hooks, which it shares with the other rules. */
  instructions: whole,
  level: z.enum(LEVELS),
});

const diagnostic = z.strictObject({
  type: z.literal('diagnostic'),
  severity: z.enum(['error', 'warning']),
  code: text,
  file: text,
  line: whole,
  column: whole,
  field: text.optional(),
  expected: text.optional(),
  nearest: text.optional(),
  message: text,
});

const summary = z.strictObject({
  type: z.literal('summary'),
  policies: whole,
  rules: whole,
  errors: whole,
  warnings: whole,
  /** Of the programs of all rules together. */
  instructions: whole,
  level: z.enum(LEVELS),
});

/** A line of `shrike check --json`. */
export const checkRecord = z.discriminatedUnion('type', [rule, diagnostic, summary]);
export type CheckRecord = z.infer<typeof checkRecord>;
export type RuleRecord = z.infer<typeof rule>;
export type SummaryRecord = z.infer<typeof summary>;
