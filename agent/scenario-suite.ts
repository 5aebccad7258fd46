import type { FeatureLevel } from '../engine/object/index.ts';
import type { Policy } from '../policies/index.ts';
import { compile } from '../rules/index.ts';
import { createSimSensor, type Scenario } from '../sensors/index.ts';
import { runAgent } from './agent.ts';
import { CompileError } from './compile-error.ts';
import { createMemoryLog } from './memory-log.ts';

/** The kernel that scenarios are played in. */
const LEVEL: FeatureLevel = '6.12';
const HOST = 'sim';

/** What playing a scenario came to. */
export interface Played {
  readonly scenario: Scenario;
  /** How many alerts each rule raised. */
  readonly raised: ReadonlyMap<string, number>;
  /** What did not go as the scenario says. */
  readonly problems: readonly string[];
}

/**
 * Plays scenarios one after the other, each on a simulated host of its own, under policies that are compiled once and enforce nothing.
 * @throws CompileError, VerifierError, Error for a scenario that no host can be set up for
 */
export const playScenarios = async function* (
  policies: readonly Policy[],
  scenarios: readonly Scenario[],
  signal?: AbortSignal,
): AsyncGenerator<Played> {
  const compiled = compile(
    policies.flatMap(({ rules }) => rules),
    { level: LEVEL },
  );
  const errors = compiled.diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new CompileError(errors);
  for (const scenario of scenarios) {
    if (signal?.aborted === true) return;
    const raised = new Map<string, number>();
    const { problems } = await runAgent({
      policies,
      compiled,
      sensor: createSimSensor({ scenario }),
      host: HOST,
      enforce: false,
      everyMatch: true,
      log: createMemoryLog(HOST),
      onAlert: ({ rule }) => raised.set(rule, (raised.get(rule) ?? 0) + 1),
    });
    yield { scenario, raised, problems };
  }
};
