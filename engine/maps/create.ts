import type { MapSpec, MapType } from '../object/index.ts';
import type { Memory } from '../vm/index.ts';
import { createArrayMap } from './array.ts';
import { createHashMap } from './hash.ts';
import type { BpfMap, RingBuffer } from './map.ts';
import { createRingBuffer } from './ringbuf.ts';
import { checkMapSpec, MapSpecError } from './spec.ts';

const MAP_TYPES = {
  array: createArrayMap,
  percpu_array: createArrayMap,
  hash: createHashMap,
  ringbuf: createRingBuffer,
} as Partial<Record<MapType, (memory: Memory, spec: MapSpec, handle: number) => BpfMap>>;

/**
 * Creates a map in a machine's memory and writes its spec's contents. The machine has one CPU, so a per-CPU array is an array.
 * @param handle the number programs refer to the map by, unique in the machine.
 * @throws MapSpecError OutOfMemoryError
 */
export function createMap(memory: Memory, spec: MapSpec, handle: number): BpfMap | RingBuffer {
  checkMapSpec(spec);
  const map = MAP_TYPES[spec.type]!(memory, spec, handle);
  for (const [index, [key, value]] of (spec.contents ?? []).entries()) {
    if (key.length !== spec.keySize || value.length !== spec.valueSize)
      throw new MapSpecError(
        spec,
        `entry ${index} of its contents has ${key.length} bytes of key and ${value.length} of value; the map has ${spec.keySize} and ${spec.valueSize}`,
      );
    const error = map.update(key, value);
    if (error !== 0)
      throw new MapSpecError(
        spec,
        `entry ${index} of its contents does not fit: the map has room for ${spec.maxEntries} (errno ${-error})`,
      );
  }
  return map;
}

/** Whether a map is a ring buffer. */
export function isRingBuffer(map: BpfMap): map is RingBuffer {
  return map.spec.type === 'ringbuf';
}
