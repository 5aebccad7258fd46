import type { Alert } from '../alerts/index.ts';
import type { FeatureLevel } from '../engine/object/index.ts';
import type { Policy, PolicyTest } from '../policies/index.ts';
import { type Compiled, compile, type Diagnostic } from '../rules/index.ts';
import { createSimSensor, loadTestScenario } from '../sensors/index.ts';
import { runAgent } from './agent.ts';
import { createMemoryLog } from './memory-log.ts';
import { compileObserver, type ObservedEvent, observed } from './observer.ts';

/** The kernel that policies' tests run in. */
const LEVEL: FeatureLevel = '6.12';
const HOST = 'test';
/** Bytes of a test's host: enough for a policy's maps and a few dozen processes. */
const MEMORY = 32 * 1024 * 1024;

/** What a test of a policy came to. */
export interface TestOutcome {
  readonly test: PolicyTest;
  readonly policy: Policy;
  readonly passed: boolean;
  /** The rules that were raised, in order. */
  readonly raised: readonly string[];
  readonly alerts: readonly Alert[];
  /** Why it failed, beside other alerts than expected: the scenario did not go as it says. */
  readonly problems: readonly string[];
  /** What is wrong with the test's scenario, or with the policy's rules. */
  readonly diagnostics: readonly Diagnostic[];
}

/** A policy, compiled once for its tests. */
export interface TestBench {
  readonly compiled: Compiled;
  /** Why the policy can't be tested. */
  readonly errors: readonly Diagnostic[];
  /** Runs a test in a simulated host of its own; `onEvent` gets every event of it. @throws VerifierError where a kernel would refuse the programs */
  run(test: PolicyTest, onEvent?: (event: ObservedEvent) => void): Promise<TestOutcome>;
}

/** Whether the rules that were raised are those that are expected, in the same order. */
export const isSame = (expected: readonly string[], raised: readonly string[]): boolean =>
  expected.length === raised.length && expected.every((rule, index) => rule === raised[index]);

/** Compiles a policy for its tests. `observer` is that of the same policy with other conditions; left out: it is compiled here when it is needed. */
export const createTestBench = (policy: Policy): TestBench => {
  const compiled = compile(policy.rules, { level: LEVEL });
  const errors = compiled.diagnostics.filter(({ severity }) => severity === 'error');
  let observer: Compiled | undefined;
  return {
    compiled,
    errors,
    run: async (test, onEvent) => {
      const { scenario, diagnostics } = loadTestScenario(test);
      if (errors.length > 0 || scenario === undefined) {
        const found = errors.length > 0 ? errors : diagnostics;
        return { test, policy, passed: false, raised: [], alerts: [], problems: [], diagnostics: found };
      }
      const alerts: Alert[] = [];
      const sensor = createSimSensor({ scenario, memory: MEMORY });
      if (onEvent !== undefined) observer ??= compileObserver(policy, LEVEL);
      const { problems } = await runAgent({
        policies: [policy],
        compiled,
        sensor: onEvent === undefined || observer === undefined ? sensor : observed(sensor, observer, onEvent),
        host: HOST,
        enforce: test.enforce,
        log: createMemoryLog(HOST),
        onAlert: (alert) => alerts.push(alert),
      });
      const raised = alerts.map((alert) => alert.rule);
      const passed = problems.length === 0 && isSame(test.expect, raised);
      return { test, policy, passed, raised, alerts, problems, diagnostics };
    },
  };
};
