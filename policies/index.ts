export { formatPath, type Path, type SourcePlaces } from './document.ts';
export { formatDiagnostic } from './format-diagnostic.ts';
export { loadPolicies, loadPolicyText } from './load.ts';
export { diagnosticsOf, near } from './messages.ts';
export { packageFolder } from './package-folder.ts';
export * from './policy.ts';
export { describe, schemaDiagnostics } from './schema-issues.ts';
export { type DocumentKind, readYaml } from './yaml.ts';
