import { describe, expect, it } from 'vitest';
import {
  type BpfMap,
  createMap,
  E2BIG,
  EBADF,
  EINVAL,
  ENOENT,
  ENOTSUPP,
  EOPNOTSUPP,
  isCgroupArray,
  isMapOfMaps,
  isPerfEventArray,
  isProgArray,
  type MapHost,
} from '../../../engine/maps/index.ts';
import type { MapSpec } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { u32 } from './bytes.ts';

const maps = new Map<number, BpfMap>();
/** Program 5, cgroup 6, and the maps above. */
const host: MapHost = {
  map: (handle) => maps.get(handle),
  isProgram: (handle) => handle === 5,
  owner: (kind, fd) => (kind === 'cgroup' && fd === 6 ? 0xffff_8880_0000_6000n : undefined),
};
const create = (type: MapSpec['type'], more: Partial<MapSpec> = {}, on = host, memory = new Memory(1 << 20)) =>
  createMap(memory, { name: 'm', type, keySize: 4, valueSize: 4, maxEntries: 2, ...more }, 1, on);

describe.each([
  ['prog_array', 5],
  ['cgroup_array', 6],
] as const)('%s', (type, fd) => {
  it("answers as the kernel's bpf_fd_array_map_update_elem and fd_array_map_delete_elem", () => {
    const map = create(type);
    expect(map.update(u32(2), u32(fd))).toBe(-E2BIG);
    expect(map.update(u32(1), u32(fd), 1)).toBe(-EINVAL);
    expect(map.update(u32(1), u32(99))).toBe(-EBADF);
    expect(map.delete(u32(1))).toBe(-ENOENT);
    expect(map.update(u32(1), u32(fd))).toBe(0);
    expect(map.delete(u32(2))).toBe(-E2BIG);
    expect(map.delete(u32(1))).toBe(0);
    expect(map.delete(u32(1))).toBe(-ENOENT);
    expect([...map.keys()]).toEqual([u32(0), u32(1)]);
    expect(map.syscalls.lookupAndDelete(u32(0))).toBe(-ENOTSUPP);
  });
});

it('a prog_array leads to programs, and user space reads their ids', () => {
  const map = create('prog_array');
  if (!isProgArray(map)) throw new Error('not a prog_array');
  map.update(u32(1), u32(5));
  expect([map.programAt(0), map.programAt(1), map.programAt(2)]).toEqual([undefined, 5, undefined]);
  expect(map.syscalls.lookup(u32(1))).toEqual(u32(5));
  expect(map.syscalls.lookup(u32(0))).toBe(-ENOENT);
  expect(map.syscalls.lookup(u32(7))).toBe(-ENOENT);
});

it('a cgroup_array holds cgroups, which user space can not read', () => {
  const map = create('cgroup_array');
  if (!isCgroupArray(map)) throw new Error('not a cgroup_array');
  map.update(u32(0), u32(6));
  expect([map.cgroupAt(0), map.cgroupAt(1)]).toEqual([0xffff_8880_0000_6000n, undefined]);
  expect(map.syscalls.lookup(u32(0))).toBe(-ENOTSUPP);
});

