import { type Plan, type Position, type Predicate, predicatesOf, Truth } from '../rules/index.ts';
import { judgeOf, truthsOf } from './judge.ts';
import type { ObservedEvent } from './observer.ts';

/** What tests have seen of one predicate of a rule. */
export interface PredicateCoverage {
  readonly rule: string;
  /** Where it stands; for one of a macro, where the rule names the macro. */
  readonly position: Position;
  readonly predicate: Predicate;
  readonly seenTrue: boolean;
  /** False; or absent on an event of a type that can have the field. */
  readonly seenFalse: boolean;
}

/** What tests have seen of a policy's predicates. */
export interface Coverage {
  /** Takes an event of a test. */
  add(event: ObservedEvent): void;
  /** By rules, in the order in which they are written. Predicates that are known before an event happens are not among them. */
  readonly predicates: readonly PredicateCoverage[];
}

/** Of two outcomes a predicate, how many were seen: 0 to 1; 1 where there is no predicate. */
export const coverageRatio = (predicates: readonly PredicateCoverage[]): number => {
  if (predicates.length === 0) return 1;
  const seen = predicates.reduce((sum, each) => sum + Number(each.seenTrue) + Number(each.seenFalse), 0);
  return seen / (2 * predicates.length);
};

interface Seen {
  readonly predicate: Predicate;
  decided: boolean;
  true: boolean;
  false: boolean;
}

/**
 * Counts, for each predicate of a plan's rules, whether it was ever true and ever false on the events that its rule is asked about. Those that
 * the plan knows on every such event before it happens are left out.
 */
export const createCoverage = (plan: Plan): Coverage => {
  const rules = plan.rules.map((rule, index) => ({
    rule,
    judge: judgeOf(plan, index),
    seen: predicatesOf(rule.condition).map((predicate): Seen => {
      const varies = plan.placements.some(
        (each) => each.rule === index && each.predicate === predicate && each.placed.kind !== 'constant',
      );
      return { predicate, decided: varies, true: false, false: false };
    }),
  }));
  return {
    add: (event) => {
      const truths = truthsOf(event);
      for (const { judge, seen } of rules) {
        const sites = judge.sites(event);
        if (sites === undefined) continue;
        for (const each of seen) {
          if (!each.decided || (each.true && each.false)) continue;
          const placed = sites.get(each.predicate);
          const truth = truths.of(each.predicate, placed);
          if (truth === Truth.TRUE) each.true = true;
          else if (truth === Truth.FALSE) each.false = true;
          else if (truth === Truth.ABSENT && placed?.kind !== 'constant') each.false = true;
        }
      }
    },
    get predicates() {
      return rules.flatMap(({ rule, seen }) =>
        seen
          .filter(({ decided }) => decided)
          .map((each) => ({
            rule: rule.name,
            position: rule.conditionAt(each.predicate.span),
            predicate: each.predicate,
            seenTrue: each.true,
            seenFalse: each.false,
          })),
      );
    },
  };
};
