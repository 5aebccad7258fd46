import { type FeatureLevel, HOOKS } from '../engine/object/index.ts';
import {
  compile,
  fanotifyName,
  fanotifyTask,
  isAskedByFanotify,
  type Rule,
  TIERS,
  type Tier,
  tierOf,
} from '../rules/index.ts';
import { explainHook, type KernelReport, probeKernel } from '../sensors/index.ts';

/** The way that a rule which denies or kills is enforced on a kernel, for some of its events. */
export interface RuleTier {
  readonly events: readonly string[];
  readonly hook: string;
  /** Left out where the kernel offers none. */
  readonly tier?: string;
  /** What the way does; where there is none, why, and what to do about it. */
  readonly says: string;
}

/** The way to enforce that each of some hooks is. */
export const tiersOf = (hooks: readonly string[]): { readonly hook: string; readonly tier: Tier }[] =>
  hooks.flatMap((hook) => {
    const tier = tierOf(hook);
    return tier === undefined ? [] : [{ hook, tier }];
  });

/** The ways by which a rule that denies or kills is enforced on a kernel without LSM; empty where there is none. */
export const withoutLsm = (rule: Rule, level: FeatureLevel): Tier[] => {
  const hooks = Object.keys(HOOKS).filter((hook) => !hook.startsWith('lsm/'));
  const compiled = compile([rule], { level, hooks });
  const asked = new Set(fanotifyTask(compiled).task.rules.map(({ on }) => `fanotify/${on}`));
  const found = compiled.plan.hooks.flatMap(({ hook }): Tier[] => {
    const name = asked.has(fanotifyName(hook)) ? fanotifyName(hook) : hook;
    const tier = tierOf(name);
    return tier === undefined || tier === 'lsm' ? [] : [tier];
  });
  return [...new Set(found)];
};

/** What this kernel can be used for, found out once. */
export interface KernelHere {
  readonly name: string;
  /** Why nothing can be said of it. */
  readonly unavailable?: string;
  tiers(rules: readonly Rule[], index: number): readonly RuleTier[];
}

const hooksOf = (report: KernelReport): readonly string[] =>
  Object.keys(report.hooks).filter((hook) => report.hooks[hook] === undefined);

/** The running kernel, by what it reports. */
export const kernelHere = (report: KernelReport = probeKernel()): KernelHere => {
  const { release: name, unavailable, level } = report;
  if (unavailable !== undefined || level === undefined)
    return { name, unavailable: unavailable?.why ?? 'it is too old', tiers: () => [] };
  const hooks = hooksOf(report);
  return {
    name,
    tiers: (rules, index) => {
      const rule = rules[index];
      if (rule === undefined || rule.action === 'alert') return [];
      const compiled = compile([rule], { level, hooks });
      const asked = report.fanotify === undefined ? fanotifyTask(compiled).task.rules : [];
      return compiled.plan.hooks.map(({ hook, events }) => {
        const types = events.map(({ event }) => event.type);
        const isAsked = isAskedByFanotify(hook) && asked.some(({ on }) => `fanotify/${on}` === fanotifyName(hook));
        if (!hooks.includes(hook) && isAsked)
          return {
            events: types,
            hook: fanotifyName(hook),
            tier: 'fanotify',
            says: `${TIERS.fanotify.name}, on mounts that are named (--fanotify-mount): ${TIERS.fanotify.effect}`,
          };
        const tier = tierOf(hook);
        if (tier !== undefined && hooks.includes(hook))
          return { events: types, hook, tier, says: `${TIERS[tier].name}: ${TIERS[tier].effect}` };
        const { why, remedy } = explainHook(hook, report.hooks[hook] ?? { kind: 'absent' }, report);
        return { events: types, hook, says: `can't be enforced: ${why}; ${remedy}` };
      });
    },
  };
};

/** Lines about the ways that a rule is enforced on this kernel. */
export const tierLines = (here: KernelHere, rules: readonly Rule[], index: number): readonly string[] => {
  const rule = rules[index];
  if (rule === undefined || rule.action === 'alert') return [];
  if (here.unavailable !== undefined)
    return [`      here    Linux ${here.name}: nobody can tell (${here.unavailable})`];
  const found = here.tiers(rules, index);
  const says = [...new Set(found.map((each) => each.says))];
  return says.map((text) => {
    const hooks = found.filter((each) => each.says === text).map(({ hook }) => hook);
    return `      here    Linux ${here.name}, ${hooks.join(', ')}: ${text}`;
  });
};
