import { BPF_F_INNER_MAP, type MapSpec } from '../object/index.ts';
import { align8 } from './align.ts';
import { createElements } from './elements.ts';
import { E2BIG, EBADF, EEXIST, EINVAL, ENOENT, ENOMEM, ENOTSUPP } from './errno.ts';
import { hashEntries } from './hash-entries.ts';
import { createHashTable, KEY_AT } from './hash-table.ts';
import { BPF_ANY, BPF_EXIST, BPF_NOEXIST, type MapHost, type MapOfMaps } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { createSlotArray } from './slot-array.ts';
import { userOperations } from './syscalls.ts';

/** Whether a map may stand where the spec of an inner map was given (bpf_map_meta_equal, array_map_meta_equal). */
function isAlike(inner: MapSpec, map: MapSpec): boolean {
  const flags = inner.flags ?? 0;
  if (inner.type !== map.type || inner.keySize !== map.keySize || inner.valueSize !== map.valueSize) return false;
  if (flags !== (map.flags ?? 0)) return false;
  return inner.type !== 'array' || (flags & BPF_F_INNER_MAP) !== 0 || inner.maxEntries === map.maxEntries;
}

/** Handle of the map that user space names; -EBADF where there is none, -EINVAL where it is not like the spec's inner map. */
function innerMap(spec: MapSpec, host: MapHost | undefined, fd: number): number {
  const map = host?.map(fd);
  if (map === undefined) return -EBADF;
  return isAlike(spec.inner!, map.spec) ? fd : -EINVAL;
}

/** An array of maps (kernel/bpf/arraymap.c, map_in_map.c); file descriptors and ids are handles of maps. */
export function createArrayOfMaps(memory: MapMemory, spec: MapSpec, handle: number, host?: MapHost): MapOfMaps {
  const { view } = memory;
  const {
    slot,
    set: _,
    ...map
  } = createSlotArray<{ readonly map: number }>(memory, spec, handle, {
    get(fd) {
      const inner = innerMap(spec, host, fd);
      return inner < 0 ? inner : { map: inner };
    },
    id: (held) => held.map,
  });
  return { ...map, mapAt: (keyOffset) => slot(view.getUint32(keyOffset, true))?.map };
}

/** A hash map of maps (kernel/bpf/hashtab.c, map_in_map.c); file descriptors and ids are handles of maps. */
export function createHashOfMaps(memory: MapMemory, spec: MapSpec, handle: number, host?: MapHost): MapOfMaps {
  const { view } = memory;
  const { keySize, maxEntries } = spec;
  const valueAt = KEY_AT + align8(keySize);
  const shape = { size: valueAt + 8, valueAt, valueSize: 0, stride: 8 };
  const elements = createElements(memory, shape, maxEntries);
  const table = createHashTable(memory, keySize, maxEntries);
  let count = 0;
  const { findAt, nextAt, put } = hashEntries(memory, table, keySize, valueAt, () => 0);

  const deleteAt = (keyOffset: number): number => {
    const element = table.find(keyOffset, table.hash(keyOffset));
    if (element === 0) return -ENOENT;
    table.unlink(element);
    elements.give(element);
    count--;
    return 0;
  };
  /** Offset of the key's value, made where there is none and the flags allow it; or a negative errno. */
  const place = (keyOffset: number, flags: number): number => {
    if (flags !== BPF_ANY && flags !== BPF_NOEXIST && flags !== BPF_EXIST) return -EINVAL;
    const hash = table.hash(keyOffset);
    const old = table.find(keyOffset, hash);
    if (old !== 0) return flags === BPF_NOEXIST ? -EEXIST : old + valueAt;
    if (flags === BPF_EXIST) return -ENOENT;
    if (count === maxEntries) return -E2BIG;
    const element = elements.take();
    if (element === 0) return -ENOMEM;
    count++;
    return put(element, keyOffset, hash);
  };

  return {
    spec,
    handle,
    lookupAt: () => 0,
    updateAt: () => -ENOTSUPP,
    deleteAt,
    ...userOperations(memory, spec, 4, {
      read: (key) => findAt(key) || -ENOENT,
      write: (key, value, flags) => {
        const inner = innerMap(spec, host, new DataView(value.buffer, value.byteOffset, 4).getUint32(0, true));
        if (inner < 0) return inner;
        const at = place(key, flags);
        if (at < 0) return at;
        view.setUint32(at, inner, true);
        return 0;
      },
      remove: deleteAt,
      next: nextAt,
    }),
    contains: () => false,
    valueOffset: undefined,
    layout: undefined,
    close: memory.close,
    mapAt: (keyOffset) => {
      const value = findAt(keyOffset);
      return value === 0 ? undefined : view.getUint32(value, true);
    },
  };
}
