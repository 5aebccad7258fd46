export * from './events/index.ts';
export * from './kernel.ts';
