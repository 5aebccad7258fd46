import type { MapSpec } from '../object/index.ts';
import { copyBytes } from './copy.ts';
import { E2BIG, EINVAL, ENOENT } from './errno.ts';
import { BPF_ANY, BPF_EXIST, type KeylessMap } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { userOperations } from './syscalls.ts';

/** A queue or stack of values (kernel/bpf/queue_stack_maps.c). Pushing with BPF_EXIST onto a full one drops the oldest value. */
export function createQueueStack(memory: MapMemory, spec: MapSpec, handle: number): KeylessMap {
  const { bytes } = memory;
  const { valueSize, maxEntries } = spec;
  const values = memory.allocate(valueSize * maxEntries);
  const isStack = spec.type === 'stack';
  /** The oldest value's number, and how many there are. */
  let oldest = 0;
  let count = 0;

  const placeOf = (n: number): number => values + ((oldest + n) % maxEntries) * valueSize;
  /** Offset of the place for a new value, or a negative errno. */
  const pushPlace = (flags: number): number => {
    if (flags !== BPF_ANY && flags !== BPF_EXIST) return -EINVAL;
    if (count === maxEntries) {
      if (flags !== BPF_EXIST) return -E2BIG;
      oldest = (oldest + 1) % maxEntries;
      count--;
    }
    return placeOf(count++);
  };
  const peekPlace = (): number => (count === 0 ? -ENOENT : placeOf(isStack ? count - 1 : 0));
  const popPlace = (): number => {
    const place = peekPlace();
    if (place < 0) return place;
    if (!isStack) oldest = (oldest + 1) % maxEntries;
    count--;
    return place;
  };
  const give = (place: number, valueOffset: number): number => {
    if (place < 0) {
      bytes.fill(0, valueOffset, valueOffset + valueSize);
      return place;
    }
    copyBytes(memory, valueOffset, place, valueSize);
    return 0;
  };

  return {
    spec,
    handle,
    lookupAt: () => 0,
    updateAt: () => -EINVAL,
    deleteAt: () => -EINVAL,
    pushAt: (valueOffset, flags) => {
      const place = pushPlace(flags);
      if (place < 0) return place;
      copyBytes(memory, place, valueOffset, valueSize);
      return 0;
    },
    popAt: (valueOffset) => give(popPlace(), valueOffset),
    peekAt: (valueOffset) => give(peekPlace(), valueOffset),
    ...userOperations(memory, spec, valueSize, {
      read: peekPlace,
      write: (_key, value, flags) => {
        const place = pushPlace(flags);
        if (place < 0) return place;
        bytes.set(value, place);
        return 0;
      },
      remove: () => -EINVAL,
      take: popPlace,
      next: () => -EINVAL,
    }),
    contains: () => false,
    valueOffset: undefined,
    layout: undefined,
    close: memory.close,
  };
}
