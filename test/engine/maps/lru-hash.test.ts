import { describe, expect, it } from 'vitest';
import { BPF_EXIST, BPF_NOEXIST, createMap, EEXIST, EINVAL, ENOENT } from '../../../engine/maps/index.ts';
import { BPF_F_NO_COMMON_LRU, type MapSpec } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32, u64 } from './bytes.ts';

const spec: MapSpec = { name: 'm', type: 'lru_hash', keySize: 4, valueSize: 8, maxEntries: 4 };

function create(more: Partial<MapSpec> = {}) {
  const memory = new Memory(1 << 20);
  const map = createMap(memory, { ...spec, ...more }, 1);
  const at = memory.allocate(4);
  return {
    memory,
    map,
    /** A program's lookup, which counts as use. */
    use: (key: number): number => {
      memory.view.setUint32(at, key, true);
      return map.lookupAt(at);
    },
    keys: (): number[] =>
      [...map.keys()].map((key) => new DataView(key.buffer).getUint32(0, true)).sort((a, b) => a - b),
  };
}

describe.each(['lru_hash', 'lru_percpu_hash'] as const)('%s', (type) => {
  it('drops the oldest of those that were not used, and never refuses an insertion', () => {
    const { map, keys } = create({ type });
    for (let key = 0; key < 100; key++) expect(map.update(u32(key), u64(BigInt(key)))).toBe(0);
    expect(keys()).toEqual([96, 97, 98, 99]);
    expect(map.lookup(u32(97))).toEqual(u64(97n));
  });

  it("counts programs' lookups and all updates as use, but not the lookups of user space", () => {
    const { map, use, keys } = create({ type });
    for (const key of [0, 1, 2, 3]) map.update(u32(key), u64(0n));
    expect(use(0)).not.toBe(0);
    map.update(u32(1), u64(1n));
    map.lookup(u32(2));
    map.update(u32(4), u64(4n));
    expect(keys()).toEqual([0, 1, 3, 4]);
  });

  it('answers as other hash maps where the key is there or not, and drops nothing for it', () => {
    const { map, keys } = create({ type });
    for (const key of [0, 1, 2, 3]) map.update(u32(key), u64(0n));
    expect(map.update(u32(0), u64(1n), BPF_NOEXIST)).toBe(-EEXIST);
    expect(map.update(u32(9), u64(1n), BPF_EXIST)).toBe(-ENOENT);
    expect(map.update(u32(0), u64(1n), BPF_EXIST)).toBe(0);
    expect(map.update(u32(0), u64(1n), 3)).toBe(-EINVAL);
    expect(map.delete(u32(9))).toBe(-ENOENT);
    expect(keys()).toEqual([0, 1, 2, 3]);
    expect(map.delete(u32(2))).toBe(0);
    expect(map.update(u32(5), u64(5n))).toBe(0);
    expect(keys()).toEqual([0, 1, 3, 5]);
  });

  it('keeps what is used while others come and go', () => {
    const { map, use, keys } = create({ type, maxEntries: 100 });
    for (let key = 0; key < 20; key++) map.update(u32(key), u64(0n));
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 40; i++) map.update(u32(1000 + 40 * round + i), u64(0n));
      for (let key = 0; key < 20; key++) use(key);
    }
    expect(keys().filter((key) => key < 20)).toHaveLength(20);
  });

  it('takes one that was used where all were', () => {
    const { map, use, keys } = create({ type });
    for (const key of [0, 1, 2, 3]) map.update(u32(key), u64(0n));
    for (const key of [0, 1, 2, 3]) use(key);
    expect(map.update(u32(4), u64(0n))).toBe(0);
    expect(keys()).toEqual([1, 2, 3, 4]);
  });
});

it('drops an entry where the machine has no memory for another', () => {
  const { map, memory, keys } = create({ maxEntries: 1_000_000 });
  const results = new Set<number>();
  for (let key = 0; key < 50_000; key++) results.add(map.update(u32(key), u64(BigInt(key))));
  expect([...results]).toEqual([0]);
  expect(memory.used).toBeLessThanOrEqual(memory.capacity);
  expect(keys().length).toBeGreaterThan(1000);
  expect(keys().length).toBeLessThan(50_000);
  expect(keys().at(-1)).toBe(49_999);
});

it('rounds its entries up to a multiple of the CPUs where each has lists of its own', () => {
  const host = { map: () => undefined, isProgram: () => false, owner: () => undefined, cpus: 4 };
  const map = createMap(new Memory(1 << 20), { ...spec, maxEntries: 5, flags: BPF_F_NO_COMMON_LRU }, 1, host);
  for (let key = 0; key < 100; key++) map.update(u32(key), u64(0n));
  expect([...map.keys()]).toHaveLength(8);
});
