import type { Diagnostic } from '../diagnostic.ts';
import { type Condition, type EventType, type Predicate, type Span, Truth } from '../language/index.ts';
import type { Rule } from '../rule.ts';
import { eventTypesOf, listed, mentionsType } from './event-types.ts';
import { bothOf, type Literal, type Normal, normalKey, normalOf, predicateKey } from './literals.ts';
import { predicateText } from './plan.ts';
import { truthByType } from './predicates.ts';
import { whyNever } from './satisfy.ts';

/** Which of the rules that match an event raise an alert. */
export type RuleMatching = 'all' | 'first';

/** Event types at which a condition comes to the same, and what that is. */
interface Group {
  readonly types: readonly string[];
  readonly normal: Normal;
  /** The condition's opposite there. */
  readonly opposite: Normal;
}

/** A rule with what is known of it. */
interface Known {
  readonly rule: Rule;
  readonly events: readonly EventType[];
  readonly groups: readonly Group[];
}

const groupsOf = (condition: Condition, events: readonly EventType[]): readonly Group[] => {
  const groups = new Map<string, { readonly types: string[]; readonly normal: Normal; readonly opposite: Normal }>();
  for (const event of events) {
    const truthOf = (predicate: Predicate) => truthByType(predicate, event);
    const normal = normalOf(condition, truthOf);
    const key = normalKey(normal);
    const known = groups.get(key);
    if (known !== undefined) known.types.push(event.type);
    else groups.set(key, { types: [event.type], normal, opposite: normalOf(condition, truthOf, true) });
  }
  return [...groups.values()];
};

const textOf = ({ predicate, negated }: Literal): string => `"${negated ? 'not ' : ''}${predicateText(predicate)}"`;
const oppositeOf = ({ predicate, negated }: Literal): Literal => ({ predicate, negated: !negated });

/** Whether a span of a rule's condition holds more than a macro's name: what it says stands there itself. */
const isOwn = ({ conditionText }: Rule, { start, end }: Span): boolean =>
  !/^[A-Za-z_][\w-]*$/.test(conditionText.slice(start, end).trim());

const warning = (rule: Rule, span: Span | undefined, code: string, message: string, expected?: string): Diagnostic => ({
  ...(span === undefined ? rule.position : rule.conditionAt(span)),
  severity: 'warning',
  code,
  field: 'condition',
  ...(expected !== undefined && { expected }),
  message: `rule "${rule.name}"${message}`,
});

/** Literals as they stand in the condition. */
const inOrder = (literals: readonly Literal[]): readonly Literal[] =>
  literals.toSorted((one, other) => one.predicate.span.start - other.predicate.span.start);

/** Literals that are wrong together, in words: `"a" is never true`, `"a" and "b" are never both true`. */
const never = (literals: readonly Literal[]): string => {
  const texts = inOrder(literals).map(textOf);
  if (texts.length === 1) return `${texts[0]} is never true`;
  return `${texts.slice(0, -1).join(', ')} and ${texts.at(-1)} are never ${texts.length === 2 ? 'both' : 'all'} true`;
};

const always = (literals: readonly Literal[]): string => {
  const texts = inOrder(literals).map((literal) => textOf(oppositeOf(literal)));
  if (texts.length === 1) return `${texts[0]} is always true`;
  return `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)} is always true`;
};

const spanOf = (literals: readonly Literal[]): Span | undefined => inOrder(literals).at(-1)?.predicate.span;

/** Why a rule can never match although there are event types for it. */
const deadRule = ({ rule, groups }: Known): Diagnostic | undefined => {
  const reasons = groups.map(({ normal }) => whyNever(normal));
  if (groups.length === 0 || reasons.includes(undefined)) return undefined;
  const found = reasons.flatMap((each) => each ?? []);
  const [first] = found;
  if (first === undefined) return undefined;
  const different = new Set(found.map((literals) => literals.map(textOf).join()));
  const more = different.size > 1 ? ', and its other alternatives contradict themselves too' : '';
  const expected = 'comparisons that can be true together';
  return warning(rule, spanOf(first), 'contradiction', ` can never match: ${never(first)}${more}`, expected);
};

