import type { MapSpec } from '../object/index.ts';
import { align8 } from './align.ts';
import { copyBytes } from './copy.ts';
import { createElements } from './elements.ts';
import { EBADF, EEXIST, EINVAL, ENOENT, ENOMEM, ENOTSUPP } from './errno.ts';
import { BPF_ANY, BPF_EXIST, BPF_NOEXIST, type LocalStorageMap, type MapHost } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { userOperations } from './syscalls.ts';

const VALUE_AT = 16;
/** There is no limit of entries: each owner has one. */
const MOST = 2 ** 32;

/**
 * Storage of tasks or cgroups (kernel/bpf/bpf_local_storage.c, bpf_task_storage.c, bpf_cgrp_storage.c). User space names the owner by a
 * file descriptor, a pidfd or that of a cgroup's directory; an update gives the owner a new element.
 */
export function createLocalStorage(memory: MapMemory, spec: MapSpec, handle: number, host?: MapHost): LocalStorageMap {
  const { bytes, view } = memory;
  const { valueSize } = spec;
  const size = VALUE_AT + align8(valueSize);
  const elements = createElements(memory, { size, valueAt: VALUE_AT, valueSize, stride: size }, MOST);
  const owned = new Map<bigint, number>();
  const kind = spec.type === 'task_storage' ? 'task' : 'cgroup';
  const ownerAt = (key: number): bigint | undefined => host?.owner(kind, view.getUint32(key, true));

  const place = (owner: bigint, flags: number): number => {
    if (flags !== BPF_ANY && flags !== BPF_NOEXIST && flags !== BPF_EXIST) return -EINVAL;
    const old = owned.get(owner);
    if (old !== undefined && flags === BPF_NOEXIST) return -EEXIST;
    if (old === undefined && flags === BPF_EXIST) return -ENOENT;
    const element = elements.take();
    if (element === 0) return -ENOMEM;
    bytes.fill(0, element, element + size);
    if (old !== undefined) elements.give(old);
    owned.set(owner, element);
    return element + VALUE_AT;
  };
  const deleteStorage = (owner: bigint): number => {
    const element = owned.get(owner);
    if (element === undefined) return -ENOENT;
    owned.delete(owner);
    elements.give(element);
    return 0;
  };

  return {
    spec,
    handle,
    lookupAt: () => 0,
    updateAt: () => -ENOTSUPP,
    deleteAt: () => -ENOTSUPP,
    storageAt: (owner, valueOffset, create) => {
      const element = owned.get(owner);
      if (element !== undefined) return element + VALUE_AT;
      const value = create ? place(owner, BPF_NOEXIST) : 0;
      if (value <= 0) return 0;
      if (valueOffset !== 0) copyBytes(memory, value, valueOffset, valueSize);
      return value;
    },
    deleteStorage,
    ...userOperations(memory, spec, valueSize, {
      read: (key) => {
        const owner = ownerAt(key);
        if (owner === undefined) return -EBADF;
        const element = owned.get(owner);
        return element === undefined ? -ENOENT : element + VALUE_AT;
      },
      write: (key, value, flags) => {
        const owner = ownerAt(key);
        if (owner === undefined) return -EBADF;
        const at = place(owner, flags);
        if (at < 0) return at;
        bytes.set(value, at);
        return 0;
      },
      remove: (key) => {
        const owner = ownerAt(key);
        return owner === undefined ? -EBADF : deleteStorage(owner);
      },
    }),
    contains: elements.contains,
    valueOffset: undefined,
    layout: undefined,
    close() {
      owned.clear();
      memory.close();
    },
  };
}
