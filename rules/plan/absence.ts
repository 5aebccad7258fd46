import type { Diagnostic } from '../diagnostic.ts';
import {
  type Condition,
  type EventType,
  evaluatePredicate,
  fieldOf,
  type Predicate,
  Truth,
} from '../language/index.ts';
import type { Rule } from '../rule.ts';
import { listed, mentionsType } from './event-types.ts';
import { normalOf } from './literals.ts';
import { predicateText } from './plan.ts';
import { truthByType } from './predicates.ts';
import { otherFields } from './transformed.ts';

/** Fields of containers that say `host` outside of them; the others are absent there. */
const SAY_HOST: ReadonlySet<string> = new Set([
  'container.id',
  'container.full_id',
  'container.name',
  'container.type',
]);

/** Whether a field is one of containers that a rule leaves some out by: that others than those match is what is meant. */
const isException = (name: string): boolean => name.startsWith('container.image');

/** Negated comparisons of a rule that are looked at, so that long rules take no minutes. */
const MAX_LOOKED_AT = 200;

/** What is known of a predicate on an event of this type outside of containers. */
const truthOnHost = (predicate: Predicate, event: EventType): Truth => {
  const byType = truthByType(predicate, event);
  if (byType !== Truth.UNKNOWN) return byType;
  const { name } = predicate.field;
  if (fieldOf(name)?.rate !== 'container' || otherFields(predicate).length > 0) return Truth.UNKNOWN;
  return evaluatePredicate(
    predicate,
    SAY_HOST.has(name) ? { state: 'present', value: 'host', trust: 'resolved' } : { state: 'absent' },
  );
};

/** Whether a rule can match where a predicate is absent, and could not if the predicate were true there. */
const needsAbsence = (rule: Rule, predicate: Predicate, truthOf: (predicate: Predicate) => Truth): boolean => {
  if (truthOf(predicate) !== Truth.ABSENT) return false;
  const isFalse = (truth: (each: Predicate) => Truth): boolean => {
    const normal = normalOf(rule.condition, truth);
    return normal.kind === 'constant' && !normal.value;
  };
  return !isFalse(truthOf) && isFalse((each) => (each === predicate ? Truth.TRUE : truthOf(each)));
};

/** The comparisons under a `not` that are written in the rule itself, as far as they are looked at. */
const negatedIn = (rule: Rule): readonly Predicate[] => {
  const found: Predicate[] = [];
  const visit = (node: Condition, negated: boolean): void => {
    if (node.kind === 'not') visit(node.operand, !negated);
    else if (node.kind === 'predicate') {
      const { start, end } = node.span;
      const isOwn = !/^[A-Za-z_][\w-]*$/.test(rule.conditionText.slice(start, end).trim());
      if (negated && isOwn && node.operator !== 'exists' && found.length < MAX_LOOKED_AT) found.push(node);
    } else if (node.kind !== 'constant') for (const operand of node.operands) visit(operand, negated);
  };
  visit(rule.condition, false);
  return found;
};

/**
 * Negations that hold only because their field is absent, on some of a rule's event types or outside of containers, and without which
 * the rule would not match there: people mostly don't mean that. `events` are the types that the rule can match.
 */
export const dependsOnAbsence = (rule: Rule, events: readonly EventType[]): readonly Diagnostic[] =>
  negatedIn(rule).flatMap((predicate): readonly Diagnostic[] => {
    const { name } = predicate.field;
    const report = (where: string, expected: string): readonly Diagnostic[] => [
      {
        ...rule.conditionAt(predicate.span),
        severity: 'warning',
        code: 'depends-on-absence',
        field: name,
        expected,
        message: `rule "${rule.name}": "not ${predicateText(predicate)}" is true ${where}, so that the rule matches there; add ${expected} if it should not`,
      },
    ];
    const namesTypes = rule.on.length > 0 || mentionsType(rule);
    const lacking = !namesTypes
      ? []
      : events.filter((event) => needsAbsence(rule, predicate, (each) => truthByType(each, event)));
    if (lacking.length > 0 && lacking.length < events.length)
      return report(
        `on ${listed(lacking.map(({ type }) => type))}, which ${lacking.length === 1 ? 'has' : 'have'} no ${name}`,
        `${name} exists`,
      );
    if (lacking.length > 0 || fieldOf(name)?.rate !== 'container' || isException(name)) return [];
    if (!events.some((event) => needsAbsence(rule, predicate, (each) => truthOnHost(each, event)))) return [];
    return report(`outside of containers, where there is no ${name}`, 'container.id != host');
  });