/** Whether a rule matches every event of its types although it says more than that. */
const constantRule = ({ rule, groups, events }: Known): Diagnostic | undefined => {
  if (groups.length === 0 || groups.every(({ opposite }) => opposite.kind === 'constant' && isTypeOnly(rule.condition)))
    return undefined;
  const reasons = groups.map(({ opposite }) => whyNever(opposite));
  if (reasons.includes(undefined)) return undefined;
  const [first] = reasons.flatMap((each) => each ?? []);
  const types = listed(
    events.map(({ type }) => type),
    'or',
  );
  const because = first === undefined ? 'nothing in its condition tells one from another' : always(first);
  return warning(
    rule,
    undefined,
    'always-true',
    ` matches every ${types}: ${because}`,
    'a condition that tells events apart',
  );
};

const isTypeOnly = (condition: Condition): boolean => {
  if (condition.kind === 'predicate') return condition.field.name === 'evt.type';
  if (condition.kind === 'not') return isTypeOnly(condition.operand);
  return condition.kind === 'constant' || condition.operands.every(isTypeOnly);
};

/** Parts of a condition that say nothing, or something that can't be: the outermost of each. */
const partsOf = (rule: Rule): readonly Diagnostic[] => {
  const found: Diagnostic[] = [];
  const visit = (node: Condition, negated: boolean, isWhole: boolean): void => {
    if (node.kind === 'not') visit(node.operand, !negated, false);
    if (node.kind !== 'and' && node.kind !== 'or') return;
    if (isOwn(rule, node.span)) {
      const conflicts = node.kind === 'and' && !isWhole ? whyNever(normalOf(node)) : undefined;
      const [conflict] = conflicts ?? [];
      if (conflict !== undefined) {
        const what = negated ? 'this part of its condition is always true' : 'this part of its condition never matches';
        found.push(warning(rule, spanOf(conflict), 'contradiction', `: ${what}: ${never(conflict)}`));
        return;
      }
      const [certain] = (node.kind === 'or' && !isWhole ? whyNever(normalOf(node, undefined, true)) : undefined) ?? [];
      if (certain !== undefined) {
        const what = negated ? 'this part of its condition never matches' : 'this part of its condition is always true';
        found.push(warning(rule, spanOf(certain), 'always-true', `: ${what}: ${always(certain)}`));
        return;
      }
    }
    found.push(...repeatsIn(rule, node));
    for (const operand of node.operands) visit(operand, negated, false);
  };
  visit(rule.condition, false, true);
  return found;
};

/** The same comparison twice in one `and` or `or`, both written in the rule itself. */
const repeatsIn = (
  rule: Rule,
  { kind, operands }: Extract<Condition, { kind: 'and' | 'or' }>,
): readonly Diagnostic[] => {
  const seen = new Set<string>();
  return operands.flatMap((operand) => {
    const [literal, negated] = operand.kind === 'not' ? [operand.operand, true] : [operand, false];
    if (literal.kind !== 'predicate' || !isOwn(rule, operand.span)) return [];
    const key = `${negated} ${predicateKey(literal)}`;
    const text = textOf({ predicate: literal, negated });
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    return [warning(rule, operand.span, 'repeated', `: ${text} stands twice in the same "${kind}"`, 'it once')];
  });
};

/** Comparisons of a field that none of the rule's events has, where they are not what keeps it from matching. */
const absentFields = ({ rule, events }: Known): readonly Diagnostic[] => {
  const found: Diagnostic[] = [];
  if (rule.on.length === 0 && !mentionsType(rule)) return found;
  const visit = (node: Condition, negated: boolean): void => {
    if (node.kind === 'not') visit(node.operand, !negated);
    if (node.kind === 'and' || node.kind === 'or') for (const operand of node.operands) visit(operand, negated);
    if (node.kind !== 'predicate' || node.operator === 'exists' || !isOwn(rule, node.span)) return;
    const { name } = node.field;
    if (name === 'evt.type' || events.length === 0) return;
    if (events.some((event) => truthByType(node, event) !== Truth.ABSENT)) return;
    const types = listed(events.map(({ type }) => type));
    const has = events.length === 1 ? 'has' : 'have';
    const comes = negated
      ? `${textOf({ predicate: node, negated })} is always true`
      : `${textOf({ predicate: node, negated })} is never true`;
    found.push(
      warning(
        rule,
        node.span,
        'field-absent',
        `: ${types} ${has} no ${name}, so that ${comes}`,
        'a field that the event has',
      ),
    );
  };
  visit(rule.condition, false);
  return found;
};

