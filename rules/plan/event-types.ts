import type { Diagnostic } from '../diagnostic.ts';
import { type Condition, EVENT_TYPES, type EventType, evaluate, type Predicate, Truth } from '../language/index.ts';
import type { Rule } from '../rule.ts';
import { predicatesOf } from './formula.ts';
import { normalOf } from './literals.ts';
import { truthByType } from './predicates.ts';

const ALL_TYPES = [...EVENT_TYPES.values()];

/** Whether a rule's condition says anything of the event's type. */
export const mentionsType = (rule: Rule): boolean => {
  for (const { field } of predicatesOf(rule.condition)) if (field.name === 'evt.type') return true;
  return false;
};

/** Event types on which a condition can be true, by what `truthOf` says of its predicates. */
const typesWhere = (rule: Rule, truthOf: (predicate: Predicate, event: EventType) => Truth): readonly EventType[] => {
  const named = rule.on.length > 0 ? new Set(rule.on) : undefined;
  const unasked = named === undefined && !mentionsType(rule);
  return ALL_TYPES.filter((event) => {
    if (named?.has(event.type) === false || (unasked && event.type === 'procexit')) return false;
    return evaluate(rule.condition, (predicate) => truthOf(predicate, event), 'possible');
  });
};

/** Event types on which a rule can match at all, from its `on`, its evt.type, and the fields that an event type has. */
export const eventTypesOf = (rule: Rule): readonly EventType[] => {
  const before = known.get(rule);
  if (before !== undefined) return before;
  const types = typesWhere(rule, truthByType);
  known.set(rule, types);
  return types;
};

const known = new WeakMap<Rule, readonly EventType[]>();

/** `a, b and c`, or the first three of more. */
export const listed = (words: readonly string[], last = 'and'): string => {
  if (words.length > 4) return `${words.slice(0, 3).join(', ')} ${last} ${words.length - 3} others`;
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`;
};

/** What is known of a predicate where only the event's type is looked at. */
const typeTruth = (predicate: Predicate, event: EventType): Truth =>
  predicate.field.name === 'evt.type' ? truthByType(predicate, event) : Truth.UNKNOWN;

/** The part of a conjunction that is false whatever happens, as `in` with an empty list is. */
const constantPart = (condition: Condition): Condition | undefined => {
  if (condition.kind === 'and') return condition.operands.map(constantPart).find((each) => each !== undefined);
  const normal = normalOf(condition);
  return normal.kind === 'constant' && !normal.value ? condition : undefined;
};

/** Why there is no event type on which a rule can match. */
export const neverMatches = (rule: Rule): Diagnostic => {
  const named = typesWhere(rule, typeTruth);
  const missing = predicatesOf(rule.condition).find((predicate) => {
    if (named.length === 0 || predicate.field.name === 'evt.type') return false;
    if (named.some((event) => truthByType(predicate, event) === Truth.UNKNOWN)) return false;
    return named.every((event) => {
      const without = normalOf(rule.condition, (each) => (each === predicate ? Truth.ABSENT : typeTruth(each, event)));
      return without.kind === 'constant' && !without.value;
    });
  });
  const common = { severity: 'warning', code: 'never-matches' } as const;
  const constant = constantPart(rule.condition);
  if (constant !== undefined)
    return {
      ...rule.conditionAt(constant.span),
      ...common,
      field: 'condition',
      message: `rule "${rule.name}" can never match: "${rule.conditionText.slice(constant.span.start, constant.span.end)}" is never true`,
    };
  if (missing === undefined)
    return {
      ...rule.position,
      ...common,
      field: 'condition',
      message: `rule "${rule.name}" can never match: there is no event type for which its condition can be true`,
    };
  const { name } = missing.field;
  return {
    ...rule.conditionAt(missing.span),
    ...common,
    field: name,
    expected: 'a field that the event has',
    message: `rule "${rule.name}" can never match: ${listed(named.map(({ type }) => type))} ${named.length === 1 ? 'has' : 'have'} no ${name}`,
  };
};
