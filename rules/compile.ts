import type { FeatureLevel } from '../engine/object/index.ts';
import { type Generated, generate } from './codegen/index.ts';
import type { Diagnostic } from './diagnostic.ts';
import { type Plan, planRules } from './plan/index.ts';
import type { Rule } from './rule.ts';

/** Rules compiled for one kernel. */
export interface Compiled extends Generated {
  readonly plan: Plan;
  /** Findings of the plan and of code generation; rules with an error are not in the object. */
  readonly diagnostics: readonly Diagnostic[];
}

export interface CompileOptions {
  readonly level: FeatureLevel;
  /** The kernel's hooks, by which rules that deny or kill find their way; left out: it has all. */
  readonly hooks?: readonly string[];
}

/** Compiles rules to one object. Never throws for what a rule says: see `diagnostics`. */
export const compile = (rules: readonly Rule[], options: CompileOptions): Compiled => {
  const plan = planRules(rules, options.hooks && new Set(options.hooks));
  const generated = generate(plan, options.level);
  const diagnostics: Diagnostic[] = [...plan.diagnostics];
  const said = new Set<string>();
  for (const { hook, predicate } of generated.overBudget) {
    const planned = plan.hooks.find((each) => each.hook === hook);
    const text = planned?.predicates[predicate]?.text ?? '';
    for (const placement of plan.placements) {
      const rule = plan.rules[placement.rule];
      if (rule === undefined || placement.hook !== hook || placement.placed.kind !== 'kernel') continue;
      if (placement.placed.kernel !== planned?.predicates[predicate]?.kernel) continue;
      const id = `${placement.rule} ${placement.predicate.span.start}`;
      if (said.has(id)) continue;
      said.add(id);
      diagnostics.push({
        ...rule.conditionAt(placement.predicate.span),
        severity: rule.action === 'alert' ? 'warning' : 'error',
        code: 'matcher-too-large',
        field: placement.predicate.field.name,
        message: `rule "${rule.name}": the patterns of "${text}" need more states than one matcher may have; user space decides them${
          rule.action === 'alert' ? '' : `, so that the rule can't ${rule.action}`
        }`,
      });
    }
  }
  for (const { hook, reason } of generated.tooLarge) {
    const here = new Set(plan.placements.filter((each) => each.hook === hook).map(({ rule }) => rule));
    const [first] = here;
    const position = (first === undefined ? undefined : rules[first]?.position) ?? { file: '', line: 1, column: 1 };
    diagnostics.push({
      ...position,
      severity: 'error',
      code: 'program-too-large',
      expected: 'fewer rules',
      message: `${here.size} rules are too many for the program at ${hook}: give an agent fewer of them (${reason})`,
    });
  }
  return { ...generated, plan, diagnostics };
};
