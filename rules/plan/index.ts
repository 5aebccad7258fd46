export * from './formula.ts';
export type * from './placed.ts';
export * from './plan.ts';
export * from './predicates.ts';
export * from './residual.ts';
export * from './tests.ts';
