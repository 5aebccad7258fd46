export * from './diagnostic.ts';
export * from './language/index.ts';
export * from './rule.ts';
