export { containerValue, isContainerField } from './container.ts';
export { fieldsOf } from './fields.ts';
export {
  argumentsText,
  commandLine,
  createProcessTable,
  type KnownProcess,
  type Processes,
  type ProcessTable,
  snapshotOf,
} from './processes.ts';
export { expectedTrust } from './trust.ts';
