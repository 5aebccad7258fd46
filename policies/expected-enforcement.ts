import { z } from 'zod';
import { OUTCOMES, type Outcome } from '../rules/index.ts';

/** An audit record of the kind `enforcement` that is expected, or several alike. */
export type ExpectedEnforcement =
  | {
      readonly kind: 'attempt';
      readonly outcome: Outcome;
      readonly times: number;
      /** Undefined: any. */
      readonly rule: string | undefined;
      readonly exe: string | undefined;
    }
  | { readonly kind: 'switched'; readonly switched: 'on' | 'off' }
  /** Enforcement had ended by itself, and goes on. */
  | { readonly kind: 'lapsed' };

const outcome = z.enum(OUTCOMES as [Outcome, ...Outcome[]]);

/** Expected audit records as they are written: outcomes, or mappings. */
export const ExpectedEnforcementSchema = z
  .array(
    z
      .union([
        z.enum(['lapsed', ...OUTCOMES] as ['lapsed', ...Outcome[]]),
        z.strictObject({ switched: z.enum(['on', 'off']) }),
        z.strictObject({
          outcome,
          times: z.number().int().min(1).optional().describe('a whole number from 1'),
          rule: z.string().min(1).optional(),
          exe: z.string().regex(/^\//).optional().describe('an absolute path'),
        }),
      ])
      .describe(
        `lapsed, {switched: on}, {switched: off}, or an outcome (${OUTCOMES.join(', ')}), also as {outcome, times, rule, exe}`,
      ),
  )
  .describe('a list of what becomes of attempts to deny and kill such as [denied, {outcome: killed, times: 3}]');

type Written = z.infer<typeof ExpectedEnforcementSchema>[number];

/** Expected audit records from what is written. */
export const expectedEnforcement = (written: readonly Written[]): readonly ExpectedEnforcement[] =>
  written.map((each) => {
    if (each === 'lapsed') return { kind: 'lapsed' };
    if (typeof each === 'string') return { kind: 'attempt', outcome: each, times: 1, rule: undefined, exe: undefined };
    if ('switched' in each) return { kind: 'switched', switched: each.switched };
    return { kind: 'attempt', outcome: each.outcome, times: each.times ?? 1, rule: each.rule, exe: each.exe };
  });
