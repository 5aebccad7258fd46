import type { HookName } from '../../engine/object/index.ts';
import type { Diagnostic } from '../diagnostic.ts';
import {
  EVENT_TYPES,
  type EventType,
  expressionText,
  type Predicate,
  requestTypeOf,
  Truth,
} from '../language/index.ts';
import type { Rule } from '../rule.ts';
import { EVENT_BEFORE_EFFECT, FAMILIES } from './before-effect.ts';
import { correlationFindings } from './correlation.ts';
import { eventTypesOf, listed, neverMatches } from './event-types.ts';
import { createFactColumns, type FactTest, factKey } from './facts.ts';
import { type Formula, predicatesOf, toFormula } from './formula.ts';
import type { KernelPredicate, Placed, ProcessFact, Site } from './placed.ts';
import { EXEC_EVENTS, IO_URING_HOOK, placePredicate } from './predicates.ts';
import { isNarrow, isOfScope, scopedCondition } from './scope.ts';
import type { StringTest } from './tests.ts';
import { waysToEnforce } from './tiers.ts';

/** A predicate that a hook's program evaluates; its place in the array is its number. */
export interface PlannedPredicate {
  readonly key: string;
  readonly kernel: KernelPredicate;
  /** The condition's text of its first use, for listings. */
  readonly text: string;
}

/** A rule at a hook, for one event type; one object for all event types at which it comes to the same. */
export interface PlannedRule {
  /** Index into `Plan.rules`. */
  readonly rule: number;
  /** What the kernel part decides by: unknown counts as possible. */
  readonly possible: Formula;
  /** What an enforcing rule acts by; undefined for rules that only alert. */
  readonly certain: Formula | undefined;
}

/** What a hook's program does for one event type. */
export interface EventPlan {
  readonly event: EventType;
  readonly rules: readonly PlannedRule[];
}

/** Everything that one hook's program does. */
export interface HookPlan {
  readonly hook: HookName;
  readonly predicates: readonly PlannedPredicate[];
  readonly events: readonly EventPlan[];
}

/** A test of an exec fact; evaluated at exec, its byte is kept with the process. */
export interface ProcessTest {
  readonly key: string;
  readonly fact: ProcessFact;
  readonly test: StringTest;
  /** The condition's text of its first use, for listings. */
  readonly text: string;
}

/** Rules after the split. */
export interface Plan {
  readonly rules: readonly Rule[];
  readonly hooks: readonly HookPlan[];
  readonly processTests: readonly ProcessTest[];
  /** Tests of facts that the agent tells the kernel; those of a source are the columns of its rows, in this order. */
  readonly factTests: readonly FactTest[];
  /** cgroup paths of the policies' scopes. */
  readonly scopes: readonly string[];
  /** Where the predicates of a rule are evaluated, for `explain` and `check`. */
  readonly placements: readonly Placement[];
  /** Rules that can't be enforced as written, as indices into `rules`: they are at no hook. */
  readonly refused: readonly number[];
  readonly diagnostics: readonly Diagnostic[];
}

/** What became of one predicate of a rule at one hook. */
export interface Placement {
  readonly rule: number;
  readonly hook: HookName;
  readonly event: string;
  readonly predicate: Predicate;
  readonly placed: Placed;
  /** The predicate's number at the hook, where the kernel evaluates it. */
  readonly number?: number;
}

const jsonOf = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? `${part}n` : part instanceof Uint8Array ? [...part] : part,
  );

const testKeys = new WeakMap<object, string>();

/** What a test says, as a text: tests of the same key decide the same. Long lists are put into words once. */
export const testKey = (test: object): string => {
  const known = testKeys.get(test);
  if (known !== undefined) return known;
  const key = jsonOf(test);
  testKeys.set(test, key);
  return key;
};

/** Identity of a test of a process fact. */
export const processTestKey = (fact: ProcessFact, test: StringTest): string => `${fact} ${testKey(test)}`;

/** Identity of what the kernel evaluates: rules share what has the same. */
const kernelKey = (kernel: KernelPredicate): string => {
  if (kernel.place === 'scope') return jsonOf(kernel);
  if (kernel.place === 'facts') return factKey(kernel.of, kernel.predicate);
  const { test, ...where } = kernel;
  return `${JSON.stringify(where)} ${testKey(test)}`;
};

/** The text of a predicate, from its parts: what listings show beside a byte. */
export const predicateText = (predicate: Predicate): string => {
  const { field, operator, constants, left, right } = predicate;
  const name = expressionText(left ?? { kind: 'field', field, span: field.span });
  if (right !== undefined) return `${name} ${operator} ${expressionText(right)}`;
  const values = constants.map((constant) =>
    constant.type === 'string' || constant.type === 'network' ? constant.value : String(constant.value),
  );
  if (operator === 'exists') return `${name} exists`;
  const list = values.length > 4 ? `${values.slice(0, 3).join(', ')}, ... ${values.length} in all` : values.join(', ');
  if (['in', 'intersects', 'pmatch'].includes(operator)) return `${name} ${operator} (${list})`;
  return constants.length > 1 ? `${name} ${operator} anyof (${list})` : `${name} ${operator} ${list}`;
};

