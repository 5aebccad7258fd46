import type { Condition, Constant, Operator, Predicate, Span } from '../language/index.ts';
import type { Rule, Scope } from '../rule.ts';
import { SCOPE_FIELD } from './predicates.ts';

const text = (value: string): Constant => Object.freeze({ type: 'string', value });
const number = (value: number): Constant => Object.freeze({ type: 'number', value: BigInt(value) });

/** Makes the predicates of a scope; all stand where the rule's condition does. */
const createWriter = (span: Span) => {
  const compare = (name: string, operator: Operator, ...constants: readonly Constant[]): Predicate =>
    Object.freeze({ kind: 'predicate', field: { name, span }, operator, constants, span });
  const join = (kind: 'and' | 'or', operands: readonly Condition[]): readonly Condition[] =>
    operands.length < 2 ? operands : [Object.freeze({ kind, operands, span })];
  const glob = (name: string, pattern: string): Predicate => compare(name, 'glob', text(pattern));
  return { compare, join, glob };
};

/** What a scope asks of an event, as conditions that all have to hold. */
const conditionsOf = ({ cgroup, container, uid, executable }: Scope, span: Span): readonly Condition[] => {
  const { compare, join, glob } = createWriter(span);
  const conditions: Condition[] = [];
  if (cgroup !== undefined) conditions.push(compare(SCOPE_FIELD, '=', text(cgroup)));
  if (uid !== undefined) {
    const ranges = uid.ranges.flatMap(([low, high]) =>
      low === high
        ? [compare('user.uid', '=', number(low))]
        : join('and', [compare('user.uid', '>=', number(low)), compare('user.uid', '<=', number(high))]),
    );
    const names = uid.names.length === 0 ? [] : [compare('user.name', 'in', ...uid.names.map(text))];
    conditions.push(...join('or', [...ranges, ...names]));
  }
  if (executable !== undefined) conditions.push(compare('proc.exepath', 'in', ...executable.map(text)));
  if (container !== undefined) {
    conditions.push(compare('container.id', '!=', text('host')));
    conditions.push(
      ...join(
        'or',
        container.name.map((pattern) => glob('container.name', pattern)),
      ),
    );
    const images = container.image.flatMap((pattern) => [
      glob('container.image', pattern),
      glob('container.image.repository', pattern),
    ]);
    conditions.push(...join('or', images));
  }
  return conditions;
};

/** Whether a scope leaves anything out. */
export const isNarrow = ({ cgroup, container, uid, executable }: Scope): boolean =>
  cgroup !== undefined || container !== undefined || uid !== undefined || executable !== undefined;

const known = new WeakMap<Rule, { readonly condition: Condition; readonly own: ReadonlySet<Condition> }>();

const scopeOf = (rule: Rule): { readonly condition: Condition; readonly own: ReadonlySet<Condition> } => {
  const before = known.get(rule);
  if (before !== undefined) return before;
  const { condition, scope } = rule;
  const { span } = condition;
  const conditions = conditionsOf(scope, span);
  const made =
    conditions.length === 0
      ? { condition, own: new Set<Condition>() }
      : {
          condition: Object.freeze({ kind: 'and', operands: [...conditions, condition], span }) satisfies Condition,
          own: new Set(conditions.flatMap((each) => [...leaves(each)])),
        };
  known.set(rule, made);
  return made;
};

const leaves = function* (condition: Condition): Iterable<Condition> {
  if (condition.kind === 'and' || condition.kind === 'or')
    for (const operand of condition.operands) yield* leaves(operand);
  else yield condition;
};

/** The condition of a rule with its policy's scope in front; the same object each time. */
export const scopedCondition = (rule: Rule): Condition => scopeOf(rule).condition;

/** Whether a predicate of a rule's scoped condition comes from the scope. */
export const isOfScope = (rule: Rule, predicate: Predicate): boolean => scopeOf(rule).own.has(predicate);
