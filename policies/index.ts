export { formatDiagnostic } from './format-diagnostic.ts';
export { loadPolicies, loadPolicyText } from './load.ts';
export * from './policy.ts';
