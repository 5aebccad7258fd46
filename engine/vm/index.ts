export * from './environment.ts';
export * from './fault.ts';
export * from './helper.ts';
export { HelperError } from './helper-arguments.ts';
export { HELPERS, helperById, helperByName } from './helpers.ts';
export * from './interpreter.ts';
export * from './memory.ts';
