import { describe, expect, it } from 'vitest';
import {
  BPF_F_LOCK,
  createMap,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOTSUPP,
  EPERM,
  isIterable,
} from '../../../engine/maps/index.ts';
import { BPF_F_RDONLY, BPF_F_WRONLY, BPF_F_ZERO_SEED, type MapSpec } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32, u64 } from './bytes.ts';

const spec: MapSpec = { name: 'm', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 4 };
const create = (more: Partial<MapSpec> = {}) => createMap(new Memory(1 << 20), { ...spec, ...more }, 1);

/** The checks that map_lookup_elem and its kin in kernel/bpf/syscall.c make for all types. */
describe('calls of user space', () => {
  it('may not write where BPF_F_RDONLY says so', () => {
    const { syscalls } = create({ flags: BPF_F_RDONLY });
    expect(syscalls.update(u32(1), u64(1n))).toBe(-EPERM);
    expect(syscalls.update(u32(1), u64(1n), BPF_F_LOCK)).toBe(-EPERM);
    expect(syscalls.delete(u32(1))).toBe(-EPERM);
    expect(syscalls.lookupAndDelete(u32(1))).toBe(-EPERM);
    expect(syscalls.freeze()).toBe(-EPERM);
    expect(syscalls.lookup(u32(1))).toBe(-ENOENT);
    expect(syscalls.nextKey(undefined)).toBe(-ENOENT);
  });

  it('may not read where BPF_F_WRONLY says so', () => {
    const { syscalls } = create({ flags: BPF_F_WRONLY });
    expect(syscalls.update(u32(1), u64(1n))).toBe(0);
    expect(syscalls.lookup(u32(1))).toBe(-EPERM);
    expect(syscalls.nextKey(undefined)).toBe(-EPERM);
    expect(syscalls.lookupAndDelete(u32(1))).toBe(-EPERM);
    expect(syscalls.delete(u32(1))).toBe(0);
    const bloom = create({ type: 'bloom_filter', keySize: 0, flags: BPF_F_WRONLY });
    expect(bloom.syscalls.contains(u64(1n))).toBe(-EPERM);
  });

  it('write no more once a map is frozen, while programs do', () => {
    const memory = new Memory(1 << 20);
    const map = createMap(memory, spec, 1);
    const at = memory.allocate(8);
    expect(map.syscalls.freeze()).toBe(0);
    expect(map.syscalls.update(u32(0), u64(1n))).toBe(-EPERM);
    expect(map.syscalls.freeze()).toBe(-EPERM);
    expect(map.updateAt(at, at, 0)).toBe(0);
    expect(map.syscalls.lookup(u32(0))).toEqual(u64(0n));
  });

  it('take no flags of lookups, and no lock for values without one', () => {
    const { syscalls } = create();
    syscalls.update(u32(1), u64(1n));
    for (const flags of [1, 2, 5, 2 ** 40, -1]) expect(syscalls.lookup(u32(1), flags)).toBe(-EINVAL);
    expect(syscalls.lookup(u32(1), BPF_F_LOCK)).toBe(-EINVAL);
    expect(syscalls.lookupAndDelete(u32(1), BPF_F_LOCK)).toBe(-EINVAL);
    expect(syscalls.lookupAndDelete(u32(1), 1)).toBe(-EINVAL);
    expect(syscalls.update(u32(1), u64(1n), BPF_F_LOCK)).toBe(-EINVAL);
    expect(syscalls.update(u32(1), u64(1n), 2 ** 32)).toBe(-EINVAL);
  });

  it('need a key where there are keys, of its size', () => {
    const { syscalls } = create();
    expect(syscalls.lookup(undefined)).toBe(-EFAULT);
    expect(syscalls.update(undefined, u64(1n))).toBe(-EFAULT);
    expect(syscalls.delete(undefined)).toBe(-EFAULT);
    expect(syscalls.lookupAndDelete(undefined)).toBe(-EFAULT);
    expect(syscalls.lookup(u64(1n))).toBe(-EINVAL);
    expect(syscalls.nextKey(u64(1n))).toBe(-EINVAL);
    expect(syscalls.contains(u64(1n))).toBe(-ENOTSUPP);
  });

  it('go through the keys, and begin anew after one that is gone', () => {
    const { syscalls } = create();
    for (const n of [1, 2, 3]) syscalls.update(u32(n), u64(1n));
    const first = syscalls.nextKey(undefined) as Uint8Array;
    const second = syscalls.nextKey(first) as Uint8Array;
    const third = syscalls.nextKey(second) as Uint8Array;
    expect(new Set([first, second, third].map(String))).toEqual(new Set([1, 2, 3].map((n) => String(u32(n)))));
    expect(syscalls.nextKey(third)).toBe(-ENOENT);
    syscalls.delete(second);
    expect(syscalls.nextKey(second)).toEqual(first);
    expect(syscalls.nextKey(first)).toEqual(third);
  });
});

/** What Linux 6.18 gives for the same calls. */
const KERNEL_ORDER = [4, 7, 2, 1, 8, 6, 5, 3];

it('keys are in the order of a map of the kernel that hashes without a seed', () => {
  const map = create({ maxEntries: 8, flags: BPF_F_ZERO_SEED });
  for (let n = 1; n <= 8; n++) map.update(u32(n), u64(1n));
  expect([...map.keys()].map((key) => key[0])).toEqual(KERNEL_ORDER);
});

describe('a visit of all entries', () => {
  it('sees each once, and stops where it is told to', () => {
    for (const type of ['array', 'hash', 'lru_hash'] as const) {
      const map = create({ type });
      if (!isIterable(map)) throw new Error('not iterable');
      for (const n of [0, 1, 2, 3]) map.update(u32(n), u64(1n));
      let seen = 0;
      expect(map.eachAt(() => ++seen === 5)).toBe(4);
      expect(map.eachAt(() => true)).toBe(1);
    }
  });

  it('goes on when entries are deleted and inserted meanwhile', () => {
    const memory = new Memory(1 << 20);
    const map = createMap(memory, { ...spec, maxEntries: 10_000 }, 1);
    if (!isIterable(map)) throw new Error('not iterable');
    for (let n = 0; n < 4096; n++) map.update(u32(n), u64(1n));
    const seen = new Set<number>();
    map.eachAt((key) => {
      const n = memory.view.getUint32(key, true);
      seen.add(n);
      map.deleteAt(key);
      if (n < 4096) map.update(u32(100_000 + n), u64(1n));
      return false;
    });
    for (let n = 0; n < 4096; n++) expect(seen.has(n)).toBe(true);
  });
});
