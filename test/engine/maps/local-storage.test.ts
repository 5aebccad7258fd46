import { describe, expect, it } from 'vitest';
import {
  BPF_EXIST,
  BPF_NOEXIST,
  createMap,
  EBADF,
  EEXIST,
  EINVAL,
  ENOENT,
  ENOTSUPP,
  isLocalStorage,
  type MapHost,
} from '../../../engine/maps/index.ts';
import { BPF_F_NO_PREALLOC, type MapSpec } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32, u64 } from './bytes.ts';

const OWNER = 0xffff_8880_0001_0000n;

describe.each([
  ['task_storage', 'task'],
  ['cgrp_storage', 'cgroup'],
] as const)('%s', (type, kind) => {
  const spec: MapSpec = {
    ...{ name: 'm', type, keySize: 4, valueSize: 8, maxEntries: 0 },
    ...{ flags: BPF_F_NO_PREALLOC, btf: { key: 1, value: 2 } },
  };
  const host: MapHost = {
    map: () => undefined,
    isProgram: () => false,
    owner: (wanted, fd) => (wanted === kind && fd === 3 ? OWNER : undefined),
  };
  const create = () => {
    const memory = new Memory(1 << 20);
    const map = createMap(memory, spec, 1, host);
    if (!isLocalStorage(map)) throw new Error('not local storage');
    return { memory, map };
  };

  it('belongs to its owner, whom user space names by a descriptor', () => {
    const { memory, map } = create();
    expect(map.syscalls.lookup(u32(3))).toBe(-ENOENT);
    expect(map.update(u32(3), u64(5n))).toBe(0);
    expect(map.lookup(u32(3))).toEqual(u64(5n));
    expect(memory.view.getBigUint64(map.storageAt(OWNER, 0, false), true)).toBe(5n);
    expect(map.storageAt(OWNER + 8n, 0, false)).toBe(0);
    expect(map.syscalls.lookup(u32(4))).toBe(-EBADF);
    expect(map.update(u32(4), u64(5n))).toBe(-EBADF);
    expect(map.delete(u32(4))).toBe(-EBADF);
    expect(map.delete(u32(3))).toBe(0);
    expect(map.delete(u32(3))).toBe(-ENOENT);
  });

  it('is made by programs where they ask for it, zeroed or from a value', () => {
    const { memory, map } = create();
    expect(map.storageAt(1n, 0, false)).toBe(0);
    const zeroed = map.storageAt(1n, 0, true);
    expect(memory.view.getBigUint64(zeroed, true)).toBe(0n);
    const value = memory.allocate(8);
    memory.view.setBigUint64(value, 9n, true);
    const filled = map.storageAt(2n, value, true);
    expect(memory.view.getBigUint64(filled, true)).toBe(9n);
    expect(map.storageAt(2n, 0, true)).toBe(filled);
    expect([map.contains(filled, 8), map.contains(filled, 9), map.contains(filled - 1, 1)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(map.deleteStorage(2n)).toBe(0);
    expect(map.deleteStorage(2n)).toBe(-ENOENT);
    expect(map.storageAt(2n, 0, false)).toBe(0);
    expect(memory.view.getBigUint64(map.storageAt(3n, 0, true), true)).toBe(0n);
  });

  it("answers flags as the kernel's bpf_local_storage_update", () => {
    const { map } = create();
    expect(map.update(u32(3), u64(1n), BPF_EXIST)).toBe(-ENOENT);
    expect(map.update(u32(3), u64(1n), BPF_NOEXIST)).toBe(0);
    expect(map.update(u32(3), u64(1n), BPF_NOEXIST)).toBe(-EEXIST);
    expect(map.update(u32(3), u64(2n), BPF_EXIST)).toBe(0);
    expect(map.update(u32(3), u64(2n), 3)).toBe(-EINVAL);
    expect(map.syscalls.nextKey(undefined)).toBe(-ENOTSUPP);
    expect(map.syscalls.lookupAndDelete(u32(3))).toBe(-ENOTSUPP);
  });

  it('gives no value where the machine has no memory left', () => {
    const { map } = create();
    let owners = 0n;
    while (map.storageAt(owners, 0, true) !== 0) owners++;
    expect(owners).toBeGreaterThan(10_000n);
    expect(map.update(u32(3), u64(1n))).toBe(-12);
    expect(map.deleteStorage(0n)).toBe(0);
    expect(map.update(u32(3), u64(1n))).toBe(0);
  });
});
