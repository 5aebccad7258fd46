export * from './environment.ts';
export * from './fault.ts';
export * from './helper.ts';
export * from './interpreter.ts';
export * from './memory.ts';
export { HELPERS, helperById, helperByName } from './helpers.ts';
export { HelperError } from './helper-arguments.ts';
