import type { HookName } from '../../engine/object/index.ts';
import { type Condition, type FieldSource, literalHolds, type Predicate, Truth, truthOn } from '../language/index.ts';
import type { Placement, Plan } from './plan.ts';
import { SCOPE_FIELD } from './predicates.ts';
import { scopedCondition } from './scope.ts';

/** What the kernel decided about one event. */
export interface Decided {
  readonly hook: HookName;
  /** The event type the plan knows it under. */
  readonly event: { readonly type: string } | undefined;
  /** Truth of the hook's predicate with this number; undefined where it wasn't evaluated. */
  truth(predicate: number): Truth | undefined;
}

/** Checks the whole condition of rules that the kernel part matched. */
export interface Residual {
  /** Whether the rule (an index into the plan's rules) may match the event; unknown counts as a match. */
  matches(rule: number, decided: Decided, source: FieldSource): boolean;
}

const isDecided = (truth: Truth | undefined): truth is Truth =>
  truth === Truth.TRUE || truth === Truth.FALSE || truth === Truth.ABSENT;

/** Whether a condition may hold for an event. */
type Check = (decided: Decided, source: FieldSource) => boolean;

/** A predicate, as a rule has it at one hook for one event type. */
const literal = (predicate: Predicate, negated: boolean, placement: Placement | undefined): Check => {
  if (placement?.placed.kind === 'constant') {
    const holds = literalHolds(placement.placed.truth, negated, 'possible');
    return () => holds;
  }
  const isScope = predicate.field.name === SCOPE_FIELD;
  const left = (source: FieldSource): Truth => (isScope ? Truth.TRUE : truthOn(predicate, source));
  const number = placement?.number;
  if (number === undefined) return (_decided, source) => literalHolds(left(source), negated, 'possible');
  return (decided, source) => {
    const truth = decided.truth(number);
    return literalHolds(isDecided(truth) ? truth : left(source), negated, 'possible');
  };
};

/** As `evaluate` with the bound `possible`, but what it takes for each predicate is looked up before. */
const checkOf = (node: Condition, negated: boolean, placed: ReadonlyMap<Predicate, Placement> | undefined): Check => {
  switch (node.kind) {
    case 'constant': {
      const holds = node.value !== negated;
      return () => holds;
    }
    case 'not':
      return checkOf(node.operand, !negated, placed);
    case 'predicate':
      return literal(node, negated, placed?.get(node));
    default: {
      const every = (node.kind === 'and') !== negated;
      const checks = node.operands.map((operand) => checkOf(operand, negated, placed));
      return (decided, source) => {
        for (const check of checks) if (check(decided, source) !== every) return !every;
        return every;
      };
    }
  }
};

/**
 * The residual of a plan. What the kernel decided is taken as it is, and never read again; what it left open is evaluated on the
 * event's fields.
 */
export const residualOf = (plan: Plan): Residual => {
  const places: Map<string, Map<Predicate, Placement>>[] = plan.rules.map(() => new Map());
  for (const placement of plan.placements) {
    const own = places[placement.rule];
    const key = `${placement.hook} ${placement.event}`;
    const known = own?.get(key);
    if (known === undefined) own?.set(key, new Map([[placement.predicate, placement]]));
    else known.set(placement.predicate, placement);
  }
  /** By rule, hook and event type, made when first asked for. */
  const checks: Map<HookName, Map<string, Check>>[] = plan.rules.map(() => new Map());
  const checkAt = (rule: number, hook: HookName, event: string): Check | undefined => {
    const planned = plan.rules[rule];
    const ofHooks = checks[rule];
    if (planned === undefined || ofHooks === undefined) return undefined;
    let ofEvents = ofHooks.get(hook);
    if (ofEvents === undefined) {
      ofEvents = new Map();
      ofHooks.set(hook, ofEvents);
    }
    let check = ofEvents.get(event);
    if (check === undefined) {
      check = checkOf(scopedCondition(planned), false, places[rule]?.get(`${hook} ${event}`));
      ofEvents.set(event, check);
    }
    return check;
  };
  return {
    matches: (rule, decided, source) =>
      checkAt(rule, decided.hook, decided.event?.type ?? '')?.(decided, source) ?? false,
  };
};
