import { BPF_F_RDONLY, BPF_F_WRONLY, type MapSpec } from '../object/index.ts';
import { EFAULT, EINVAL, ENOTSUPP, EPERM } from './errno.ts';
import { BPF_F_LOCK, type BpfMap, type MapSyscalls } from './map.ts';
import type { MapMemory } from './map-memory.ts';

/** What a map type does for user space, after the checks that all types share; what is left out is -ENOTSUPP. Keys are given by their offsets. */
export interface UserOperations {
  /** Offset of the value as user space sees it, or a negative errno. */
  read?(key: number): number;
  write?(key: number, value: Uint8Array, flags: number): number;
  remove?(key: number): number;
  /** As `read`, and removes it; the value stays readable until the next operation. */
  take?(key: number): number;
  /** Offset of the key after the one at `key`, of the first where that is 0; or a negative errno. */
  next?(key: number): number;
  contains?(value: Uint8Array): number;
}

/** A map's operations of user space, with the checks of permissions, flags and sizes that kernel/bpf/syscall.c makes for all types. */
export function userOperations(
  memory: MapMemory,
  spec: MapSpec,
  valueBytes: number,
  operations: UserOperations,
): Pick<BpfMap, 'lookup' | 'update' | 'delete' | 'keys' | 'syscalls'> {
  const { bytes } = memory;
  const { keySize } = spec;
  const keyAt = keySize === 0 ? 0 : memory.allocate(keySize);
  const readable = ((spec.flags ?? 0) & BPF_F_WRONLY) === 0;
  let writable = ((spec.flags ?? 0) & BPF_F_RDONLY) === 0;
  const { read, write, remove, take, next, contains } = operations;

  /** Puts the key in place; 0, or the errno of a key that can't be one. */
  const setKey = (key: Uint8Array | undefined): number => {
    if (key === undefined) return keySize === 0 ? 0 : -EFAULT;
    if (keySize === 0 || key.length !== keySize) return -EINVAL;
    bytes.set(key, keyAt);
    return 0;
  };
  const copy = (place: number): Uint8Array | number => (place < 0 ? place : bytes.slice(place, place + valueBytes));

  const syscalls: MapSyscalls = {
    lookup(key, flags = 0) {
      if (flags < 0 || (flags !== 0 && flags !== BPF_F_LOCK)) return -EINVAL;
      if (!readable) return -EPERM;
      if (flags !== 0) return -EINVAL;
      const wrong = setKey(key);
      if (wrong !== 0) return wrong;
      return read ? copy(read(keyAt)) : -ENOTSUPP;
    },
    update(key, value, flags = 0) {
      if (!writable) return -EPERM;
      if ((flags & BPF_F_LOCK) !== 0) return -EINVAL;
      const wrong = setKey(key);
      if (wrong !== 0) return wrong;
      if (value.length !== valueBytes) return -EINVAL;
      return write ? write(keyAt, value, flags) : -ENOTSUPP;
    },
    delete(key) {
      if (!writable) return -EPERM;
      const wrong = setKey(key);
      if (wrong !== 0) return wrong;
      return remove ? remove(keyAt) : -ENOTSUPP;
    },
    lookupAndDelete(key, flags = 0) {
      if (flags < 0 || (flags !== 0 && flags !== BPF_F_LOCK)) return -EINVAL;
      if (!readable || !writable) return -EPERM;
      if (flags !== 0) return -EINVAL;
      const wrong = setKey(key);
      if (wrong !== 0) return wrong;
      return take ? copy(take(keyAt)) : -ENOTSUPP;
    },
    nextKey(key) {
      if (!readable) return -EPERM;
      const wrong = key === undefined ? 0 : setKey(key);
      if (wrong !== 0) return wrong;
      if (!next) return -ENOTSUPP;
      const place = next(key === undefined ? 0 : keyAt);
      return place < 0 ? place : bytes.slice(place, place + keySize);
    },
    contains(value) {
      if (!readable) return -EPERM;
      if (value.length !== valueBytes) return -EINVAL;
      return contains ? contains(value) : -ENOTSUPP;
    },
    freeze() {
      if (!writable) return -EPERM;
      writable = false;
      return 0;
    },
  };
  const keyOf = (key: Uint8Array): Uint8Array | undefined => (keySize === 0 && key.length === 0 ? undefined : key);

  return {
    syscalls,
    lookup(key) {
      const value = syscalls.lookup(keyOf(key));
      return typeof value === 'number' ? undefined : value;
    },
    update: (key, value, flags) => syscalls.update(keyOf(key), value, flags),
    delete: (key) => syscalls.delete(keyOf(key)),
    keys() {
      const keys: Uint8Array[] = [];
      if (!next) return keys;
      for (let place = next(0); place >= 0; place = next(place)) keys.push(bytes.slice(place, place + keySize));
      return keys;
    },
  };
}
