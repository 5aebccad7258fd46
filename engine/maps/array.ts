import type { MapSpec } from '../object/index.ts';
import type { Memory } from '../vm/index.ts';
import { E2BIG, EEXIST, EINVAL } from './errno.ts';
import { BPF_EXIST, BPF_NOEXIST, type BpfMap } from './map.ts';
import { type MapStorage, mapOperations } from './operations.ts';
import { align8 } from './spec.ts';

/** An array or per-CPU array: every index below `maxEntries` has a value from the start, zeroed (kernel/bpf/arraymap.c). */
export function createArrayMap(memory: Memory, spec: MapSpec, handle: number): BpfMap {
  const { view } = memory;
  const { maxEntries, valueSize } = spec;
  const stride = align8(valueSize);
  const values = memory.allocate(stride * maxEntries);

  const storage: MapStorage = {
    lookupAt: (keyOffset) => {
      const index = view.getUint32(keyOffset, true);
      return index < maxEntries ? values + index * stride : 0;
    },
    placeAt: (keyOffset, flags) => {
      if (flags < 0 || flags > BPF_EXIST) return -EINVAL;
      const index = view.getUint32(keyOffset, true);
      if (index >= maxEntries) return -E2BIG;
      if (flags === BPF_NOEXIST) return -EEXIST;
      return values + index * stride;
    },
    deleteAt: () => -EINVAL,
  };

  return {
    spec,
    handle,
    ...mapOperations(memory, spec, storage),
    keys: function* () {
      for (let index = 0; index < maxEntries; index++) yield new Uint8Array(new Uint32Array([index]).buffer);
    },
    contains: (offset, length) =>
      offset >= values &&
      offset + length <= values + stride * maxEntries &&
      ((offset - values) % stride) + length <= valueSize,
    valueOffset: spec.type === 'array' && maxEntries === 1 ? values : undefined,
    layout: { kind: 'array', values, stride, maxEntries },
  };
}
