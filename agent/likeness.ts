import {
  type Bound,
  type Formula,
  type Placed,
  type Plan,
  type Predicate,
  scopedCondition,
  type Truth,
  testKey,
  toFormula,
} from '../rules/index.ts';

const plain = (value: unknown): string =>
  JSON.stringify(value, (key, part: unknown) => {
    if (key === 'span') return undefined;
    return typeof part === 'bigint' ? `${part}n` : part instanceof Uint8Array ? [...part] : part;
  });

/** What decides a predicate: predicates with the same key have the same truth on every event. */
const keyOf = (predicate: Predicate, placed: Placed | undefined): string => {
  if (placed?.kind !== 'kernel') return plain(predicate);
  const { kernel } = placed;
  if (!('test' in kernel)) return plain(kernel);
  const { test, ...where } = kernel;
  return `${plain(where)} ${testKey(test)}`;
};

/** A formula as a text in which the order of operands, and operands that stand there twice, make no difference. */
const textOf = (formula: Formula, keys: readonly string[]): string => {
  switch (formula.kind) {
    case 'constant':
      return String(formula.value);
    case 'literal':
      return `${formula.negated ? '!' : ''}${keys[formula.predicate]}`;
    default: {
      const parts = new Set(formula.operands.map((operand) => textOf(operand, keys)));
      return `${formula.kind}(${[...parts].sort().join(' ')})`;
    }
  }
};

/**
 * What a rule of a plan comes to at each hook for each event type, once what is known before the event is folded: rules of the same text
 * match the same events.
 */
export const likenessOf = (plan: Plan, index: number): string => {
  const rule = plan.rules[index];
  if (rule === undefined) return '';
  const sites = new Map<string, Map<Predicate, Placed>>();
  for (const { hook, events } of plan.hooks)
    for (const { event, rules } of events)
      if (rules.some((each) => each.rule === index)) sites.set(`${hook} ${event.type}`, new Map());
  for (const { rule: of, hook, event, predicate, placed } of plan.placements)
    if (of === index) sites.get(`${hook} ${event}`)?.set(predicate, placed);
  const condition = scopedCondition(rule);
  const bounds: readonly Bound[] = rule.action === 'alert' ? ['possible'] : ['possible', 'certain'];
  const texts: string[] = [];
  for (const [site, places] of sites) {
    for (const bound of bounds) {
      const keys: string[] = [];
      const leaf = (predicate: Predicate): Truth | { readonly index: number } => {
        const placed = places.get(predicate);
        if (placed?.kind === 'constant') return placed.truth;
        return { index: keys.push(keyOf(predicate, placed)) - 1 };
      };
      const formula = toFormula(condition, bound, leaf);
      if (formula.kind !== 'constant' || formula.value) texts.push(`${site} ${bound} ${textOf(formula, keys)}`);
    }
  }
  return texts.sort().join('\n');
};