/** An event type at a hook, where several may count as one. */
const siteAt = (hook: HookName, event: EventType): Site => ({
  hook,
  event: EVENT_TYPES.get(EVENT_OF_HOOK[hook] ?? event.type) ?? event,
});

/** Whether all of a rule's predicates are decided in the kernel at some hooks. */
const decidedAt = (rule: Rule, event: EventType, hooks: readonly HookName[]): boolean => {
  const predicates = predicatesOf(scopedCondition(rule));
  return hooks.every((hook) =>
    predicates.every((predicate) => placePredicate(predicate, siteAt(hook, event)).kind !== 'user'),
  );
};

/**
 * The hooks at which a rule sees an event type, empty where its action has no hook before the effect. Rules that act see it where the strongest way to is
 * that the kernel offers, and that decides their predicates; where it offers none, at the strongest there is.
 */
const hooksFor = (rule: Rule, event: EventType, offered: ReadonlySet<string> | undefined): readonly HookName[] => {
  if (rule.action === 'alert') {
    if (event.type === 'procexit') return ['tp_btf/sched_process_exit'];
    if (EXEC_EVENTS.includes(event.type)) return ['tp_btf/sched_process_exec', 'tp_btf/sys_exit'];
    return requestTypeOf(event.type) === undefined ? ['tp_btf/sys_exit'] : ['tp_btf/sys_exit', IO_URING_HOOK];
  }
  const [strongest = [], ...weaker] = waysToEnforce(rule.action, event.type);
  const isOffered = (hooks: readonly HookName[]): boolean => hooks.every((hook) => offered?.has(hook) ?? true);
  if (isOffered(strongest)) return strongest;
  return weaker.find((hooks) => isOffered(hooks) && decidedAt(rule, event, hooks)) ?? strongest;
};

/** The event type that a hook's events count as, where their calls' numbers don't tell or don't matter. */
export const EVENT_OF_HOOK: Partial<Record<HookName, string>> = {
  'tp_btf/sched_process_exec': 'execve',
  'tp_btf/sched_process_exit': 'procexit',
  ...EVENT_BEFORE_EFFECT,
};

class HookBuilder {
  readonly predicates: PlannedPredicate[] = [];
  readonly events = new Map<string, { readonly event: EventType; readonly rules: PlannedRule[] }>();
  readonly #numbers = new Map<string, number>();

  number(kernel: KernelPredicate, predicate: Predicate): number {
    const key = kernelKey(kernel);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const index = this.predicates.length;
    this.predicates.push({ key, kernel, text: predicateText(predicate) });
    this.#numbers.set(key, index);
    return index;
  }
}

/**
 * Splits rules into what each hook's program decides and what user space checks afterwards. Findings are errors for rules that
 * can't be enforced as written (they are left out of the plan) and warnings for rules that can never match.
 * @param offered hooks that the kernel takes programs at, which say by what way a rule is enforced; left out: all
 */