describe('perf_event_array', () => {
  it('keeps copies of records for the reader of the current CPU', () => {
    const memory = new Memory(1 << 20);
    let cpu = 0;
    const map = create('perf_event_array', {}, { ...host, currentCpu: () => cpu }, memory);
    if (!isPerfEventArray(map)) throw new Error('not a perf_event_array');
    const data = memory.allocate(8);
    memory.bytes.set([1, 2, 3], data);
    const CURRENT = 0xffff_ffff;
    expect(map.outputAt(data, 3, CURRENT)).toBe(-ENOENT);
    expect(map.open(2)).toBe(-E2BIG);
    expect([map.open(0), map.open(1)]).toEqual([0, 0]);
    expect(map.outputAt(data, 3, CURRENT)).toBe(0);
    memory.bytes[data] = 9;
    cpu = 1;
    expect(map.outputAt(data, 2, CURRENT)).toBe(0);
    expect(map.outputAt(data, 2, 1)).toBe(0);
    expect(map.outputAt(data, 2, 0)).toBe(-EOPNOTSUPP);
    expect(map.outputAt(data, 2, 2)).toBe(-E2BIG);
    expect(map.outputAt(data, 2, 2 ** 32)).toBe(-EINVAL);
    const records: (readonly [number, ...number[]])[] = [];
    expect(map.consume((record, index) => records.push([index, ...record]))).toBe(3);
    expect(records).toEqual([
      [0, 1, 2, 3],
      [1, 9, 2],
      [1, 9, 2],
    ]);
    expect(map.consume(() => {})).toBe(0);
    expect(map.lost).toBe(0);
  });

  it('counts what finds no room', () => {
    const map = create('perf_event_array');
    if (!isPerfEventArray(map)) throw new Error('not a perf_event_array');
    map.open(0);
    for (let i = 0; i < 65_536; i++) map.outputAt(65_536, 0, 0);
    expect(map.outputAt(65_536, 0, 0)).toBe(-28);
    expect(map.lost).toBe(1);
  });

  it('has no descriptors that user space could write', () => {
    const map = create('perf_event_array');
    expect(map.update(u32(0), u32(5))).toBe(-EBADF);
    expect(map.syscalls.lookup(u32(0))).toBe(-ENOTSUPP);
  });
});

describe.each(['array_of_maps', 'hash_of_maps'] as const)('%s', (type) => {
  const inner: MapSpec = { name: 'inner', type: 'array', keySize: 4, valueSize: 8, maxEntries: 3 };
  const INNER_MAPS: readonly (readonly [number, Partial<MapSpec>])[] = [
    [10, {}],
    [11, { maxEntries: 4 }],
    [12, { valueSize: 16 }],
    [13, { type: 'hash' }],
    [14, { flags: 1 << 10 }],
  ];
  for (const [handle, more] of INNER_MAPS)
    maps.set(handle, createMap(new Memory(1 << 20), { ...inner, ...more }, handle));

  it('takes only maps like its inner map: of an array also as many entries, unless BPF_F_INNER_MAP says otherwise', () => {
    const map = create(type, { inner });
    expect([10, 11, 12, 13, 14, 99].map((fd) => map.update(u32(0), u32(fd)))).toEqual([
      ...[0, -EINVAL, -EINVAL, -EINVAL, -EINVAL],
      -EBADF,
    ]);
    const hashes: MapSpec = { ...inner, type: 'hash', maxEntries: 77 };
    expect(create(type, { inner: hashes }).update(u32(0), u32(13))).toBe(0);
  });

  it('leads programs to the inner map, and user space reads its id', () => {
    const memory = new Memory(1 << 20);
    const map = create(type, { inner }, host, memory);
    if (!isMapOfMaps(map)) throw new Error('not a map of maps');
    const key = memory.allocate(4);
    expect(map.mapAt(key)).toBeUndefined();
    map.update(u32(0), u32(10));
    expect(map.mapAt(key)).toBe(10);
    expect(map.syscalls.lookup(u32(0))).toEqual(u32(10));
    expect(map.syscalls.lookup(u32(1))).toBe(-ENOENT);
    expect(map.syscalls.lookupAndDelete(u32(0))).toBe(-ENOTSUPP);
    expect(map.delete(u32(0))).toBe(0);
    expect(map.delete(u32(0))).toBe(-ENOENT);
    expect(map.mapAt(key)).toBeUndefined();
  });
});

it('a hash_of_maps has the flags and the limit of a hash map', () => {
  const inner: MapSpec = { name: 'inner', type: 'array', keySize: 4, valueSize: 8, maxEntries: 3 };
  const map = create('hash_of_maps', { inner });
  expect(map.update(u32(1), u32(10), 2)).toBe(-ENOENT);
  expect(map.update(u32(1), u32(10), 1)).toBe(0);
  expect(map.update(u32(1), u32(10), 1)).toBe(-17);
  expect(map.update(u32(2), u32(10))).toBe(0);
  expect(map.update(u32(3), u32(10))).toBe(-E2BIG);
  expect(map.update(u32(3), u32(99), 3)).toBe(-EBADF);
  expect(map.update(u32(3), u32(10), 3)).toBe(-EINVAL);
});
