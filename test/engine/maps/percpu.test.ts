import { describe, expect, it } from 'vitest';
import { createMap, ENOENT, isPerCpuMap, type MapHost, type PerCpuMap } from '../../../engine/maps/index.ts';
import type { MapSpec } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32, u64 } from './bytes.ts';

/** A machine of three CPUs. */
function machine(type: MapSpec['type'], valueSize = 8) {
  const memory = new Memory(1 << 20);
  let cpu = 0;
  const host: MapHost = {
    map: () => undefined,
    isProgram: () => false,
    owner: () => undefined,
    cpus: 3,
    currentCpu: () => cpu,
  };
  const map = createMap(memory, { name: 'm', type, keySize: 4, valueSize, maxEntries: 4 }, 1, host);
  if (!isPerCpuMap(map)) throw new Error('not a per-CPU map');
  const key = memory.allocate(4);
  const value = memory.allocate(8);
  return {
    memory,
    map: map as PerCpuMap,
    key,
    /** Runs on a CPU. */
    on: (n: number, run: () => void): void => {
      cpu = n;
      run();
    },
    write: (n: bigint): number => {
      memory.view.setBigUint64(value, n, true);
      return map.updateAt(key, value, 0);
    },
    read: (): bigint => memory.view.getBigUint64(map.lookupAt(key), true),
  };
}

const three = (...values: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer);

describe.each(['percpu_array', 'percpu_hash', 'lru_percpu_hash'] as const)('%s', (type) => {
  it("is the current CPU's for programs, and all CPUs' for user space", () => {
    const { map, on, write, read } = machine(type);
    on(1, () => expect(write(11n)).toBe(0));
    on(2, () => expect(write(22n)).toBe(0));
    expect(map.lookup(u32(0))).toEqual(three(0n, 11n, 22n));
    expect(map.update(u32(0), three(1n, 2n, 3n))).toBe(0);
    for (const cpu of [0, 1, 2]) on(cpu, () => expect(read()).toBe(BigInt(cpu + 1)));
    expect(map.syscalls.update(u32(0), u64(1n))).toBe(-22);
  });

  it('is found for another CPU, as bpf_map_lookup_percpu_elem does; there is none beyond the last', () => {
    const { memory, map, key } = machine(type);
    map.update(u32(0), three(1n, 2n, 3n));
    expect([0, 1, 2].map((cpu) => memory.view.getBigUint64(map.lookupCpuAt(key, cpu), true))).toEqual([1n, 2n, 3n]);
    expect(map.lookupCpuAt(key, 3)).toBe(0);
    memory.view.setUint32(key, 9, true);
    expect(map.lookupCpuAt(key, 0)).toBe(0);
  });

  it('pads each value to 8 bytes', () => {
    const { map } = machine(type, 5);
    const values = Uint8Array.from({ length: 24 }, (_, i) => (i % 8 < 5 ? i + 1 : 0));
    expect(map.update(u32(0), values)).toBe(0);
    expect(map.lookup(u32(0))).toEqual(values);
  });

  it('has values in place: the current one is what a visit of all entries sees', () => {
    const { memory, map, on } = machine(type);
    map.update(u32(2), three(1n, 2n, 3n));
    on(1, () => {
      const seen = new Map<number, bigint>();
      const visited = map.eachAt((key, value) => {
        seen.set(memory.view.getUint32(key, true), memory.view.getBigUint64(value, true));
        return false;
      });
      expect(seen.get(2)).toBe(2n);
      expect(visited).toBe(type === 'percpu_array' ? 4 : 1);
    });
  });

  it('can only be accessed within one value of one CPU', () => {
    const { map, key } = machine(type);
    map.update(u32(0), three(1n, 2n, 3n));
    const first = map.lookupCpuAt(key, 0);
    expect([map.contains(first, 8), map.contains(first + 8, 8), map.contains(first + 16, 8)]).toEqual([
      true,
      true,
      true,
    ]);
    expect([map.contains(first + 4, 8), map.contains(first, 9), map.contains(first - 1, 1)]).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe.each(['percpu_hash', 'lru_percpu_hash'] as const)('%s', (type) => {
  it('is zero for the other CPUs where a program inserts, also in a used element', () => {
    const { map, on, write } = machine(type);
    map.update(u32(0), three(1n, 2n, 3n));
    expect(map.delete(u32(0))).toBe(0);
    on(1, () => write(5n));
    expect(map.lookup(u32(0))).toEqual(three(0n, 5n, 0n));
  });

  it('is overwritten in place, so that who looked it up sees the new value', () => {
    const { memory, map, key, write } = machine(type);
    write(1n);
    const place = map.lookupAt(key);
    write(2n);
    expect(map.lookupAt(key)).toBe(place);
    expect(memory.view.getBigUint64(place, true)).toBe(2n);
  });

  it('is taken with all its values at once', () => {
    const { map } = machine(type);
    map.update(u32(0), three(1n, 2n, 3n));
    expect(map.syscalls.lookupAndDelete(u32(0))).toEqual(three(1n, 2n, 3n));
    expect(map.syscalls.lookupAndDelete(u32(0))).toBe(-ENOENT);
  });
});

it('arrays of one CPU can be looked up inline, those of several can not', () => {
  const spec: MapSpec = { name: 'm', type: 'percpu_array', keySize: 4, valueSize: 5, maxEntries: 4 };
  const map = createMap(new Memory(1 << 20), spec, 1);
  const values = (map.layout as { values: number }).values;
  expect(map.layout).toEqual({ kind: 'array', values, stride: 8, maxEntries: 4 });
  expect(machine('percpu_array').map.layout).toBeUndefined();
});