export const planRules = (rules: readonly Rule[], offered?: ReadonlySet<string>): Plan => {
  const hooks = new Map<HookName, HookBuilder>();
  const processTests = new Map<string, ProcessTest>();
  const facts = createFactColumns();
  const scopes = new Set<string>();
  const placements: Placement[] = [];
  const refused: number[] = [];
  const diagnostics: Diagnostic[] = [];

  for (const [index, rule] of rules.entries()) {
    const before = diagnostics.length;
    const condition = scopedCondition(rule);
    const events = eventTypesOf(rule);
    diagnostics.push(...correlationFindings(rule, events));
    const planned: { hook: HookName; event: EventType; run: (builder: HookBuilder) => PlannedRule }[] = [];
    const seen = new Set<string>();
    const shared = new Map<string, PlannedRule>();
    for (const event of events) {
      const at = hooksFor(rule, event, offered);
      if (at.length === 0) {
        diagnostics.push({
          ...rule.position,
          severity: 'error',
          code: 'no-hook-before-effect',
          field: 'action',
          message: `rule "${rule.name}" can't ${rule.action} ${event.type}: there is no hook before its effect; ${rule.action} works on open, exec, connect, bind, sendto, unlink, rename, link, symlink, chmod, kill, ptrace, mount, setuid, init_module, bpf and their like`,
        });
        break;
      }
      for (const hook of at) {
        const site = siteAt(hook, event);
        const id = `${hook} ${site.event.type}`;
        if (seen.has(id)) continue;
        seen.add(id);
        const places = new Map<Predicate, Placed>();
        for (const predicate of predicatesOf(condition))
          places.set(
            predicate,
            facts.take(placePredicate(predicate, site), () => predicateText(predicate)),
          );
        const constantOnly = toFormula(condition, 'possible', (predicate) => {
          const placed = places.get(predicate);
          return placed?.kind === 'constant' ? placed.truth : Truth.UNKNOWN;
        });
        if (constantOnly.kind === 'constant' && !constantOnly.value) continue;
        if (rule.action !== 'alert') diagnostics.push(...refusals(rule, hook, places));
        planned.push({
          hook,
          event: site.event,
          run: (builder) => {
            const leaf = (predicate: Predicate): Truth | { index: number } => {
              const placed = places.get(predicate);
              if (placed?.kind === 'constant') return placed.truth;
              if (placed?.kind !== 'kernel') return Truth.UNKNOWN;
              const { kernel } = placed;
              if (kernel.place === 'process') {
                const key = processTestKey(kernel.fact, kernel.test);
                if (!processTests.has(key))
                  processTests.set(key, { key, fact: kernel.fact, test: kernel.test, text: predicateText(predicate) });
              }
              if (kernel.place === 'scope') scopes.add(kernel.cgroup);
              return { index: builder.number(kernel, predicate) };
            };
            const known = new Map<Predicate, Truth | { index: number }>();
            for (const [predicate, placed] of places) {
              const found = leaf(predicate);
              known.set(predicate, found);
              const number = typeof found === 'number' ? {} : { number: found.index };
              placements.push({ rule: index, hook, event: site.event.type, predicate, placed, ...number });
            }
            const key = `${hook} ${[...known.values()].map((each) => (typeof each === 'number' ? each : `#${each.index}`)).join()}`;
            let made = shared.get(key);
            if (made === undefined) {
              const of = (predicate: Predicate) => known.get(predicate) ?? Truth.UNKNOWN;
              made = {
                rule: index,
                possible: toFormula(condition, 'possible', of),
                certain: rule.action === 'alert' ? undefined : toFormula(condition, 'certain', of),
              };
              shared.set(key, made);
            }
            return made;
          },
        });
      }
    }
    if (diagnostics.slice(before).some((diagnostic) => diagnostic.severity === 'error')) {
      refused.push(index);
      continue;
    }
    if (planned.length === 0) {
      diagnostics.push(neverMatches(rule));
    }
    for (const { hook, event, run } of planned) {
      let builder = hooks.get(hook);
      if (builder === undefined) {
        builder = new HookBuilder();
        hooks.set(hook, builder);
      }
      let plan = builder.events.get(event.type);
      if (plan === undefined) {
        plan = { event, rules: [] };
        builder.events.set(event.type, plan);
      }
      plan.rules.push(run(builder));
    }
  }
  return {
    rules,
    hooks: [...hooks].map(([hook, builder]) => ({
      hook,
      predicates: builder.predicates,
      events: [...builder.events.values()],
    })),
    processTests: [...processTests.values()],
    factTests: facts.tests,
    scopes: [...scopes],
    placements,
    refused,
    diagnostics,
  };
};

/** Why a rule that denies or kills can't: a predicate that the kernel can't decide at a hook before the effect. */
const refusals = (rule: Rule, hook: HookName, places: ReadonlyMap<Predicate, Placed>): readonly Diagnostic[] => {
  const found: Diagnostic[] = [];
  for (const [predicate, placed] of places) {
    if (placed.kind !== 'user') continue;
    const ofScope = isOfScope(rule, predicate);
    found.push({
      ...(ofScope ? (rule.scope.position ?? rule.position) : rule.conditionAt(predicate.span)),
      severity: 'error',
      code: 'not-in-kernel',
      field: ofScope ? 'scope' : predicate.field.name,
      expected: 'predicates that the kernel decides before the effect',
      message: `rule "${rule.name}" can't ${rule.action} at ${hook}: ${ofScope ? "its scope's " : ''}"${predicateText(predicate)}" isn't decided there (${placed.reason})`,
    });
  }
  const family = FAMILIES[hook] ?? [];
  if (rule.on.length > 0 && !family.every((type) => rule.on.includes(type))) {
    found.push({
      ...rule.position,
      severity: 'error',
      code: 'not-in-kernel',
      field: 'on',
      expected: `on: [${family.join(', ')}]`,
      message: `rule "${rule.name}" can't ${rule.action} on ${rule.on.join(', ')} alone: ${hook} can't tell ${family.join(', ')} apart; name all of them`,
    });
  }
  const certain = toFormula(rule.condition, 'certain', (predicate) => {
    const placed = places.get(predicate);
    return placed?.kind === 'constant' ? placed.truth : placed?.kind === 'kernel' ? { index: 0 } : Truth.UNKNOWN;
  });
  if (rule.mode === 'enforce' && certain.kind === 'constant' && certain.value) {
    found.push({
      ...rule.position,
      severity: 'error',
      code: 'matches-everything',
      field: 'condition',
      expected: 'a condition that tells calls apart, by fd.name, fd.sip or proc.exepath',
      message: `rule "${rule.name}" may not ${rule.action} every ${listed(family.length > 0 ? family : [EVENT_OF_HOOK[hook] ?? 'call'], 'or')} in its scope: nothing in its condition tells one from another at ${hook}`,
    });
  }
  if (rule.mode === 'enforce' && !isNarrow(rule.scope)) {
    found.push({
      ...rule.position,
      severity: 'error',
      code: 'scope-required',
      field: 'scope',
      expected: 'scope: {cgroup: /some.slice}',
      message: `rule "${rule.name}" may not ${rule.action} without a scope`,
    });
  }
  return found;
};
