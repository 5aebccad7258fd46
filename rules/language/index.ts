export * from './ast.ts';
export * from './constants.ts';
export * from './events.ts';
export * from './fields.ts';
export * from './template.ts';
export * from './truth.ts';
export * from './value.ts';
