export * from './environment.ts';
export * from './helper.ts';
export * from './memory.ts';
