export { createMap, isRingBuffer } from './create.ts';
export * from './errno.ts';
export * from './map.ts';
export { MapSpecError } from './spec.ts';
