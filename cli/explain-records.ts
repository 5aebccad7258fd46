import { z } from 'zod';
import type { Measured, MeasuredRule } from '../agent/index.ts';
import {
  type Aggregate,
  type Compiled,
  fieldOf,
  type Placed,
  type Plan,
  predicateText,
  SCOPE_FIELD,
  Truth,
} from '../rules/index.ts';
import { predicateCost, siteCost } from './cost-model.ts';
import { kernelText, sitesOf, trustText } from './explain-rule.ts';
import { listing } from './listing.ts';
import { createPaint } from './paint.ts';
import type { RuleTier } from './tiers.ts';

const text = z.string();
const whole = z.number().int();
const ns = z.number();

const predicate = z.strictObject({
  predicate: text,
  rate: text,
  trust: text,
  /** `kernel`: by the program; `after`: by user space; `fixed`: known when compiled. */
  decided: z.enum(['kernel', 'after', 'fixed']),
  /** How, or why not. */
  how: text,
  /** Estimated, alone. */
  ns,
});

const site = z.strictObject({
  hook: text,
  events: z.array(text),
  predicates: z.array(predicate),
  /** Estimated for one event: of a rule alone, caches warm. */
  ns: z.strictObject({ early: ns, all: ns, after: ns }),
});

const measured = z.strictObject({
  events: whole,
  candidates: whole,
  matches: whole,
  /** That the rule adds to each event of its types in the simulated machine; null where there was none. */
  ns: ns.nullable(),
  ratio: z.number(),
  noise: z.number(),
});

const tier = z.strictObject({ events: z.array(text), hook: text, tier: text.optional(), says: text });

const rule = z.strictObject({
  type: z.literal('rule'),
  policy: text,
  rule: text,
  file: text,
  line: whole,
  action: z.enum(['alert', 'deny', 'kill']),
  sites: z.array(site),
  /** Matches that are counted in one more alert: by which fields (left out: by the output), within how many nanoseconds. */
  aggregate: z.strictObject({ by: z.array(text).optional(), within: whole }).optional(),
  /** Of a rule that denies or kills: by what way it is enforced on the running kernel; without a tier by none. */
  here: z.array(tier).optional(),
  measured: measured.optional(),
});

const programRecord = z.strictObject({
  type: z.literal('program'),
  policy: text,
  hook: text,
  instructions: whole,
  /** Left out with --no-asm. */
  assembly: z.array(text).optional(),
});

const recording = z.strictObject({
  type: z.literal('recording'),
  policy: text,
  file: text,
  events: whole,
  rounds: whole,
  /** An event with all rules of the policy, from decoded event to alert. */
  ns,
});

/** A line of `shrike explain --json`. */
export const explainRecord = z.discriminatedUnion('type', [rule, programRecord, recording]);
export type ExplainRecord = z.infer<typeof explainRecord>;
type RuleRecord = z.infer<typeof rule>;

const TRUTHS: Readonly<Record<Truth, string>> = {
  [Truth.TRUE]: 'true',
  [Truth.FALSE]: 'false',
  [Truth.UNKNOWN]: 'unknown',
  [Truth.ABSENT]: 'absent',
};

const decidedOf = (placed: Placed): { readonly decided: 'kernel' | 'after' | 'fixed'; readonly how: string } => {
  if (placed.kind === 'kernel') return { decided: 'kernel', how: kernelText(placed.kernel) };
  if (placed.kind === 'user') return { decided: 'after', how: placed.reason };
  return { decided: 'fixed', how: TRUTHS[placed.truth] };
};

const round = (value: number): number => Math.round(value * 10) / 10;

const measuredOf = ({ events, candidates, matches, ns: each, ratio, noise }: MeasuredRule): RuleRecord['measured'] => ({
  events,
  candidates,
  matches,
  ns: each === undefined ? null : round(each),
  ratio: Math.round(ratio * 1000) / 1000,
  noise: Math.round(noise * 1000) / 1000,
});

const aggregateRecord = ({ by, within }: Aggregate): RuleRecord['aggregate'] => ({
  ...(by && { by: by.map(({ name, argument }) => (argument === undefined ? name : `${name}[${argument}]`)) }),
  within: Number(within),
});

/** What becomes of a rule of a plan, as data. */
export const ruleRecord = (
  plan: Plan,
  index: number,
  found: MeasuredRule | undefined,
  here: readonly RuleTier[] = [],
): RuleRecord | undefined => {
  const planned = plan.rules[index];
  if (planned === undefined) return undefined;
  return {
    type: 'rule',
    policy: planned.policy,
    rule: planned.name,
    file: planned.position.file,
    line: planned.position.line,
    action: planned.action,
    sites: sitesOf(plan, index).map(({ hook, events, placements }) => ({
      hook,
      events: [...events],
      predicates: placements.map(({ predicate: each, placed }) => ({
        predicate: predicateText(each),
        rate: each.field.name === SCOPE_FIELD ? 'container' : (fieldOf(each.field.name)?.rate ?? ''),
        trust: trustText(each, hook, events[0] ?? ''),
        ...decidedOf(placed),
        ns: predicateCost({ placed }),
      })),
      ns: siteCost(placements),
    })),
    ...(planned.aggregate && { aggregate: aggregateRecord(planned.aggregate) }),
    ...(here.length > 0 && { here: here.map((each) => ({ ...each, events: [...each.events] })) }),
    ...(found !== undefined && { measured: measuredOf(found) }),
  };
};

/** The programs of a policy, as data. */
export const programRecords = (policy: string, { object }: Compiled, asm: boolean): readonly ExplainRecord[] =>
  object.programs.map((program) => ({
    type: 'program',
    policy,
    hook: program.hook,
    instructions: program.instructions.length,
    ...(asm && { assembly: [...listing(program, createPaint(false))] }),
  }));

export const recordingRecord = (
  policy: string,
  file: string,
  { events, rounds, ns: each }: Measured,
): ExplainRecord => ({
  type: 'recording',
  policy,
  file,
  events,
  rounds,
  ns: round(each),
});
