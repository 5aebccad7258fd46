import { describe, expect, it } from 'vitest';
import { createMap, E2BIG, EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM, isStackTrace } from '../../../engine/maps/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32 } from './bytes.ts';

const FAST_COMPARE = 1 << 9;
const REUSE = 1 << 10;

function create(maxEntries = 64, frames = 3) {
  const spec = { name: 'm', type: 'stack_trace', keySize: 4, valueSize: 8 * frames, maxEntries } as const;
  const map = createMap(new Memory(1 << 20), spec, 1);
  if (!isStackTrace(map)) throw new Error('not a stack_trace');
  return map;
}
const frames = (...addresses: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(addresses).buffer);

describe('stack_trace', () => {
  it('gives equal chains the same id, which leads user space to their frames', () => {
    const map = create();
    const id = map.stackId([1n, 2n], 0);
    expect(id).toBeGreaterThanOrEqual(0);
    expect(id).toBeLessThan(64);
    expect(map.stackId([1n, 2n], 0)).toBe(id);
    expect(map.lookup(u32(id))).toEqual(frames(1n, 2n, 0n));
    expect([...map.keys()]).toEqual([u32(id)]);
    expect(map.lookup(u32(63 - id))).toBeUndefined();
  });

  it('keeps as many frames as a value has, after those that are skipped', () => {
    const map = create();
    const id = map.stackId([9n, 1n, 2n, 3n, 4n], 1);
    expect(map.lookup(u32(id))).toEqual(frames(1n, 2n, 3n));
    expect(map.stackId([9n], 1)).toBe(-EFAULT);
    expect(map.stackId([9n], 1 << 11)).toBe(-EINVAL);
  });

  it('refuses another chain of the same id, unless it may take its place', () => {
    const map = create(1);
    expect(map.stackId([1n], 0)).toBe(0);
    expect(map.stackId([2n], 0)).toBe(-EEXIST);
    expect(map.stackId([2n], FAST_COMPARE)).toBe(-EEXIST);
    expect(map.stackId([1n], FAST_COMPARE)).toBe(0);
    expect(map.stackId([2n], REUSE)).toBe(-ENOMEM);
    const larger = create(2);
    const ids = [1n, 2n, 3n, 4n].map((frame) => larger.stackId([frame], REUSE));
    expect(ids.some((id) => id >= 0)).toBe(true);
  });

  it('deletes and takes by id; user space can not write', () => {
    const map = create();
    const id = map.stackId([1n], 0);
    expect(map.update(u32(id), frames(1n, 2n, 3n))).toBe(-EINVAL);
    expect(map.delete(u32(64))).toBe(-E2BIG);
    expect(map.delete(u32(id))).toBe(0);
    expect(map.delete(u32(id))).toBe(-ENOENT);
    map.stackId([1n], 0);
    expect(map.syscalls.lookupAndDelete(u32(id))).toEqual(frames(1n, 0n, 0n));
    expect(map.syscalls.lookup(u32(id))).toBe(-ENOENT);
  });

  it('has its ids in order', () => {
    const map = create();
    const ids = [1n, 2n, 3n, 4n, 5n].map((frame) => map.stackId([frame], 0)).filter((id) => id >= 0);
    expect([...map.keys()]).toEqual([...ids].sort((a, b) => a - b).map(u32));
    expect(map.syscalls.nextKey(u32(1000))).toEqual(u32(Math.min(...ids)));
    expect(map.syscalls.nextKey(u32(Math.max(...ids)))).toBe(-ENOENT);
  });
});
