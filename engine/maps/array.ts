import type { MapSpec } from '../object/index.ts';
import type { Memory } from '../vm/index.ts';
import { E2BIG, EEXIST, EINVAL } from './errno.ts';
import { BPF_EXIST, BPF_NOEXIST, type BpfMap } from './map.ts';
import { align8 } from './spec.ts';
import { type ProgramSide, userSide } from './user.ts';

/** An array or per-CPU array: every index below `maxEntries` has a value from the start, zeroed (kernel/bpf/arraymap.c). */
export function createArrayMap(memory: Memory, spec: MapSpec, handle: number): BpfMap {
  const { bytes, view } = memory;
  const { maxEntries, valueSize } = spec;
  const stride = align8(valueSize);
  const values = memory.allocate(stride * maxEntries);

  const side: ProgramSide = {
    lookupAt: (keyOffset) => {
      const index = view.getUint32(keyOffset, true);
      return index < maxEntries ? values + index * stride : 0;
    },
    updateAt: (keyOffset, valueOffset, flags) => {
      if (flags < 0 || flags > BPF_EXIST) return -EINVAL;
      const index = view.getUint32(keyOffset, true);
      if (index >= maxEntries) return -E2BIG;
      if (flags === BPF_NOEXIST) return -EEXIST;
      bytes.copyWithin(values + index * stride, valueOffset, valueOffset + valueSize);
      return 0;
    },
    deleteAt: () => -EINVAL,
  };

  return {
    spec,
    handle,
    ...side,
    ...userSide(memory, spec, side),
    keys: function* () {
      for (let index = 0; index < maxEntries; index++) yield new Uint8Array(new Uint32Array([index]).buffer);
    },
    valueOffset: spec.type === 'array' && maxEntries === 1 ? values : undefined,
  };
}
