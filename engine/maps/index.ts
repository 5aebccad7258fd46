export {
  createMap,
  isCgroupArray,
  isIterable,
  isKeyless,
  isLocalStorage,
  isMapOfMaps,
  isPerCpuMap,
  isPerfEventArray,
  isProgArray,
  isRingBuffer,
  isStackTrace,
} from './create.ts';
export * from './errno.ts';
export * from './map.ts';
export { MapSpecError } from './map-spec-error.ts';
export { isPerCpu } from './percpu.ts';
