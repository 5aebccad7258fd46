export { type AgentOptions, type AgentSummary, CompileError, runAgent } from './agent.ts';
export { LoadError } from './load.ts';
export { runPolicyTests, type TestOutcome } from './policy-tests.ts';
