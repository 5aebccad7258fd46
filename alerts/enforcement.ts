import { z } from 'zod';
import { OUTCOMES, type Outcome, TIER_NAMES, type Tier } from '../rules/index.ts';
import type { Alert } from './alert.ts';

export { guardedOutcome, OUTCOMES, type Outcome } from '../rules/index.ts';

/** An attempt to deny or kill, suppressed ones included: the body of an audit record of the kind `enforcement`. */
export interface Attempt {
  readonly rule: string;
  readonly policy: string;
  /** SHA-256 of the policy file. */
  readonly policyHash: string;
  readonly mode: 'monitor' | 'enforce';
  readonly action: 'deny' | 'kill';
  readonly hook: string;
  /** The way to enforce that the hook is; null where nothing is enforced there. */
  readonly tier: Tier | null;
  readonly event: string;
  /** When it happened: ISO 8601, nanoseconds, UTC. */
  readonly time: string;
  readonly pid: number;
  /** Nanoseconds since boot. */
  readonly start: number;
  readonly exe: string | null;
  readonly cgroup: string | null;
  /** What the hook was asked about, as far as its record has it. */
  readonly arguments: {
    readonly file?: string | null;
    readonly path?: string | null;
    readonly path2?: string | null;
    readonly flags?: number;
    readonly argv?: readonly string[] | null;
    readonly address?: string;
  };
  /** The fields that the rule's output names. */
  readonly fields: Alert['fields'];
  readonly outcome: Outcome;
  /** The call failed with EPERM, whatever became of a kill; left out where it went on. */
  readonly denied?: true;
  /** The process was killed for what this one did, whose descendant it is (`action: kill-tree`). */
  readonly descendantOf?: number;
}

/** Enforcement was switched, or was renewed after it had ended by itself: also a record of the kind `enforcement`. */
export type Switching =
  | { readonly switched: 'on' | 'off'; readonly by: string }
  | { readonly lapsed: number; readonly renewed: true };

const text = z.string().nullable();
const fieldSchema = z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]);

/** An attempt's record, as it comes from an audit log. */
export const attemptSchema: z.ZodType<Attempt> = z.strictObject({
  rule: z.string().min(1),
  policy: z.string(),
  policyHash: z.string(),
  mode: z.enum(['monitor', 'enforce']),
  action: z.enum(['deny', 'kill']),
  hook: z.string(),
  tier: z.enum(TIER_NAMES).nullable(),
  event: z.string(),
  time: z.iso.datetime({ precision: 9 }),
  pid: z.int(),
  start: z.number(),
  exe: text,
  cgroup: text,
  arguments: z.strictObject({
    file: text.exactOptional(),
    path: text.exactOptional(),
    path2: text.exactOptional(),
    flags: z.int().exactOptional(),
    argv: z.array(z.string()).nullable().exactOptional(),
    address: z.string().exactOptional(),
  }),
  fields: z.record(z.string(), fieldSchema),
  outcome: z.enum(OUTCOMES),
  denied: z.literal(true).exactOptional(),
  descendantOf: z.int().exactOptional(),
});

/** A switching's record, as it comes from an audit log. */
export const switchingSchema: z.ZodType<Switching> = z.union([
  z.strictObject({ switched: z.enum(['on', 'off']), by: z.string() }),
  z.strictObject({ lapsed: z.number().positive(), renewed: z.literal(true) }),
]);
