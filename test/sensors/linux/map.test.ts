import { readdirSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { MapSpec } from '../../../engine/object/index.ts';
import {
  type BpfError,
  createLinuxMap,
  type LinuxMap,
  type LinuxMapOptions,
  possibleCpus,
} from '../../../sensors/linux/index.ts';
import { kernelSkip } from '../../support/kernel.ts';

const skip = kernelSkip();

/** A map that is closed when the running test ends. */
const mapOf = (spec: Partial<MapSpec>, options?: LinuxMapOptions): LinuxMap => {
  const map = createLinuxMap({ name: 'm', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 4, ...spec }, options);
  onTestFinished(() => map.close());
  return map;
};
const key = (n: number): Uint8Array => Uint8Array.of(n, 0, 0, 0);
const value = (n: number): Uint8Array => Uint8Array.of(n, 0, 0, 0, 0, 0, 0, n);
const [EPERM, ENOENT, E2BIG, EEXIST, EINVAL] = [-1, -2, -7, -17, -22];
const [NOEXIST, EXIST] = [1, 2];

describe.skipIf(skip)('a map of the running kernel', () => {
  it('keeps what a hash was given and answers with errnos where it does not', () => {
    const map = mapOf({});
    expect(map.lookup(key(1))).toBe(ENOENT);
    expect(map.update(key(1), value(7), EXIST)).toBe(ENOENT);
    expect(map.update(key(1), value(7), NOEXIST)).toBe(0);
    expect(map.update(key(1), value(8), NOEXIST)).toBe(EEXIST);
    expect(map.lookup(key(1))).toEqual(value(7));
    for (const n of [2, 3, 4]) expect(map.update(key(n), value(n))).toBe(0);
    expect(map.update(key(5), value(5))).toBe(E2BIG);
    expect(map.update(key(1), value(1), 8)).toBe(EINVAL);
    expect([...map.keys()].map(([n]) => n).sort()).toEqual([1, 2, 3, 4]);
    expect(map.lookupAndDelete(key(1))).toEqual(value(7));
    expect(map.delete(key(1))).toBe(ENOENT);
    expect(map.delete(key(2))).toBe(0);
  });

  it('does not pass on keys and values of other sizes', () => {
    const map = mapOf({});
    expect(map.lookup(Uint8Array.of(1))).toBe(EINVAL);
    expect(map.update(key(1), Uint8Array.of(1))).toBe(EINVAL);
    expect(map.nextKey(Uint8Array.of(1))).toBe(EINVAL);
    expect(map.delete(Uint8Array.of(1))).toBe(EINVAL);
  });

  it('has an array whole from the start', () => {
    const map = mapOf({ type: 'array', contents: [[key(2), value(9)]] });
    expect(map.lookup(key(2))).toEqual(value(9));
    expect(map.lookup(key(3))).toEqual(new Uint8Array(8));
    expect(map.lookup(key(4))).toBe(ENOENT);
    expect(map.delete(key(2))).toBe(EINVAL);
    expect(map.nextKey(key(3))).toBe(ENOENT);
    expect(map.nextKey(undefined)).toEqual(key(0));
  });

  it('has a value for every possible CPU', () => {
    const map = mapOf({ type: 'percpu_array', valueSize: 5 });
    expect(map.valueBytes).toBe(8 * possibleCpus());
    const values = Uint8Array.from({ length: map.valueBytes }, (_, i) => (i % 8 < 5 ? i + 1 : 0));
    expect(map.update(key(0), values)).toBe(0);
    expect(map.lookup(key(0))).toEqual(values);
  });

  it('takes no key for a queue, a stack and a bloom filter', () => {
    const queue = mapOf({ type: 'queue', keySize: 0 });
    const stack = mapOf({ type: 'stack', keySize: 0 });
    for (const n of [1, 2]) for (const map of [queue, stack]) expect(map.update(undefined, value(n))).toBe(0);
    expect(queue.lookup(undefined)).toEqual(value(1));
    expect(queue.lookupAndDelete(undefined)).toEqual(value(1));
    expect(stack.lookupAndDelete(undefined)).toEqual(value(2));
    const bloom = mapOf({ type: 'bloom_filter', keySize: 0, maxEntries: 100, extra: 3 });
    expect(bloom.contains(value(1))).toBe(ENOENT);
    expect(bloom.update(undefined, value(1))).toBe(0);
    expect(bloom.contains(value(1))).toBe(0);
  });

  it("shows a map of maps' inner map by its id", () => {
    const inner: MapSpec = { name: 'inner', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 };
    const outer = mapOf({ type: 'hash_of_maps', valueSize: 4, inner });
    const map = mapOf(inner);
    const fd = new Uint8Array(Uint32Array.of(map.fd).buffer);
    expect(outer.update(key(1), fd)).toBe(0);
    expect(outer.lookup(key(1))).toEqual(new Uint8Array(Uint32Array.of(map.id).buffer));
    const other = mapOf({ ...inner, type: 'hash', keySize: 8 });
    expect(outer.update(key(2), new Uint8Array(Uint32Array.of(other.fd).buffer))).toBe(EINVAL);
  });

  it('reads, writes and deletes many entries in one call', () => {
    const map = mapOf({ maxEntries: 100 });
    const all = Array.from({ length: 10 }, (_, n) => n);
    const written = map.updateBatch(
      Uint8Array.from(all.flatMap((n) => [...key(n)])),
      Uint8Array.from(all.flatMap((n) => [...value(n)])),
    );
    expect([written.result, written.count]).toEqual([0, 10]);
    const read = map.lookupBatch(100);
    expect([read.result, read.count]).toEqual([ENOENT, 10]);
    const firsts = all.map((n) => [read.keys[4 * n], read.values[8 * n + 7]]);
    expect(firsts.every(([a, b]) => a === b)).toBe(true);
    expect(new Set(firsts.map(([n]) => n)).size).toBe(10);
    expect(map.deleteBatch(read.keys).count).toBe(10);
    expect(map.lookupAndDeleteBatch(100).count).toBe(0);
  });

  it('takes no more updates once it is frozen', () => {
    const map = mapOf({ type: 'array' });
    expect(map.freeze()).toBe(0);
    expect(map.update(key(0), value(1))).toBe(EPERM);
  });

  it('says what the kernel did not like, and closes what it opened', () => {
    const open = (): number => readdirSync('/proc/self/fd').length;
    const before = open();
    const failure = (make: () => LinuxMap): string => {
      try {
        make().close();
        return 'no error';
      } catch (error) {
        return (error as BpfError).message;
      }
    };
    expect(failure(() => mapOf({ name: 'counts', valueSize: 0 }))).toBe(
      'map "counts" (hash): BPF_MAP_CREATE failed with EINVAL (the map type, its sizes or its flags are not what this kernel takes)',
    );
    expect(failure(() => mapOf({ name: 'counts', keySize: 1 << 30 }))).toBe(
      'map "counts" (hash): BPF_MAP_CREATE failed with E2BIG (the kernel is too old for what is asked for, or a size is beyond its limit)',
    );
    expect(
      failure(() =>
        mapOf({
          maxEntries: 1,
          contents: [
            [key(1), value(1)],
            [key(2), value(2)],
          ],
        }),
      ),
    ).toBe(
      'map "m" (hash): BPF_MAP_UPDATE_ELEM failed with E2BIG (the kernel is too old for what is asked for, or a size is beyond its limit)',
    );
    const inner: MapSpec = { name: 'inner', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 };
    const outer = createLinuxMap({
      name: 'outer',
      type: 'array_of_maps',
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
      inner,
    });
    outer.close();
    outer.close();
    expect(open()).toBe(before);
  });
});
