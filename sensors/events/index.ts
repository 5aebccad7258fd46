export { containerValue, isContainerField } from './container.ts';
export { fieldsOf } from './fields.ts';
export { argumentsText, commandLine, type KnownProcess } from './process.ts';
export {
  createProcessTable,
  type Processes,
  type ProcessTable,
  snapshotOf,
} from './processes.ts';
export { expectedTrust } from './trust.ts';
