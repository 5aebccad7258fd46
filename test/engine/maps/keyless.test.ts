import { describe, expect, it } from 'vitest';
import {
  BPF_EXIST,
  createMap,
  E2BIG,
  EINVAL,
  ENOENT,
  ENOTSUPP,
  EOPNOTSUPP,
  isKeyless,
  type KeylessMap,
} from '../../../engine/maps/index.ts';
import type { MapSpec } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32 } from './bytes.ts';

function create(more: Partial<MapSpec>): { memory: Memory; map: KeylessMap; value: number } {
  const memory = new Memory(1 << 20);
  const map = createMap(memory, { name: 'm', type: 'queue', keySize: 0, valueSize: 4, maxEntries: 3, ...more }, 1);
  if (!isKeyless(map)) throw new Error('not a keyless map');
  return { memory, map, value: memory.allocate(8) };
}

describe.each(['queue', 'stack'] as const)('%s', (type) => {
  const order = (values: number[]): number[] => (type === 'queue' ? values : [...values].reverse());

  it(`gives the ${type === 'queue' ? 'oldest' : 'newest'} value first`, () => {
    const { map } = create({ type });
    for (const n of [1, 2, 3]) expect(map.syscalls.update(undefined, u32(n))).toBe(0);
    expect(map.syscalls.lookup(undefined)).toEqual(u32(order([1, 2, 3])[0]!));
    expect([1, 2, 3].map(() => map.syscalls.lookupAndDelete(undefined))).toEqual(order([1, 2, 3]).map(u32));
    expect(map.syscalls.lookupAndDelete(undefined)).toBe(-ENOENT);
    expect(map.syscalls.lookup(undefined)).toBe(-ENOENT);
  });

  it('refuses a value when it is full, or drops the oldest for it with BPF_EXIST', () => {
    const { map } = create({ type });
    for (const n of [1, 2, 3]) map.syscalls.update(undefined, u32(n));
    expect(map.syscalls.update(undefined, u32(4))).toBe(-E2BIG);
    expect(map.syscalls.update(undefined, u32(4), BPF_EXIST)).toBe(0);
    expect([1, 2, 3].map(() => map.syscalls.lookupAndDelete(undefined))).toEqual(order([2, 3, 4]).map(u32));
    for (const flags of [1, 3, 8]) expect(map.syscalls.update(undefined, u32(5), flags)).toBe(-EINVAL);
  });

  it('fills in zeroes for programs where it is empty', () => {
    const { memory, map, value } = create({ type });
    memory.view.setUint32(value, 7, true);
    expect(map.pushAt(value, 0)).toBe(0);
    memory.view.setUint32(value, 8, true);
    expect(map.peekAt(value)).toBe(0);
    expect(memory.view.getUint32(value, true)).toBe(7);
    expect(map.popAt(value)).toBe(0);
    expect(map.popAt(value)).toBe(-ENOENT);
    expect(memory.view.getUint32(value, true)).toBe(0);
    memory.view.setUint32(value, 8, true);
    expect(map.peekAt(value)).toBe(-ENOENT);
    expect(memory.view.getUint32(value, true)).toBe(0);
  });

  it('has no keys', () => {
    const { map } = create({ type });
    expect(map.syscalls.delete(undefined)).toBe(-EINVAL);
    expect(map.syscalls.nextKey(undefined)).toBe(-EINVAL);
    expect(map.syscalls.lookup(u32(0))).toBe(-EINVAL);
    expect([map.lookupAt(0), map.updateAt(0, 0, 0), map.deleteAt(0)]).toEqual([0, -EINVAL, -EINVAL]);
    expect([...map.keys()]).toEqual([]);
  });

  it('goes round and round in the same memory', () => {
    const { memory, map } = create({ type });
    const { used } = memory;
    for (let n = 0; n < 1000; n++) {
      expect(map.syscalls.update(undefined, u32(n))).toBe(0);
      expect(map.syscalls.lookupAndDelete(undefined)).toEqual(u32(n));
    }
    expect(memory.used).toBe(used);
  });
});

describe('bloom_filter', () => {
  const bloom: Partial<MapSpec> = { type: 'bloom_filter', maxEntries: 1000, extra: 3 };

  it('never denies what was pushed, and rarely has what was not', () => {
    const { map } = create(bloom);
    for (let n = 0; n < 1000; n++) expect(map.syscalls.update(undefined, u32(n))).toBe(0);
    for (let n = 0; n < 1000; n++) expect(map.syscalls.contains(u32(n))).toBe(0);
    const wrong = Array.from({ length: 1000 }, (_, n) => map.syscalls.contains(u32(10_000 + n)));
    expect(wrong.filter((result) => result === 0).length).toBeLessThan(200);
    expect(wrong.every((result) => result === 0 || result === -ENOENT)).toBe(true);
  });

  it('answers programs the same', () => {
    const { memory, map, value } = create(bloom);
    expect(map.peekAt(value)).toBe(-ENOENT);
    expect(map.pushAt(value, 0)).toBe(0);
    expect(map.pushAt(value, 1)).toBe(-EINVAL);
    expect(map.peekAt(value)).toBe(0);
    expect(map.syscalls.contains(u32(0))).toBe(0);
    memory.view.setUint32(value, 1, true);
    expect(map.peekAt(value)).toBe(-ENOENT);
  });

  it("lacks the rest, with the kernel's own errnos", () => {
    const { map, value } = create(bloom);
    expect(map.popAt(value)).toBe(-EOPNOTSUPP);
    expect([map.lookupAt(0), map.updateAt(0, 0, 0), map.deleteAt(0)]).toEqual([0, -EINVAL, -EOPNOTSUPP]);
    expect(map.syscalls.delete(undefined)).toBe(-EOPNOTSUPP);
    expect(map.syscalls.nextKey(undefined)).toBe(-EOPNOTSUPP);
    expect(map.syscalls.lookupAndDelete(undefined)).toBe(-ENOTSUPP);
    expect(create({}).map.syscalls.contains(u32(0))).toBe(-ENOTSUPP);
  });
});
