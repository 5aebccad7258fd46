import type { Alert } from '../alerts/index.ts';
import type { Policy, PolicyTest } from '../policies/index.ts';
import { compile, type Diagnostic } from '../rules/index.ts';
import { createSimSensor, loadTestScenario } from '../sensors/index.ts';
import { runAgent } from './agent.ts';
import { createMemoryLog } from './memory-log.ts';

/** The kernel that policies' tests run in. */
const LEVEL = '6.12';
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

const isSame = (expected: readonly string[], raised: readonly string[]): boolean =>
  expected.length === raised.length && expected.every((rule, index) => rule === raised[index]);

/**
 * Runs the tests of a policy one after the other, each in a simulated host of its own under that policy's rules alone. The policy is
 * compiled once. @throws VerifierError where a kernel would refuse its programs
 */
export const runPolicyTests = async function* (policy: Policy): AsyncGenerator<TestOutcome> {
  if (policy.tests.length === 0) return;
  const compiled = compile(policy.rules, { level: LEVEL });
  const errors = compiled.diagnostics.filter(({ severity }) => severity === 'error');
  for (const test of policy.tests) {
    const failed = (diagnostics: readonly Diagnostic[]): TestOutcome => ({
      test,
      policy,
      passed: false,
      raised: [],
      alerts: [],
      problems: [],
      diagnostics,
    });
    const { scenario, diagnostics } = loadTestScenario(test);
    if (errors.length > 0 || scenario === undefined) {
      yield failed(errors.length > 0 ? errors : diagnostics);
      continue;
    }
    const alerts: Alert[] = [];
    const { problems } = await runAgent({
      policies: [policy],
      compiled,
      sensor: createSimSensor({ scenario, memory: MEMORY }),
      host: HOST,
      enforce: test.enforce,
      log: createMemoryLog(HOST),
      onAlert: (alert) => alerts.push(alert),
    });
    const raised = alerts.map((alert) => alert.rule);
    const passed = problems.length === 0 && isSame(test.expect, raised);
    yield { test, policy, passed, raised, alerts, problems, diagnostics };
  }
};
