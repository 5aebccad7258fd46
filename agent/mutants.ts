import {
  addressText,
  type Condition,
  type Constant,
  type Operator,
  type Predicate,
  predicatesOf,
  predicateText,
  type Span,
} from '../rules/index.ts';

/** A condition with one thing changed. */
export interface Mutant {
  /** Where the change is in the condition's text. */
  readonly span: Span;
  /** What stands there, and what stood in its place. */
  readonly before: string;
  readonly after: string;
  readonly condition: Condition;
}

/** Lists of at most so many values are also tried without each of them. */
const SHORT_LIST = 4;

/** The operator that is easily taken for another. */
const NEIGHBOURS: Partial<Record<Operator, Operator>> = {
  '=': '!=',
  '!=': '=',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  startswith: 'contains',
  endswith: 'contains',
  contains: 'startswith',
  icontains: 'contains',
  pmatch: 'in',
  glob: '=',
  iglob: 'glob',
};

/** An event type that no rule is about. */
const OTHER_EVENT = 'sched_yield';

const otherText = (text: string): string => `${text.slice(0, -1)}${text.endsWith('z') ? 'y' : 'z'}`;

/** The network beside: its last bit is the other one. */
const otherNetwork = (constant: Constant & { readonly type: 'network' }): Constant => {
  const { prefix } = constant;
  const bytes = constant.bytes.slice();
  const bit = Math.max(0, prefix - 1);
  const at = bit >> 3;
  bytes[at] = (bytes[at] ?? 0) ^ (0x80 >> (bit & 7));
  const single = prefix === bytes.length * 8;
  return { type: 'network', value: `${addressText(bytes)}${single ? '' : `/${prefix}`}`, bytes, prefix };
};

const otherConstant = (constant: Constant): Constant | undefined => {
  switch (constant.type) {
    case 'string':
      return { type: 'string', value: otherText(constant.value) };
    case 'number':
      return { type: 'number', value: constant.value + 1n };
    case 'network':
      return otherNetwork(constant);
    case 'boolean':
      return undefined;
  }
};

const otherConstants = ({ field, constants }: Predicate): readonly Constant[] | undefined => {
  if (field.name === 'evt.type') return [{ type: 'string', value: OTHER_EVENT }];
  const others = constants.map(otherConstant);
  return others.length === 0 || others.includes(undefined) ? undefined : (others as Constant[]);
};

interface Change {
  readonly after: string;
  readonly condition: Condition;
}

/** What a predicate is changed to. */
const changesOf = (predicate: Predicate): readonly Change[] => {
  const { span, operator, constants } = predicate;
  const changes: Change[] = [];
  const to = (changed: Predicate): void =>
    void changes.push({ after: predicateText(changed), condition: Object.freeze(changed) });
  const negated: Condition = Object.freeze({ kind: 'not', operand: predicate, span });
  changes.push({ after: `not ${predicateText(predicate)}`, condition: negated });
  const others = otherConstants(predicate);
  if (others !== undefined) to({ ...predicate, constants: others });
  const neighbour = NEIGHBOURS[operator];
  if (neighbour !== undefined) to({ ...predicate, operator: neighbour });
  if (constants.length > 1 && constants.length <= SHORT_LIST)
    for (const constant of constants) {
      const rest = { ...predicate, constants: constants.filter((each) => each !== constant) };
      const text = constant.type === 'string' || constant.type === 'network' ? constant.value : String(constant.value);
      changes.push({ after: `without ${text}`, condition: Object.freeze(rest) });
    }
  return changes;
};

/** A condition in few words: its first predicate. */
const shortText = (condition: Condition): string => {
  if (condition.kind === 'constant') return condition.value ? 'always' : 'never';
  if (condition.kind === 'predicate') return predicateText(condition);
  const [first] = predicatesOf(condition);
  const text = first === undefined ? '...' : predicateText(first);
  return condition.kind === 'not' ? `not (${text} ...)` : `(${text} ...)`;
};

const isLiteral = (condition: Condition): boolean =>
  condition.kind === 'predicate' || (condition.kind === 'not' && condition.operand.kind === 'predicate');

/**
 * Everything that is tried on a condition: each predicate negated, left out of the and or or around it, with other constants and with the
 * operator that is nearest to its own; each value of a short list left out; and each and as an or, each or as an and.
 */
export const mutantsOf = (condition: Condition): readonly Mutant[] => {
  const mutants: Mutant[] = [];
  /** `rebuild` puts another node in the place of this one. */
  const visit = (node: Condition, rebuild: (changed: Condition) => Condition): void => {
    switch (node.kind) {
      case 'constant':
        return;
      case 'predicate':
        for (const { after, condition: changed } of changesOf(node))
          mutants.push({ span: node.span, before: predicateText(node), after, condition: rebuild(changed) });
        return;
      case 'not':
        visit(node.operand, (changed) => rebuild(Object.freeze({ ...node, operand: changed })));
        return;
      default: {
        const { kind, operands, span } = node;
        for (const [index, operand] of operands.entries()) {
          visit(operand, (changed) =>
            rebuild(Object.freeze({ ...node, operands: Object.freeze(operands.with(index, changed)) })),
          );
          if (!isLiteral(operand)) continue;
          const rest = operands.filter((each) => each !== operand);
          const [only] = rest;
          if (only === undefined) continue;
          mutants.push({
            span: operand.span,
            before: shortText(operand),
            after: 'left out',
            condition: rebuild(rest.length === 1 ? only : Object.freeze({ ...node, operands: Object.freeze(rest) })),
          });
        }
        const other = kind === 'and' ? 'or' : 'and';
        const [first, second] = operands;
        if (first === undefined || second === undefined) return;
        const words = (between: string): string =>
          `${shortText(first)} ${between} ${shortText(second)}${operands.length > 2 ? ` ${between} ...` : ''}`;
        mutants.push({
          span,
          before: words(kind),
          after: words(other),
          condition: rebuild(Object.freeze({ ...node, kind: other })),
        });
      }
    }
  };
  visit(condition, (changed) => changed);
  return mutants;
};

/**
 * What is tried on a condition's top-level conjuncts, as a whole each: left out, and negated. A condition that is no conjunction is its only one,
 * and can only be negated.
 */
export const conjunctMutantsOf = (condition: Condition): readonly Mutant[] => {
  const conjuncts = condition.kind === 'and' ? condition.operands : [condition];
  return conjuncts.flatMap((conjunct, index): readonly Mutant[] => {
    const { span } = conjunct;
    const before = shortText(conjunct);
    const put = (operands: readonly Condition[]): Condition =>
      operands.length === 1 && operands[0] !== undefined
        ? operands[0]
        : Object.freeze({ kind: 'and', operands: Object.freeze(operands), span: condition.span });
    const turned: Condition =
      conjunct.kind === 'not' ? conjunct.operand : Object.freeze({ kind: 'not', operand: conjunct, span });
    const negated = { span, before, after: shortText(turned), condition: put(conjuncts.with(index, turned)) };
    if (conjuncts.length === 1) return [negated];
    return [{ span, before, after: 'left out', condition: put(conjuncts.toSpliced(index, 1)) }, negated];
  });
};
