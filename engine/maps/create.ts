import type { MapSpec, MapType } from '../object/index.ts';
import type { Memory } from '../vm/index.ts';
import { createArrayMap } from './array.ts';
import { createBloomFilter } from './bloom-filter.ts';
import { createCgroupArray } from './cgroup-array.ts';
import { createHashMap } from './hash.ts';
import { createLocalStorage } from './local-storage.ts';
import { createLpmTrie } from './lpm-trie.ts';
import { createLruHashMap } from './lru-hash.ts';
import type {
  BpfMap,
  CgroupArray,
  IterableMap,
  KeylessMap,
  LocalStorageMap,
  MapHost,
  MapOfMaps,
  PerCpuMap,
  PerfEventArray,
  ProgArray,
  RingBuffer,
  StackTraceMap,
} from './map.ts';
import { createMapMemory, type MapMemory } from './map-memory.ts';
import { createArrayOfMaps, createHashOfMaps } from './map-of-maps.ts';
import { MapSpecError } from './map-spec-error.ts';
import { isPerCpu } from './percpu.ts';
import { createPerfEventArray } from './perf-event-array.ts';
import { createProgArray } from './prog-array.ts';
import { createQueueStack } from './queue-stack.ts';
import { createRingBuffer } from './ringbuf.ts';
import { checkMapSpec } from './spec.ts';
import { createStackTrace } from './stack-trace.ts';

const MAP_TYPES = {
  array: createArrayMap,
  percpu_array: createArrayMap,
  hash: createHashMap,
  percpu_hash: createHashMap,
  lru_hash: createLruHashMap,
  lru_percpu_hash: createLruHashMap,
  lpm_trie: createLpmTrie,
  prog_array: createProgArray,
  perf_event_array: createPerfEventArray,
  cgroup_array: createCgroupArray,
  array_of_maps: createArrayOfMaps,
  hash_of_maps: createHashOfMaps,
  queue: createQueueStack,
  stack: createQueueStack,
  bloom_filter: createBloomFilter,
  ringbuf: createRingBuffer,
  task_storage: createLocalStorage,
  cgrp_storage: createLocalStorage,
  stack_trace: createStackTrace,
} satisfies Record<MapType, (memory: MapMemory, spec: MapSpec, handle: number, host?: MapHost) => BpfMap>;

/**
 * Creates a map in a machine's memory and writes its spec's contents.
 * @param handle the number programs refer to the map by, unique in the machine.
 * @param host what is around the map; without it a machine of one CPU, with no programs, other maps, tasks or cgroups.
 * @throws MapSpecError
 */
export function createMap(memory: Memory, spec: MapSpec, handle: number, host?: MapHost): BpfMap {
  checkMapSpec(spec);
  const mapMemory = createMapMemory(memory, spec, host?.mapBytes);
  try {
    const map = MAP_TYPES[spec.type](mapMemory, spec, handle, host);
    for (const [index, [key, value]] of (spec.contents ?? []).entries()) write(map, index, key, value);
    return map;
  } catch (error) {
    mapMemory.close();
    throw error;
  }
}

function write(map: BpfMap, index: number, key: Uint8Array, value: Uint8Array): void {
  const { spec } = map;
  if (key.length !== spec.keySize || (value.length !== spec.valueSize && !isPerCpu(spec.type)))
    throw new MapSpecError(
      spec,
      `entry ${index} of its contents has ${key.length} bytes of key and ${value.length} of value; the map has ${spec.keySize} and ${spec.valueSize}`,
    );
  const error = map.update(key, value);
  if (error !== 0)
    throw new MapSpecError(
      spec,
      `entry ${index} of its contents does not fit: the map has room for ${spec.maxEntries} (errno ${-error})`,
      -error,
    );
}

/** Whether a map is a ring buffer. */
export const isRingBuffer = (map: BpfMap): map is RingBuffer => map.spec.type === 'ringbuf';
/** Whether programs may visit a map's entries. */
export const isIterable = (map: BpfMap): map is IterableMap => 'eachAt' in map;
/** Whether a map has values for every CPU. */
export const isPerCpuMap = (map: BpfMap): map is PerCpuMap => isPerCpu(map.spec.type);
/** Whether a map is a queue, a stack or a bloom filter. */
export const isKeyless = (map: BpfMap): map is KeylessMap => 'pushAt' in map;
/** Whether a map's values are maps. */
export const isMapOfMaps = (map: BpfMap): map is MapOfMaps => 'mapAt' in map;
export const isProgArray = (map: BpfMap): map is ProgArray => map.spec.type === 'prog_array';
export const isCgroupArray = (map: BpfMap): map is CgroupArray => map.spec.type === 'cgroup_array';
export const isPerfEventArray = (map: BpfMap): map is PerfEventArray => map.spec.type === 'perf_event_array';
export const isStackTrace = (map: BpfMap): map is StackTraceMap => map.spec.type === 'stack_trace';
/** Whether a map's values belong to tasks or cgroups. */
export const isLocalStorage = (map: BpfMap): map is LocalStorageMap => 'storageAt' in map;
