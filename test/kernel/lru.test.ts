import { describe, expect, it, onTestFinished } from 'vitest';
import { createMap, type MapSyscalls } from '../../engine/maps/index.ts';
import { BPF_F_NO_COMMON_LRU, type MapSpec } from '../../engine/object/index.ts';
import { Memory } from '../../engine/vm/index.ts';
import { createLinuxMap } from '../../sensors/linux/index.ts';
import { count, seed } from '../support/counts.ts';
import { kernelSkip } from '../support/kernel.ts';
import { createRandom } from '../support/random.ts';

const skip = kernelSkip();
const MAX = 1000;
const spec: MapSpec = { name: 'lru', type: 'lru_hash', keySize: 4, valueSize: 4, maxEntries: MAX };

const u32 = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer);

/** What can be asked of both sides; which keys are dropped is each side's own affair. */
type Side = Pick<MapSyscalls, 'lookup' | 'update' | 'delete' | 'nextKey'>;

function sides(flags: number): readonly (readonly [name: string, map: Side])[] {
  const kernel = createLinuxMap({ ...spec, flags });
  onTestFinished(() => kernel.close());
  return [
    ['ours', createMap(new Memory(1 << 22), { ...spec, flags }, 1).syscalls],
    ['the kernel', kernel],
  ];
}

const keysOf = (map: Side): Set<number> => {
  const keys = new Set<number>();
  for (let key = map.nextKey(undefined); typeof key !== 'number'; key = map.nextKey(key))
    keys.add(new DataView(key.buffer, key.byteOffset).getUint32(0, true));
  return keys;
};

describe.skipIf(skip)('an LRU map of ours and of the kernel', () => {
  it.each([0, BPF_F_NO_COMMON_LRU])(
    'never refuses an insertion, holds at most what it may, and only what was written last (flags %i)',
    (flags) => {
      for (const [name, map] of sides(flags)) {
        const random = createRandom(seed(`lru ${name}`));
        const written = new Map<number, number>();
        const results = { update: new Set<number>(), delete: new Set<number>() };
        for (let i = 0; i < count(200_000); i++) {
          const key = random.below(4 * MAX);
          if (random.chance(0.1)) {
            results.delete.add(map.delete(u32(key)));
            written.delete(key);
          } else {
            results.update.add(map.update(u32(key), u32(i)));
            written.set(key, i);
          }
        }
        expect([...results.update], name).toEqual([0]);
        expect(new Set([0, -2, ...results.delete]).size, name).toBe(2);
        const keys = keysOf(map);
        expect(keys.size).toBeLessThanOrEqual(MAX);
        expect(keys.size).toBeGreaterThan(MAX / 3);
        for (const key of keys) expect(map.lookup(u32(key)), name).toEqual(u32(written.get(key)!));
      }
    },
  );

  it('keeps what was just written, however full it is', () => {
    for (const [name, map] of sides(0)) {
      const gone: number[] = [];
      for (let i = 0; i < 5 * MAX; i++) {
        map.update(u32(i), u32(i));
        if (typeof map.lookup(u32(i)) === 'number') gone.push(i);
      }
      expect(gone, name).toEqual([]);
    }
  });

  it('keeps nearly all of what is used again and again while others come and go', () => {
    const hot = Array.from({ length: 100 }, (_, i) => i);
    for (const [name, map] of sides(0)) {
      for (const key of hot) map.update(u32(key), u32(0));
      for (let burst = 0; burst < 50; burst++) {
        for (let i = 0; i < 200; i++) map.update(u32(1000 + burst * 200 + i), u32(1));
        for (const key of hot) map.update(u32(key), u32(burst));
      }
      for (let i = 0; i < 200; i++) map.update(u32(100_000 + i), u32(1));
      const keys = keysOf(map);
      expect(hot.filter((key) => keys.has(key)).length, name).toBeGreaterThan(90);
    }
  });
});
