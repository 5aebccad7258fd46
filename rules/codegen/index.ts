export { CONFIG } from './config.ts';
export * from './layout.ts';
export { type Generated, generate, processKey, processValue } from './object.ts';
export * from './record.ts';
