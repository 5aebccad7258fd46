import { describe, expect, it } from 'vitest';
import { type BpfMap, createMap, ENOMEM, type MapHost, MapSpecError } from '../../../engine/maps/index.ts';
import { MAP_TYPE_IDS, type MapSpec, type MapType } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32 } from './bytes.ts';

const MIB = 1 << 20;
const host = (more: Partial<MapHost> = {}): MapHost => ({
  ...{ map: () => undefined, isProgram: () => true, owner: () => 1n },
  ...more,
});

/** A spec of each type that takes some memory. */
const SPECS = Object.fromEntries(
  (Object.keys(MAP_TYPE_IDS) as MapType[]).map((type): [MapType, MapSpec] => {
    const array: MapSpec = { name: 'm', type, keySize: 4, valueSize: 4, maxEntries: 1000 };
    if (type === 'ringbuf') return [type, { ...array, keySize: 0, valueSize: 0, maxEntries: 65_536 }];
    if (type === 'queue' || type === 'stack' || type === 'bloom_filter') return [type, { ...array, keySize: 0 }];
    if (type.endsWith('_storage')) return [type, { ...array, maxEntries: 0, flags: 1, btf: { key: 1, value: 1 } }];
    if (type === 'lpm_trie') return [type, { ...array, keySize: 8, flags: 1 }];
    if (type === 'stack_trace') return [type, { ...array, valueSize: 8 }];
    return [type, { ...array, inner: { ...array, type: 'array' } }];
  }),
) as Record<MapType, MapSpec>;

/** Writes to as many keys as there is room for. */
function fill(map: BpfMap): void {
  const { keySize } = map.spec;
  const value = new Uint8Array(map.spec.valueSize);
  for (let n = 0; n < 1000; n++) {
    const key = new Uint8Array(keySize);
    if (keySize === 8) key.set([32, 0, 0, 0]);
    if (keySize > 0) key.set(u32(n), keySize - 4);
    map.syscalls.update(keySize === 0 ? undefined : key, value);
  }
}

describe("a map's memory", () => {
  it.each(Object.values(SPECS))('is given back when it is closed: $type', (spec) => {
    const memory = new Memory(4 * MIB);
    const round = (): void => {
      const map = createMap(memory, spec, 1, host());
      fill(map);
      map.close();
      map.close();
    };
    round();
    const { used } = memory;
    for (let i = 0; i < 20; i++) round();
    expect(memory.used).toBe(used);
  });

  it('is zeroed for the next map', () => {
    const memory = new Memory(MIB);
    const spec: MapSpec = { ...SPECS.array, maxEntries: 1 };
    const map = createMap(memory, spec, 1);
    map.update(u32(0), u32(7));
    map.close();
    expect(createMap(memory, spec, 1).lookup(u32(0))).toEqual(u32(0));
  });

  it('is given back where creation fails half-way', () => {
    const memory = new Memory(MIB);
    const wrong: MapSpec = { ...SPECS.array, contents: [[u32(1000), u32(1)]] };
    const attempt = () => createMap(memory, wrong, 1);
    expect(attempt).toThrow(MapSpecError);
    const { used } = memory;
    for (let i = 0; i < 1000; i++) expect(attempt).toThrow(MapSpecError);
    expect(memory.used).toBe(used);
  });

  it('is limited for all maps of a machine together', () => {
    const memory = new Memory(4 * MIB);
    const limited = host({ mapBytes: MIB });
    const spec: MapSpec = { ...SPECS.array, name: 'large', valueSize: 1024, maxEntries: 600 };
    const first = createMap(memory, spec, 1, limited);
    expect(() => createMap(memory, spec, 2, limited)).toThrow(
      new MapSpecError(
        spec,
        'it needs 614400 bytes, but the machine has 434168 left for maps, of 1048576; lower maxEntries, or create the machine with more memory',
        ENOMEM,
      ),
    );
    first.close();
    expect(createMap(memory, spec, 2, limited).lookup(u32(0))).toEqual(new Uint8Array(1024));
  });

  it.each(['hash', 'percpu_hash', 'hash_of_maps', 'lpm_trie'] as const)(
    'can be used up by entries: -ENOMEM, and what is there stays: %s',
    (type) => {
      const memory = new Memory(MIB);
      const inner: MapSpec = { name: 'inner', type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 };
      const value = type === 'hash_of_maps' ? 4 : 1024;
      const spec: MapSpec = {
        ...{ name: 'm', type, keySize: 8, valueSize: value, maxEntries: 100_000, inner },
        ...(type === 'lpm_trie' && { flags: 1 }),
      };
      const one = createMap(new Memory(MIB), inner, 9);
      const map = createMap(memory, spec, 1, host({ map: () => one }));
      const key = (n: number): Uint8Array => Uint8Array.of(32, 0, 0, 0, n & 0xff, (n >> 8) & 0xff, n >> 16, 1);
      const bytes = new Uint8Array(value);
      let written = 0;
      while (map.update(key(written), bytes) === 0) written++;
      expect(written).toBeGreaterThan(100);
      expect(map.update(key(written), bytes)).toBe(-ENOMEM);
      const isThere = (n: number): boolean => Buffer.from(map.lookup(key(n)) ?? []).equals(bytes);
      expect(Array.from({ length: written }, (_, n) => n).filter((n) => !isThere(n))).toEqual([]);
      expect(map.delete(key(0))).toBe(0);
      expect(map.update(key(written), bytes)).toBe(0);
    },
  );
});
