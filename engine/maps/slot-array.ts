import type { MapSpec } from '../object/index.ts';
import { E2BIG, EINVAL, ENOENT, ENOTSUPP } from './errno.ts';
import { BPF_ANY, type BpfMap } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { userOperations } from './syscalls.ts';

/** What the slots of an array of kernel objects hold. */
export interface SlotKind<T> {
  /** What a file descriptor that user space writes stands for; a negative errno where it is nothing for this map. */
  get(fd: number): T | number;
  /** What user space reads; such a map can't be read where it is left out. */
  id?(value: T): number;
}

/** An array whose slots hold kernel objects, empty at first (bpf_fd_array_map_* of kernel/bpf/arraymap.c). */
export interface SlotArray<T> extends BpfMap {
  slot(index: number): T | undefined;
  set(index: number, value: T): void;
}

/** A value that can't be taken for an errno. */
export type Slot = bigint | object;

/** Creates the common part of the arrays whose values user space writes as 4 bytes of file descriptor. @throws MapSpecError */
export function createSlotArray<T extends Slot>(
  memory: MapMemory,
  spec: MapSpec,
  handle: number,
  kind: SlotKind<T>,
): SlotArray<T> {
  const { view } = memory;
  const { maxEntries } = spec;
  const slots = new Map<number, T>();
  const nextKey = memory.allocate(4);
  const result = memory.allocate(4);

  const deleteAt = (keyOffset: number): number => {
    const index = view.getUint32(keyOffset, true);
    if (index >= maxEntries) return -E2BIG;
    return slots.delete(index) ? 0 : -ENOENT;
  };
  const { id } = kind;

  return {
    spec,
    handle,
    lookupAt: () => 0,
    updateAt: () => -ENOTSUPP,
    deleteAt,
    ...userOperations(memory, spec, 4, {
      ...(id && {
        read: (key: number) => {
          const value = slots.get(view.getUint32(key, true));
          if (value === undefined) return -ENOENT;
          view.setUint32(result, id(value), true);
          return result;
        },
      }),
      write: (key, value, flags) => {
        if (flags !== BPF_ANY) return -EINVAL;
        const index = view.getUint32(key, true);
        if (index >= maxEntries) return -E2BIG;
        const held = kind.get(new DataView(value.buffer, value.byteOffset, 4).getUint32(0, true));
        if (typeof held === 'number') return held;
        slots.set(index, held);
        return 0;
      },
      remove: deleteAt,
      next: (key) => {
        const index = key === 0 ? maxEntries : view.getUint32(key, true);
        if (index === maxEntries - 1) return -ENOENT;
        view.setUint32(nextKey, index < maxEntries ? index + 1 : 0, true);
        return nextKey;
      },
    }),
    contains: () => false,
    valueOffset: undefined,
    layout: undefined,
    close() {
      slots.clear();
      memory.close();
    },
    slot: (index) => slots.get(index),
    set: (index, value) => void slots.set(index, value),
  };
}
