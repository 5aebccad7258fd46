import type { FeatureLevel } from '../engine/object/index.ts';
import { loadPolicies, type Policy } from '../policies/index.ts';
import { type Compiled, compile } from '../rules/index.ts';
import { createSimSensor, type Scenario, type ScenarioObserver } from '../sensors/index.ts';
import { runAgent } from './agent.ts';
import { CompileError } from './compile-error.ts';
import type { EnforcementBody } from './expected-enforcement.ts';
import { createMemoryLog } from './memory-log.ts';

/** The kernel that scenarios are played in. */
const LEVEL: FeatureLevel = '6.12';
const HOST = 'sim';

/** What playing a scenario came to. */
export interface Played {
  readonly scenario: Scenario;
  /** Those that it was played under. */
  readonly policies: readonly Policy[];
  /** How many alerts each rule raised. */
  readonly raised: ReadonlyMap<string, number>;
  /** Audit records of the kind `enforcement`, where policies of the scenario's own enforced. */
  readonly enforced: readonly EnforcementBody[] | undefined;
  /** What did not go as the scenario says. */
  readonly problems: readonly string[];
}

export interface SuiteOptions {
  /** Scenarios that come with policies are played under these, which enforce; else under the given ones, too. */
  readonly own?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly observer?: ScenarioObserver;
}

const compiledOf = (policies: readonly Policy[]): Compiled => {
  const compiled = compile(
    policies.flatMap(({ rules }) => rules),
    { level: LEVEL },
  );
  const errors = compiled.diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new CompileError(errors);
  return compiled;
};

/** The policies that a scenario comes with. @throws CompileError where they have mistakes */
const ownPolicies = (paths: readonly string[]): readonly Policy[] => {
  const { policies, diagnostics } = loadPolicies(paths);
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new CompileError(errors);
  return policies;
};

/**
 * Plays scenarios one after the other, each on a simulated host of its own, under policies that are compiled once and enforce nothing; those about
 * enforcement under their own, which enforce, where `own` says so. @throws CompileError, VerifierError, Error for a scenario that no host can be set up for
 */
export const playScenarios = async function* (
  policies: readonly Policy[],
  scenarios: readonly Scenario[],
  { own = false, signal, observer }: SuiteOptions = {},
): AsyncGenerator<Played> {
  let shared: Compiled | undefined;
  for (const scenario of scenarios) {
    if (signal?.aborted === true) return;
    const enforcement = own ? scenario.enforcement : undefined;
    const its = enforcement === undefined ? policies : ownPolicies(enforcement.policies);
    if (enforcement === undefined) shared ??= compiledOf(policies);
    const compiled = enforcement === undefined ? shared : compiledOf(its);
    const raised = new Map<string, number>();
    const enforced: EnforcementBody[] = [];
    const { problems } = await runAgent({
      policies: its,
      ...(compiled && { compiled }),
      sensor: createSimSensor({ scenario, ...(observer && { observer }) }),
      host: HOST,
      enforce: enforcement !== undefined,
      ...(enforcement?.budget && { budget: enforcement.budget }),
      protect: enforcement?.protect ?? [],
      everyMatch: true,
      log: createMemoryLog(HOST),
      onAlert: ({ rule }) => raised.set(rule, (raised.get(rule) ?? 0) + 1),
      onEnforcement: (body) => enforced.push(body),
    });
    yield { scenario, policies: its, raised, enforced: enforcement && enforced, problems };
  }
};
