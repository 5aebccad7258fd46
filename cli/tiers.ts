import { compile, type Rule, TIERS, tierOf } from '../rules/index.ts';
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
      const { plan } = compile([rule], { level, hooks });
      return plan.hooks.map(({ hook, events }) => {
        const types = events.map(({ event }) => event.type);
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
