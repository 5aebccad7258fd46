import {
  evaluate,
  type Placed,
  type Plan,
  type Predicate,
  SCOPE_FIELD,
  scopedCondition,
  Truth,
  truthOn,
} from '../rules/index.ts';
import type { ObservedEvent } from './observer.ts';

/** What a rule says of an event. */
export interface Judgement {
  /** An alert is raised. */
  readonly possible: boolean;
  /** A rule that denies or kills may act. */
  readonly certain: boolean;
}

/** A rule, asked about events one by one in user space. */
export interface Judge {
  /** Where its predicates are decided for an event; undefined where the rule is not asked about it. */
  sites(event: ObservedEvent): ReadonlyMap<Predicate, Placed> | undefined;
  judge(event: ObservedEvent, truths: Truths): Judgement;
}

/** Truths of predicates on one event, which judges share. */
export interface Truths {
  of(predicate: Predicate, placed: Placed | undefined): Truth;
}

/** Truths on an event, each found once; what the plan knows of an event's type before it happens is taken from there. */
export const truthsOf = ({ source }: ObservedEvent): Truths => {
  const known = new Map<Predicate, Truth>();
  return {
    of: (predicate, placed) => {
      if (placed?.kind === 'constant') return placed.truth;
      if (predicate.field.name === SCOPE_FIELD) return Truth.TRUE;
      const found = known.get(predicate) ?? truthOn(predicate, source);
      known.set(predicate, found);
      return found;
    },
  };
};

const NO: Judgement = { possible: false, certain: false };

/** The judge of a rule of a plan, by its index. */
export const judgeOf = (plan: Plan, index: number): Judge => {
  const rule = plan.rules[index];
  const condition = rule && scopedCondition(rule);
  const sites = new Map<string, Map<Predicate, Placed>>();
  for (const { hook, events } of plan.hooks)
    for (const { event, rules } of events)
      if (rules.some((each) => each.rule === index)) sites.set(`${hook} ${event.type}`, new Map());
  for (const { rule: of, hook, event, predicate, placed } of plan.placements)
    if (of === index) sites.get(`${hook} ${event}`)?.set(predicate, placed);
  const at = ({ record }: ObservedEvent) => sites.get(`${record.hook} ${record.event?.type ?? ''}`);
  return {
    sites: at,
    judge: (event, truths) => {
      const placed = at(event);
      if (placed === undefined || rule === undefined || condition === undefined) return NO;
      const truthOf = (predicate: Predicate): Truth => truths.of(predicate, placed.get(predicate));
      return {
        possible: evaluate(condition, truthOf, 'possible'),
        certain: rule.action !== 'alert' && evaluate(condition, truthOf, 'certain'),
      };
    },
  };
};
