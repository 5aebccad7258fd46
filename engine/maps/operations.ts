import type { MapSpec } from '../object/index.ts';
import type { Memory } from '../vm/index.ts';
import { EINVAL } from './errno.ts';
import type { BpfMap } from './map.ts';

/** What a map type must know; keys are given by their offsets in memory. */
export interface MapStorage extends Pick<BpfMap, 'lookupAt' | 'deleteAt'> {
  /** Offset of the place for the key's value, made where there is none and the flags allow it; or a negative errno. */
  placeAt(keyOffset: number, flags: number): number;
}

/** A map's operations: those of programs, whose values lie in memory, and those of user space, whose values are copied in and out. */
export function mapOperations(
  memory: Memory,
  { keySize, valueSize }: MapSpec,
  storage: MapStorage,
): Pick<BpfMap, 'lookupAt' | 'updateAt' | 'deleteAt' | 'lookup' | 'update' | 'delete'> {
  const { bytes } = memory;
  const keyAt = memory.allocate(keySize);
  return {
    lookupAt: storage.lookupAt,
    deleteAt: storage.deleteAt,
    updateAt: (keyOffset, valueOffset, flags) => {
      const place = storage.placeAt(keyOffset, flags);
      if (place < 0) return place;
      bytes.copyWithin(place, valueOffset, valueOffset + valueSize);
      return 0;
    },
    lookup: (key) => {
      if (key.length !== keySize) return undefined;
      bytes.set(key, keyAt);
      const value = storage.lookupAt(keyAt);
      return value === 0 ? undefined : bytes.slice(value, value + valueSize);
    },
    update: (key, value, flags = 0) => {
      if (key.length !== keySize || value.length !== valueSize) return -EINVAL;
      bytes.set(key, keyAt);
      const place = storage.placeAt(keyAt, flags);
      if (place < 0) return place;
      bytes.set(value, place);
      return 0;
    },
    delete: (key) => {
      if (key.length !== keySize) return -EINVAL;
      bytes.set(key, keyAt);
      return storage.deleteAt(keyAt);
    },
  };
}
