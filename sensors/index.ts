export * from './events/index.ts';
export * from './kernel.ts';
export { createReplaySensor, type OnProblem, parseStrace, type Recording, type ReplayOptions } from './replay/index.ts';
