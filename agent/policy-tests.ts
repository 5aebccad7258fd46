import type { Policy } from '../policies/index.ts';
import type { ObservedEvent } from './observer.ts';
import { type BenchTest, createTestBench, type TestBench, type TestOutcome } from './test-bench.ts';

/**
 * Runs the tests of a policy, or others, one after the other, each in a simulated host of its own under that policy's rules alone. The policy is
 * compiled once, unless a bench is given. `onEvent` gets every event of the tests. @throws VerifierError where a kernel would refuse its programs
 */
export const runPolicyTests = async function* (
  policy: Policy,
  onEvent?: (event: ObservedEvent) => void,
  bench: TestBench | undefined = policy.tests.length === 0 ? undefined : createTestBench(policy),
  tests: readonly BenchTest[] = policy.tests,
): AsyncGenerator<TestOutcome> {
  for (const test of tests) if (bench !== undefined) yield await bench.run(test, onEvent);
};
