export { containerOf } from './container.ts';
export { fieldsOf } from './fields.ts';
export { argumentsText, commandLine, createProcessTable, type KnownProcess, type ProcessTable } from './processes.ts';
export { expectedTrust } from './trust.ts';
