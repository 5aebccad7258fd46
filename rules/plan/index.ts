export { beforeEffect, HOOKS_BEFORE_EFFECT, isKnownArgument } from './before-effect.ts';
export { type CountedRule, countedRules, type FollowedStep, followedSteps } from './correlation.ts';
export {
  FACT_SOURCES,
  type FactTest,
  factKey,
  MAX_FACT_COLUMNS,
} from './facts.ts';
export {
  ASKED_BY_FANOTIFY,
  beyondFanotify,
  type FanotifyQuestion,
  fanotifyName,
  isAskedByFanotify,
} from './fanotify.ts';
export { findingsOf, type RuleMatching } from './findings.ts';
export * from './formula.ts';
export type * from './placed.ts';
export * from './plan.ts';
export * from './predicates.ts';
export * from './residual.ts';
export { isNarrow, scopedCondition } from './scope.ts';
export * from './tests.ts';
export { TIER_NAMES, TIERS, type Tier, tierOf } from './tiers.ts';
export { taskDetailsOf, usedFields } from './used-fields.ts';