/** Rules that ask at every call: Falco warns of them too. */
const unnamedTypes = ({ rule, events }: Known): Diagnostic | undefined => {
  if (rule.on.length > 0 || rule.anyEvent === true || mentionsType(rule) || events.length === 0) return undefined;
  const message = ` names no event type, so that it is asked at ${events.length} of them`;
  return warning(rule, undefined, 'no-event-type', message, 'evt.type in its condition');
};

/** Where a rule is, for another's message. */
const placeOf = (rule: Rule, from: Rule): string =>
  rule.position.file === from.position.file
    ? `in line ${rule.position.line}`
    : `in ${rule.position.file}, line ${rule.position.line}`;

const scopeKey = ({ scope: { position: _position, ...scope } }: Rule): string => JSON.stringify(scope);

/** Rules of the same condition, event types, scope and action as an earlier one. */
const duplicates = (all: readonly Known[]): readonly Diagnostic[] => {
  const first = new Map<string, Rule>();
  return all.flatMap(({ rule, events, groups }) => {
    if (events.length === 0 || rule.correlation !== undefined) return [];
    const conditions = groups.map(({ types, normal }) => `${types.join()}: ${normalKey(normal)}`);
    const key = [rule.action, rule.mode, scopeKey(rule), ...conditions.sort()].join('\n');
    const earlier = first.get(key);
    if (earlier === undefined) {
      first.set(key, rule);
      return [];
    }
    const message = ` matches the same events as "${earlier.name}" ${placeOf(earlier, rule)}`;
    return [warning(rule, undefined, 'same-condition', message, 'one rule, or conditions that differ')];
  });
};

/** Pairs of rules that are compared at most, so that many rules take no minutes. */
const MAX_PAIRS = 50_000;

/** Rules that raise nothing under `rule_matching: first`, since an earlier one matches all that they do. */
const shadowed = (all: readonly Known[]): readonly Diagnostic[] => {
  let pairs = 0;
  const alerting = all.filter(({ rule }) => rule.action === 'alert' && rule.correlation === undefined);
  return alerting.flatMap((later, index) => {
    const { rule, events, groups } = later;
    if (events.length === 0) return [];
    const by = alerting.slice(0, index).find((earlier) => {
      const scope = scopeKey(earlier.rule);
      if (scope !== '{}' && scope !== scopeKey(rule)) return false;
      const seen = new Set(earlier.events);
      if (!events.every((event) => seen.has(event)) || pairs++ > MAX_PAIRS) return false;
      return groups.every(({ types, normal }) =>
        earlier.groups
          .filter((group) => group.types.some((type) => types.includes(type)))
          .every(({ opposite }) => whyNever(bothOf(normal, opposite)) !== undefined),
      );
    });
    if (by === undefined) return [];
    const message = ` raises no alert under rule_matching first: "${by.rule.name}" ${placeOf(by.rule, rule)} matches all that it does`;
    return [warning(rule, undefined, 'shadowed', message, 'a place before that rule')];
  });
};

/**
 * What is odd about rules: warnings about rules and parts that can never match or always do, repetitions, and rules that say the same
 * as others. They hold for events whose fields are known; a value that could not be had still counts for a match.
 */
export const findingsOf = (rules: readonly Rule[], matching: RuleMatching = 'all'): readonly Diagnostic[] => {
  const all = rules.map((rule): Known => {
    const events = eventTypesOf(rule);
    return { rule, events, groups: groupsOf(rule.condition, events) };
  });
  const ofRules = all.flatMap((known): readonly Diagnostic[] => {
    const unnamed = unnamedTypes(known);
    const dead = deadRule(known);
    const absent = dead === undefined ? absentFields(known) : [];
    const constant = dead === undefined && absent.length === 0 ? constantRule(known) : undefined;
    const whole = dead ?? constant;
    const parts = whole === undefined ? [...absent, ...partsOf(known.rule)] : [whole];
    return unnamed === undefined ? parts : [unnamed, ...parts];
  });
  return [...ofRules, ...duplicates(all), ...(matching === 'first' ? shadowed(all) : [])];
};
