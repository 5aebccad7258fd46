import { PRIORITIES, type Priority } from '../../rules/index.ts';
import type { Alert, FieldJson } from '../alert.ts';
import { type SubjectTemplate, subjectToken } from '../nats/subject.ts';

/** Which alerts a subscriber wants; what is left out is not looked at. Names of hosts, rules and policies are compared as subjects have them. */
export interface AlertFilters {
  readonly host?: string;
  readonly priority?: Priority;
  /** This priority and more urgent ones. */
  readonly minPriority?: Priority;
  readonly rule?: string;
  readonly policy?: string;
  /** All of these. */
  readonly tags?: readonly string[];
  /** Its id, or the beginning of it, or its name. */
  readonly container?: string;
  /** Comparisons such as `proc.name=cat`, all of which have to hold. */
  readonly where?: readonly string[];
}

const OPERATORS = {
  '=': (value, wanted) => value === wanted,
  '!=': (value, wanted) => value !== wanted,
  '^=': (value, wanted) => value.startsWith(wanted),
  '$=': (value, wanted) => value.endsWith(wanted),
  '*=': (value, wanted) => value.includes(wanted),
} as const satisfies Record<string, (value: string, wanted: string) => boolean>;
type Operator = keyof typeof OPERATORS;

interface Comparison {
  readonly name: string;
  readonly operator: Operator;
  readonly wanted: string;
}

const COMPARISON = /^([A-Za-z][\w.]*(?:\[[^\]]*\])?)(!=|\^=|\$=|\*=|=)(.*)$/s;

/** Reads a comparison; fails with a sentence. */
const parseComparison = (text: string): Comparison => {
  const match = COMPARISON.exec(text);
  if (match === null)
    throw new Error(
      `"${text}" is no comparison; expected a field or member, one of ${Object.keys(OPERATORS).join(' ')} and a value: proc.name=cat, process.exe^=/tmp/`,
    );
  return { name: match[1]!, operator: match[2] as Operator, wanted: match[3]! };
};

/** An alert, or another record that may have fields. */
type Compared = { readonly fields?: Alert['fields'] };

/** A field of the rule's output, or else a member of the record: `process.exe`, `container.pod`, `event`. */
const fieldOf = (record: Compared, name: string): FieldJson | undefined => {
  if (record.fields !== undefined && Object.hasOwn(record.fields, name)) return record.fields[name];
  const value = name
    .split('.')
    .reduce<unknown>(
      (at, part) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[part] : undefined),
      record,
    );
  return typeof value === 'object' && !Array.isArray(value) ? undefined : (value as FieldJson | undefined);
};

/** A field that is absent or unknown compares to nothing; of a list one element is enough. */
const compares = (record: Compared, { name, operator, wanted }: Comparison): boolean => {
  const value = fieldOf(record, name);
  if (value === undefined || value === null) return false;
  return [value].flat().some((each) => OPERATORS[operator](String(each), wanted));
};

/** Whether all comparisons hold for a record. Fails with a sentence on one that is none. */
export const comparisonFilter = (where: readonly string[]): ((record: Compared) => boolean) => {
  const comparisons = where.map(parseComparison);
  return (record) => comparisons.every((comparison) => compares(record, comparison));
};

const sameName = (one: string, other: string): boolean => subjectToken(one) === subjectToken(other);

/** Whether an alert is wanted. Fails with a sentence on a comparison that is none. */
export const alertFilter = (filters: AlertFilters): ((alert: Alert) => boolean) => {
  const { host, priority, minPriority, rule, policy, tags = [], container, where = [] } = filters;
  const holds = comparisonFilter(where);
  const least = minPriority === undefined ? PRIORITIES.length : PRIORITIES.indexOf(minPriority);
  return (alert) =>
    (host === undefined || sameName(host, alert.host)) &&
    (priority === undefined || priority === alert.priority) &&
    PRIORITIES.indexOf(alert.priority) <= least &&
    (rule === undefined || sameName(rule, alert.rule)) &&
    (policy === undefined || sameName(policy, alert.policy)) &&
    tags.every((tag) => alert.tags.includes(tag)) &&
    (container === undefined ||
      alert.container?.name === container ||
      (container !== '' && alert.container?.id.startsWith(container) === true)) &&
    holds(alert);
};

/** The subject, with wildcards, that a server filters by. With `whole` that of all alerts of the wanted host: only then is it seen which did not arrive. */
export const wantedSubject = (
  template: SubjectTemplate,
  { host, priority, minPriority, rule, policy }: AlertFilters,
  whole: boolean,
): string => {
  const only = priority ?? (minPriority === PRIORITIES[0] ? minPriority : undefined);
  const narrow = {
    ...(only && { priority: only }),
    ...(rule !== undefined && { rule }),
    ...(policy !== undefined && { policy }),
  };
  return template.matching({ ...(host !== undefined && { host }), ...(whole ? {} : narrow) });
};
