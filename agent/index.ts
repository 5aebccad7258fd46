export { type AgentOptions, type AgentSummary, runAgent } from './agent.ts';
export { CompileError } from './compile-error.ts';
export { coverageRatio, createCoverage, type PredicateCoverage } from './coverage.ts';
export { LoadError, loadObject, mapOf } from './load.ts';
export { type Measured, type MeasuredRule, measurePolicy } from './measure.ts';
export { type MutationResult, mutateConjuncts, mutatePolicy, mutationScore } from './mutation.ts';
export { runPolicyTests } from './policy-tests.ts';
export type { Reload, ReloadOutcome } from './reload.ts';
export { type BenchTest, createTestBench, scenarioTests, type TestBench, type TestOutcome } from './test-bench.ts';
