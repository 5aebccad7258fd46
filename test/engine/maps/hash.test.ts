import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BPF_ANY,
  BPF_EXIST,
  BPF_NOEXIST,
  createMap,
  E2BIG,
  EEXIST,
  EINVAL,
  ENOENT,
} from '../../../engine/maps/index.ts';
import { BPF_F_NO_PREALLOC, type MapSpec } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32, u64 } from './bytes.ts';

const spec: MapSpec = { name: 'procs', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 2 };
const create = (more: Partial<MapSpec> = {}, memory = new Memory(1 << 22)) =>
  createMap(memory, { ...spec, ...more }, 7);

describe('hash', () => {
  it("answers as the kernel's htab_map_update_elem and htab_map_delete_elem", () => {
    const map = create();
    expect(map.lookup(u32(1))).toBeUndefined();
    expect(map.update(u32(1), u64(1n), BPF_EXIST)).toBe(-ENOENT);
    expect(map.update(u32(1), u64(1n), BPF_NOEXIST)).toBe(0);
    expect(map.update(u32(1), u64(2n), BPF_NOEXIST)).toBe(-EEXIST);
    expect(map.update(u32(1), u64(3n), BPF_EXIST)).toBe(0);
    expect(map.update(u32(1), u64(4n), 3)).toBe(-EINVAL);
    expect(map.lookup(u32(1))).toEqual(u64(3n));
    expect(map.update(u32(2), u64(2n), BPF_ANY)).toBe(0);
    expect(map.update(u32(3), u64(3n), BPF_ANY)).toBe(-E2BIG);
    expect(map.update(u32(2), u64(9n), BPF_ANY)).toBe(0);
    expect(map.delete(u32(3))).toBe(-ENOENT);
    expect(map.delete(u32(1))).toBe(0);
    expect(map.delete(u32(1))).toBe(-ENOENT);
    expect(map.update(u32(3), u64(3n), BPF_ANY)).toBe(0);
    expect(map.lookup(u32(2))).toEqual(u64(9n));
    expect(map.valueOffset).toBeUndefined();
  });

  it('compares all bytes of keys whose size is no multiple of 4', () => {
    const map = create({ keySize: 7, maxEntries: 10 });
    const key = (last: number) => new Uint8Array([1, 2, 3, 4, 5, 6, last]);
    expect(map.update(key(1), u64(1n))).toBe(0);
    expect(map.update(key(2), u64(2n))).toBe(0);
    expect(map.lookup(key(1))).toEqual(u64(1n));
    expect(map.lookup(key(2))).toEqual(u64(2n));
    expect(map.lookup(key(3))).toBeUndefined();
  });

  it("keeps a value's place until it is written or deleted, however much the map grows", () => {
    const memory = new Memory(1 << 22);
    const map = create({ maxEntries: 5000 }, memory);
    const key = memory.allocate(4);
    memory.view.setUint32(key, 77, true);
    map.update(u32(77), u64(1n));
    const place = map.lookupAt(key);
    for (let n = 1000; n < 5000; n++) expect(map.update(u32(n), u64(BigInt(n)))).toBe(0);
    expect(map.lookupAt(key)).toBe(place);
    expect([...map.keys()].length).toBe(4001);
  });

  it('gives a key a new element when it is written, as htab_map_update_elem: who looked it up before sees the old value', () => {
    for (const flags of [0, BPF_F_NO_PREALLOC]) {
      const memory = new Memory(1 << 20);
      const map = create({ flags }, memory);
      const key = memory.allocate(4);
      map.update(u32(0), u64(1n));
      const before = map.lookupAt(key);
      map.update(u32(0), u64(2n));
      expect(map.lookupAt(key)).not.toBe(before);
      expect(memory.view.getBigUint64(before, true)).toBe(1n);
      expect(memory.view.getBigUint64(map.lookupAt(key), true)).toBe(2n);
      expect(map.contains(before, 8)).toBe(true);
      map.update(u32(0), u64(3n));
      expect(map.lookupAt(key)).toBe(before);
    }
  });

  it('takes the storage of deleted elements again instead of new memory', () => {
    const memory = new Memory(1 << 22);
    const map = create({ maxEntries: 1000, valueSize: 64 }, memory);
    const round = () => {
      for (let n = 0; n < 1000; n++) expect(map.update(u32(n), new Uint8Array(64))).toBe(0);
      for (let n = 0; n < 1000; n++) expect(map.delete(u32(n))).toBe(0);
    };
    round();
    const used = memory.used;
    round();
    round();
    expect(memory.used).toBe(used);
  });

  it('takes no memory for entries that are not there', () => {
    const memory = new Memory(1 << 20);
    create({ maxEntries: 1_000_000, valueSize: 256 }, memory);
    expect(memory.used).toBeLessThan(1 << 17);
  });

  it('behaves as a Map with a limit, whatever the operations', () => {
    const key = fc.uint8Array({ minLength: 6, maxLength: 6, max: 3 });
    const operation = fc.oneof(
      fc.record({ do: fc.constant('update' as const), key, value: fc.bigInt(0n, 1n << 60n), flags: fc.nat(3) }),
      fc.record({ do: fc.constant('delete' as const), key }),
      fc.record({ do: fc.constant('lookup' as const), key }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.array(operation, { maxLength: 300 }),
        (maxEntries, operations) => {
          const map = create({ keySize: 6, maxEntries });
          const model = new Map<string, bigint>();
          for (const step of operations) {
            const name = step.key.join();
            const has = model.has(name);
            if (step.do === 'lookup') {
              const value = model.get(name);
              expect(map.lookup(step.key)).toEqual(value === undefined ? undefined : u64(value));
            } else if (step.do === 'delete') {
              expect(map.delete(step.key)).toBe(has ? 0 : -ENOENT);
              model.delete(name);
            } else {
              let expected = 0;
              if (step.flags > 2) expected = -EINVAL;
              else if (step.flags === BPF_NOEXIST && has) expected = -EEXIST;
              else if (step.flags === BPF_EXIST && !has) expected = -ENOENT;
              else if (!has && model.size === maxEntries) expected = -E2BIG;
              expect(map.update(step.key, u64(step.value), step.flags)).toBe(expected);
              if (expected === 0) model.set(name, step.value);
            }
            expect([...map.keys()].map((k) => k.join()).sort()).toEqual([...model.keys()].sort());
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
