export * from './btf.ts';
export * from './hooks.ts';
export * from './object.ts';
