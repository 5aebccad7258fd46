export { type Accounts, NO_ID, NO_NAME, ONLY_ROOT } from './accounts.ts';
export * from './containers/index.ts';
export { createDomainNames, type DomainNames, type Resolve } from './domain-names.ts';
export * from './events/index.ts';
export * from './kernel.ts';
export * from './linux/index.ts';
export { createRepeatedReplay, createReplaySensor, type RepeatedReplay, readCalls } from './replay/index.ts';
export * from './sim/index.ts';
