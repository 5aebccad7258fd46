export * from './codegen/index.ts';
export * from './compile.ts';
export * from './correlate/index.ts';
export * from './diagnostic.ts';
export * from './fanotify.ts';
export * from './language/index.ts';
export * from './plan/index.ts';
export * from './rule.ts';
