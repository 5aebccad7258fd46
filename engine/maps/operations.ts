import type { MapSpec } from '../object/index.ts';
import { copyBytes } from './copy.ts';
import { ENOENT } from './errno.ts';
import type { PerCpuMap } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import type { ValueShape } from './percpu.ts';
import { userOperations } from './syscalls.ts';

/** What a map type with keys and values in memory must know. Offsets of values are those of the first CPU's. */
export interface MapStorage {
  /** Offset of the key's value, or 0. */
  findAt(keyOffset: number): number;
  /** As `findAt`, for programs, where a lookup leaves a mark. */
  touchAt?(keyOffset: number): number;
  /** Offset of the place for the key's value, made where there is none and the flags allow it; or a negative errno. */
  placeAt(keyOffset: number, flags: number): number;
  /** As `placeAt`, for programs, where the errnos differ. */
  programPlaceAt?(keyOffset: number, flags: number): number;
  deleteAt(keyOffset: number): number;
  /** Offset of the key after the one at `keyOffset`, of the first where that is 0; or a negative errno. */
  nextAt(keyOffset: number): number;
  /** Whether user space may look up and delete in one call. */
  readonly takes: boolean;
}

type Operations = Omit<PerCpuMap, 'spec' | 'handle' | 'contains' | 'valueOffset' | 'layout' | 'eachAt' | 'close'>;

/** A map's operations: those of programs, whose values lie in memory, and those of user space, whose values are copied in and out. */
export function mapOperations(memory: MapMemory, spec: MapSpec, shape: ValueShape, storage: MapStorage): Operations {
  const { bytes } = memory;
  const { valueSize } = spec;
  const { perCpu, cpus, stride, userBytes, current } = shape;
  const find = storage.touchAt ?? storage.findAt;
  const place = storage.programPlaceAt ?? storage.placeAt;
  const read = (key: number): number => storage.findAt(key) || -ENOENT;

  return {
    lookupAt: perCpu
      ? (keyOffset) => {
          const value = find(keyOffset);
          return value === 0 ? 0 : value + current();
        }
      : find,
    lookupCpuAt: (keyOffset, cpu) => {
      const value = cpu < cpus ? find(keyOffset) : 0;
      return value === 0 ? 0 : value + cpu * stride;
    },
    deleteAt: storage.deleteAt,
    updateAt: (keyOffset, valueOffset, flags) => {
      const at = place(keyOffset, flags);
      if (at < 0) return at;
      copyBytes(memory, at + current(), valueOffset, valueSize);
      return 0;
    },
    ...userOperations(memory, spec, userBytes, {
      read,
      write: (key, value, flags) => {
        const at = storage.placeAt(key, flags);
        if (at < 0) return at;
        bytes.set(value, at);
        return 0;
      },
      remove: storage.deleteAt,
      next: storage.nextAt,
      ...(storage.takes && {
        take: (key: number) => {
          const value = read(key);
          if (value > 0) storage.deleteAt(key);
          return value;
        },
      }),
    }),
  };
}
