export { type AgentOptions, type AgentSummary, CompileError, runAgent } from './agent.ts';
