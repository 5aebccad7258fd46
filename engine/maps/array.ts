import type { MapSpec } from '../object/index.ts';
import { E2BIG, EEXIST, EINVAL, ENOENT } from './errno.ts';
import { BPF_EXIST, BPF_F_LOCK, BPF_NOEXIST, type MapHost, type PerCpuMap } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { mapOperations } from './operations.ts';
import { valueShape } from './percpu.ts';

/** An array or per-CPU array: every index below `maxEntries` has a value from the start, zeroed (kernel/bpf/arraymap.c). */
export function createArrayMap(memory: MapMemory, spec: MapSpec, handle: number, host?: MapHost): PerCpuMap {
  const { view } = memory;
  const { maxEntries, valueSize } = spec;
  const shape = valueShape(spec, host);
  const { room, stride } = shape;
  const values = memory.allocate(room * maxEntries);
  const nextKey = memory.allocate(4);

  const findAt = (keyOffset: number): number => {
    const index = view.getUint32(keyOffset, true);
    return index < maxEntries ? values + index * room : 0;
  };
  const placeAt = (keyOffset: number, flags: number): number => {
    if (flags < 0 || flags > BPF_EXIST) return -EINVAL;
    const value = findAt(keyOffset);
    if (value === 0) return -E2BIG;
    return flags === BPF_NOEXIST ? -EEXIST : value;
  };
  const operations = mapOperations(memory, spec, shape, {
    findAt,
    placeAt,
    /** The kernel looks at the lock last, and at the others without it (array_map_update_elem). */
    programPlaceAt: (keyOffset, flags) => {
      if (flags < BPF_F_LOCK || flags > BPF_F_LOCK + BPF_EXIST) return placeAt(keyOffset, flags);
      const place = placeAt(keyOffset, flags - BPF_F_LOCK);
      return place < 0 ? place : -EINVAL;
    },
    deleteAt: () => -EINVAL,
    nextAt: (keyOffset) => {
      const index = keyOffset === 0 ? maxEntries : view.getUint32(keyOffset, true);
      if (index === maxEntries - 1) return -ENOENT;
      view.setUint32(nextKey, index < maxEntries ? index + 1 : 0, true);
      return nextKey;
    },
    takes: false,
  });

  return {
    spec,
    handle,
    ...operations,
    eachAt(visit) {
      for (let index = 0; index < maxEntries; index++) {
        view.setUint32(nextKey, index, true);
        if (visit(nextKey, values + index * room + shape.current())) return index + 1;
      }
      return maxEntries;
    },
    contains: (offset, length) =>
      offset >= values &&
      offset + length <= values + room * maxEntries &&
      ((offset - values) % stride) + length <= valueSize,
    valueOffset: spec.type === 'array' && maxEntries === 1 ? values : undefined,
    layout: room === stride ? { kind: 'array', values, stride, maxEntries } : undefined,
    close: memory.close,
  };
}
