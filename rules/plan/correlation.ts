import type { Threshold } from '../correlate/index.ts';
import type { Diagnostic } from '../diagnostic.ts';
import { type EventType, type FieldRef, type Predicate, Truth } from '../language/index.ts';
import type { Rule } from '../rule.ts';
import type { Placement, Plan } from './plan.ts';
import { truthByType } from './predicates.ts';

/** Events that a message names at most. */
const NAMED = 4;

const nameOf = (field: FieldRef): string =>
  field.argument === undefined ? field.name : `${field.name}[${field.argument}]`;

/** Whether events of a type have a field at all. */
const has = (event: EventType, field: FieldRef): boolean => {
  const exists: Predicate = { kind: 'predicate', field, operator: 'exists', constants: [], span: field.span };
  return truthByType(exists, event) !== Truth.FALSE;
};

const listed = (events: readonly EventType[]): string => {
  const names = events.slice(0, NAMED).map(({ type }) => type);
  return events.length > NAMED ? `${names.join(', ')} and ${events.length - NAMED} more` : names.join(', ');
};

/** What is wrong with a rule's threshold, or with its place in a sequence, given the event types that it meets. */
export const correlationFindings = (rule: Rule, events: readonly EventType[]): readonly Diagnostic[] => {
  const { correlation } = rule;
  if (correlation === undefined) return [];
  const { kind, position } = correlation;
  const found: Diagnostic[] = [];
  const isFirst = correlation.kind === 'threshold' || correlation.step === 1;
  if (rule.action !== 'alert' && isFirst)
    found.push({
      ...position,
      severity: 'error',
      code: 'not-in-kernel',
      field: kind,
      expected: 'action: alert',
      message: `rule "${rule.name}" can't ${rule.action} by a ${kind}: its events are looked at together in user space, when the calls have had their effect`,
    });
  for (const field of correlation.by) {
    const without = events.filter((event) => !has(event, field));
    if (without.length === 0) continue;
    const where = correlation.kind === 'sequence' ? `step ${correlation.step}'s ` : '';
    found.push({
      ...position,
      severity: 'error',
      code: 'key-not-there',
      field: nameOf(field),
      expected: 'a field that all events of the rule have',
      message: `rule "${rule.name}" goes by ${nameOf(field)}, but ${where}events of ${listed(without)} have no such field`,
    });
  }
  return found;
};

/** Most matches that a threshold counted in the kernel may allow; more are counted in user space. */
export const MOST_IN_KERNEL = 48;

/** Fields by which the kernel can count, as members of a record's head: 32 bits that are always known. */
export const KERNEL_KEYS = { 'proc.pid': 'tgid', 'thread.tid': 'tid', 'user.uid': 'uid', 'group.gid': 'gid' } as const;
export type KernelKey = (typeof KERNEL_KEYS)[keyof typeof KERNEL_KEYS];
/** Fields of a key at most. */
const KEY_FIELDS = 3;

/** Numbers that a program always knows. */
const KNOWN: ReadonlySet<string> = new Set(['result', 'tgid', 'tid', 'ppid', 'uid', 'gid', 'loginuid', 'argument']);

const isKnown = ({ placed }: Placement): boolean =>
  placed.kind === 'constant' ||
  (placed.kind === 'kernel' &&
    (placed.kernel.place === 'scope' || (placed.kernel.place === 'number' && KNOWN.has(placed.kernel.of.slot))));

/** A rule whose matches programs count, so that only those that may exceed its threshold are handed over. */
export interface CountedRule {
  /** The plan's index. */
  readonly rule: number;
  readonly threshold: Threshold;
  readonly key: readonly KernelKey[];
}

/**
 * The rules that programs count: what they decide is certain (user space would not take a match back), and what they count by is in
 * the head of a record.
 */
export const countedRules = (plan: Pick<Plan, 'rules' | 'placements'>): readonly CountedRule[] =>
  plan.rules.flatMap(({ correlation, action }, rule) => {
    if (correlation?.kind !== 'threshold' || action !== 'alert') return [];
    const { by, moreThan } = correlation;
    const key = by.flatMap(({ name }) => (KERNEL_KEYS as Readonly<Record<string, KernelKey>>)[name] ?? []);
    if (moreThan > MOST_IN_KERNEL || key.length !== by.length || key.length > KEY_FIELDS) return [];
    if (!plan.placements.every((placement) => placement.rule !== rule || isKnown(placement))) return [];
    return { rule, threshold: correlation, key };
  });

/** A step of a sequence, as programs look at it. */
export interface FollowedStep {
  /** The plan's index. */
  readonly rule: number;
  /** From 1 on. */
  readonly step: number;
  /** Nanoseconds. */
  readonly within: bigint;
  /** Where it is kept when the step last matched, of all steps that another one follows. */
  readonly cell: number | undefined;
  /** Where that is kept of the step in front of it. */
  readonly before: number | undefined;
}

/** The steps of all sequences. */
export const followedSteps = ({ rules }: Pick<Plan, 'rules'>): readonly FollowedStep[] => {
  const placeOf = ({ policy, name }: Rule, step: number): string => `${policy}\n${name}\n${step}`;
  const cells = new Map<string, number>();
  for (const rule of rules)
    if (rule.correlation?.kind === 'sequence' && rule.correlation.step < rule.correlation.steps)
      cells.set(placeOf(rule, rule.correlation.step), cells.size);
  return rules.flatMap((each, rule) => {
    if (each.correlation?.kind !== 'sequence') return [];
    const { step, within } = each.correlation;
    return { rule, step, within, cell: cells.get(placeOf(each, step)), before: cells.get(placeOf(each, step - 1)) };
  });
};
