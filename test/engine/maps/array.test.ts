import { describe, expect, it } from 'vitest';
import { BPF_ANY, BPF_EXIST, BPF_NOEXIST, createMap, E2BIG, EEXIST, EINVAL } from '../../../engine/maps/index.ts';
import type { MapSpec } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32, u64 } from './bytes.ts';

const spec: MapSpec = { name: 'counters', type: 'array', keySize: 4, valueSize: 8, maxEntries: 3 };

describe.each(['array', 'percpu_array'] as const)('%s', (type) => {
  const create = (more: Partial<MapSpec> = {}, memory = new Memory(1 << 20)) =>
    createMap(memory, { ...spec, type, ...more }, 7);

  it('has every index from the start, zeroed', () => {
    const map = create();
    expect([...map.keys()]).toEqual([u32(0), u32(1), u32(2)]);
    expect(map.lookup(u32(2))).toEqual(u64(0n));
    expect(map.lookup(u32(3))).toBeUndefined();
    expect(map.lookup(u32(0xffff_ffff))).toBeUndefined();
  });

  it("answers as the kernel's array_map_update_elem and array_map_delete_elem", () => {
    const map = create();
    expect(map.update(u32(1), u64(5n))).toBe(0);
    expect(map.update(u32(1), u64(6n), BPF_EXIST)).toBe(0);
    expect(map.lookup(u32(1))).toEqual(u64(6n));
    expect(map.update(u32(1), u64(7n), BPF_NOEXIST)).toBe(-EEXIST);
    expect(map.update(u32(3), u64(7n), BPF_ANY)).toBe(-E2BIG);
    expect(map.update(u32(3), u64(7n), BPF_NOEXIST)).toBe(-E2BIG);
    expect(map.update(u32(1), u64(7n), 3)).toBe(-EINVAL);
    expect(map.update(u32(1), u64(7n), -1)).toBe(-EINVAL);
    expect(map.delete(u32(1))).toBe(-EINVAL);
    expect(map.lookup(u32(1))).toEqual(u64(6n));
  });

  it("refuses keys and values of another size than the spec's", () => {
    const map = create();
    expect(map.lookup(new Uint8Array(8))).toBeUndefined();
    expect(map.update(new Uint8Array(5), u64(1n))).toBe(-EINVAL);
    expect(map.update(u32(0), new Uint8Array(7))).toBe(-EINVAL);
    expect(map.delete(new Uint8Array(0))).toBe(-EINVAL);
  });

  it('gives programs the place of the value itself, and user space a copy', () => {
    const memory = new Memory(1 << 20);
    const map = create({ valueSize: 3 }, memory);
    const key = memory.allocate(4);
    memory.view.setUint32(key, 2, true);
    const value = map.lookupAt(key);
    memory.bytes.set([1, 2, 3], value);
    const expected = new Uint8Array(type === 'array' ? 3 : 8);
    expected.set([1, 2, 3]);
    const copy = map.lookup(u32(2));
    expect(copy).toEqual(expected);
    memory.bytes[value] = 9;
    expect(copy).toEqual(expected);
    memory.view.setUint32(key, 3, true);
    expect(map.lookupAt(key)).toBe(0);
    expect(value % 8).toBe(0);
  });
});

it('BPF_PSEUDO_MAP_VALUE works for an array of one entry only, as array_map_direct_value_addr', () => {
  const memory = new Memory(1 << 20);
  const one = createMap(memory, { ...spec, maxEntries: 1 }, 1);
  const key = memory.allocate(4);
  expect(one.valueOffset).toBe(one.lookupAt(key));
  expect(createMap(memory, spec, 2).valueOffset).toBeUndefined();
  expect(createMap(memory, { ...spec, type: 'percpu_array', maxEntries: 1 }, 3).valueOffset).toBeUndefined();
});
