import type { MapSpec } from '../object/index.ts';
import type { Memory } from '../vm/index.ts';
import { EINVAL } from './errno.ts';
import type { BpfMap } from './map.ts';

/** A map as programs use it: keys and values by their offsets in memory. */
export type ProgramSide = Pick<BpfMap, 'lookupAt' | 'updateAt' | 'deleteAt'>;

/** Adds to a map what user space uses: keys and values are copied into a scratch area of the machine's memory. */
export function userSide(
  memory: Memory,
  spec: MapSpec,
  map: ProgramSide,
): Pick<BpfMap, 'lookup' | 'update' | 'delete'> {
  const { keySize, valueSize } = spec;
  const keyAt = memory.allocate(keySize);
  const valueAt = memory.allocate(valueSize);
  return {
    lookup: (key) => {
      if (key.length !== keySize) return undefined;
      memory.bytes.set(key, keyAt);
      const value = map.lookupAt(keyAt);
      return value === 0 ? undefined : memory.bytes.slice(value, value + valueSize);
    },
    update: (key, value, flags = 0) => {
      if (key.length !== keySize || value.length !== valueSize) return -EINVAL;
      memory.bytes.set(key, keyAt);
      memory.bytes.set(value, valueAt);
      return map.updateAt(keyAt, valueAt, flags);
    },
    delete: (key) => {
      if (key.length !== keySize) return -EINVAL;
      memory.bytes.set(key, keyAt);
      return map.deleteAt(keyAt);
    },
  };
}
