import type { Diagnostic } from '../diagnostic.ts';
import { type EventType, type FieldRef, type Predicate, Truth } from '../language/index.ts';
import type { Rule } from '../rule.ts';
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
