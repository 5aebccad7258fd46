import type { HookName } from '../../engine/object/index.ts';
import { evaluate, type FieldSource, type Predicate, Truth, truthOn } from '../language/index.ts';
import type { Placement, Plan } from './plan.ts';
import { SCOPE_FIELD } from './predicates.ts';
import { scopedCondition } from './scope.ts';

/** What the kernel decided about one event. */
export interface Decided {
  readonly hook: HookName;
  /** The event type the plan knows it under. */
  readonly event: string;
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
  return {
    matches: (rule, decided, source) => {
      const planned = plan.rules[rule];
      if (planned === undefined) return false;
      const placed = places[rule]?.get(`${decided.hook} ${decided.event}`);
      const truthOf = (predicate: Predicate): Truth => {
        const placement = placed?.get(predicate);
        if (placement?.placed.kind === 'constant') return placement.placed.truth;
        if (placement?.number !== undefined) {
          const truth = decided.truth(placement.number);
          if (isDecided(truth)) return truth;
        }
        if (predicate.field.name === SCOPE_FIELD) return Truth.TRUE;
        return truthOn(predicate, source);
      };
      return evaluate(scopedCondition(planned), truthOf, 'possible');
    },
  };
};
