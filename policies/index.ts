export { type DiagnosticFormat, formatDiagnostic } from './format-diagnostic.ts';
export { type LoadOptions, loadPolicies, loadPolicyText } from './load.ts';
export * from './policy.ts';
export { type PolicyDocument, PolicySchema } from './schema.ts';
