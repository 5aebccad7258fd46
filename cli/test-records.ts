import { z } from 'zod';
import {
  coverageRatio,
  type MutationResult,
  mutationScore,
  type PredicateCoverage,
  type TestOutcome,
} from '../agent/index.ts';
import type { Policy } from '../policies/index.ts';
import { predicateText } from '../rules/index.ts';

const text = z.string();
const whole = z.number().int();
const place = { file: text, line: whole, column: whole } as const;
const percent = z.number().min(0).max(100);

const test = z.strictObject({
  type: z.literal('test'),
  ...place,
  policy: text,
  test: text,
  passed: z.boolean(),
  expected: z.array(text),
  raised: z.array(text),
  problems: z.array(text),
});

/** What a policy's tests saw of its predicates. */
const coverage = z.strictObject({
  type: z.literal('coverage'),
  file: text,
  policy: text,
  /** Predicates whose truth isn't known before an event happens. */
  predicates: whole,
  /** Of two outcomes a predicate, those that were seen. */
  percent,
  missing: z.array(
    z.strictObject({ ...place, rule: text, predicate: text, never: z.array(z.enum(['true', 'false'])) }),
  ),
});

const change = z.strictObject({ ...place, rule: text, before: text, after: text });

/** What a policy's tests noticed of changes of its conditions. */
const mutation = z.strictObject({
  type: z.literal('mutation'),
  file: text,
  policy: text,
  tried: whole,
  found: whole,
  /** Of what was tried. */
  percent,
  /** Changes that match the same events, or come to what another does. */
  equivalent: whole,
  /** Changes that don't compile. */
  refused: whole,
  /** Changes that there was no time for. */
  untried: whole,
  survived: z.array(change),
  /** With --scenarios: the same by rules. */
  rules: z.array(z.strictObject({ rule: text, tried: whole, found: whole })).optional(),
});

const summary = z.strictObject({
  type: z.literal('summary'),
  policies: whole,
  tests: whole,
  passed: whole,
  failed: whole,
  errors: whole,
  coverage: percent,
  mutation: percent.optional(),
});

/** A line of `shrike test --json`. */
export const testRecord = z.discriminatedUnion('type', [test, coverage, mutation, summary]);
export type TestRecord = z.infer<typeof testRecord>;
type RecordOf<Type extends TestRecord['type']> = Extract<TestRecord, { readonly type: Type }>;

/** A share of 1 in percent, to a tenth; 100 only where nothing is missing. */
export const percentOf = (ratio: number): number => Math.floor(ratio * 1000 + 1e-9) / 10;

export const outcomeRecord = ({
  test,
  policy,
  passed,
  raised,
  problems,
  diagnostics,
}: TestOutcome): RecordOf<'test'> => ({
  type: 'test',
  file: test.position.file,
  line: test.position.line,
  column: test.position.column,
  policy: policy.name,
  test: test.name,
  passed,
  expected: [...test.expect],
  raised: [...raised],
  problems: [...problems, ...diagnostics.map(({ message }) => message)],
});

export const coverageRecord = (
  { file, name }: Policy,
  predicates: readonly PredicateCoverage[],
): RecordOf<'coverage'> => ({
  type: 'coverage',
  file,
  policy: name,
  predicates: predicates.length,
  percent: percentOf(coverageRatio(predicates)),
  missing: predicates.flatMap(({ rule, position, predicate, seenTrue, seenFalse }) =>
    seenTrue && seenFalse
      ? []
      : {
          file: position.file,
          line: position.line,
          column: position.column,
          rule,
          predicate: predicateText(predicate),
          never: [...(seenTrue ? [] : (['true'] as const)), ...(seenFalse ? [] : (['false'] as const))],
        },
  ),
});

const scoresOf = (outcomes: MutationResult['outcomes']) =>
  [...new Set(outcomes.map(({ rule }) => rule))].map((rule) => {
    const own = outcomes.filter((each) => each.rule === rule && each.status !== 'untried');
    return { rule, tried: own.length, found: own.filter(({ status }) => status === 'found').length };
  });

export const mutationRecord = (
  { file, name }: Policy,
  { outcomes, equivalent, refused }: MutationResult,
  byRule = false,
): RecordOf<'mutation'> => {
  const of = (wanted: string) => outcomes.filter(({ status }) => status === wanted);
  return {
    type: 'mutation',
    file,
    policy: name,
    tried: outcomes.length - of('untried').length,
    found: of('found').length,
    percent: percentOf(mutationScore(outcomes)),
    equivalent,
    refused,
    untried: of('untried').length,
    survived: of('survived').map(({ rule, position, before, after }) => ({
      file: position.file,
      line: position.line,
      column: position.column,
      rule,
      before,
      after,
    })),
    ...(byRule && { rules: scoresOf(outcomes) }),
  };
};
