import {
  type BpfMap,
  type CgroupArray,
  E2BIG,
  EAGAIN,
  EINVAL,
  type IterableMap,
  type KeylessMap,
  type MapOfMaps,
  type PerCpuMap,
} from '../maps/index.ts';
import type { VmEnvironment } from './environment.ts';
import type { Helper } from './helper.ts';
import { argument, KEYED_MAPS, mapArgument, mapWith, pointer, row, u32 } from './helper-arguments.ts';
import { KERNEL_BASE_HIGH } from './memory.ts';

const keyless = (
  id: number,
  name: string,
  mapTypes: NonNullable<Helper['mapTypes']>,
  operation: 'popAt' | 'peekAt',
): Helper =>
  row(
    id,
    name,
    ['map', 'map_value_out'],
    'scalar',
    'all',
    (environment, registers) => {
      const map = mapWith<KeylessMap>(`bpf_${name}`, environment, registers, operation);
      return map[operation](pointer(`bpf_${name}`, environment, registers, 2, map.spec.valueSize));
    },
    { mapTypes },
  );

/** The map in r1, where it is one whose values are no maps. */
function plainMap(environment: VmEnvironment, halves: Int32Array): BpfMap | undefined {
  const map = halves[3] === 0 ? environment.map(halves[2]! >>> 0) : undefined;
  return map && 'mapAt' in map ? undefined : map;
}

/** Where `length` bytes that register n points to lie in memory, or -1. */
const place = ({ memory }: VmEnvironment, halves: Int32Array, n: number, length: number): number =>
  memory.offsetOf(halves[2 * n]!, halves[2 * n + 1]!, length);

function setResult(halves: Int32Array, result: number): void {
  halves[0] = result;
  halves[1] = result >> 31;
}

/** Maps (kernel/bpf/helpers.c, kernel/bpf/bpf_iter.c). */
export const mapHelpers: readonly Helper[] = [
  {
    name: 'bpf_map_lookup_elem',
    id: 1,
    arguments: ['map', 'map_key'],
    returns: 'map_value_or_null',
    programTypes: 'all',
    mapTypes: KEYED_MAPS,
    run: (environment, registers) => {
      const map = mapArgument('bpf_map_lookup_elem', environment, registers);
      const key = pointer('bpf_map_lookup_elem', environment, registers, 2, map.spec.keySize);
      if ('mapAt' in map) return BigInt((map as MapOfMaps).mapAt(key) ?? 0);
      const value = map.lookupAt(key);
      return value === 0 ? 0n : environment.memory.address(value);
    },
    fast: (environment, halves) => {
      const map = plainMap(environment, halves);
      const key = map ? place(environment, halves, 2, map.spec.keySize) : -1;
      if (!map || key === -1) return false;
      const value = map.lookupAt(key);
      halves[0] = value;
      halves[1] = value === 0 ? 0 : KERNEL_BASE_HIGH;
      return true;
    },
  },
  {
    name: 'bpf_map_update_elem',
    id: 2,
    arguments: ['map', 'map_key', 'map_value', 'anything'],
    returns: 'scalar',
    programTypes: 'all',
    mapTypes: KEYED_MAPS.filter((type) => !type.endsWith('_of_maps')),
    run: (environment, registers) => {
      const map = mapArgument('bpf_map_update_elem', environment, registers);
      const key = pointer('bpf_map_update_elem', environment, registers, 2, map.spec.keySize);
      const value = pointer('bpf_map_update_elem', environment, registers, 3, map.spec.valueSize);
      return BigInt(map.updateAt(key, value, Number(argument(registers, 4))));
    },
    fast: (environment, halves) => {
      const map = plainMap(environment, halves);
      if (!map || halves[9] !== 0) return false;
      const key = place(environment, halves, 2, map.spec.keySize);
      const value = place(environment, halves, 3, map.spec.valueSize);
      if (key === -1 || value === -1) return false;
      setResult(halves, map.updateAt(key, value, halves[8]! >>> 0));
      return true;
    },
  },
  {
    name: 'bpf_map_delete_elem',
    id: 3,
    arguments: ['map', 'map_key'],
    returns: 'scalar',
    programTypes: 'all',
    mapTypes: KEYED_MAPS.filter((type) => !type.endsWith('_of_maps')),
    run: (environment, registers) => {
      const map = mapArgument('bpf_map_delete_elem', environment, registers);
      return BigInt(map.deleteAt(pointer('bpf_map_delete_elem', environment, registers, 2, map.spec.keySize)));
    },
    fast: (environment, halves) => {
      const map = plainMap(environment, halves);
      const key = map ? place(environment, halves, 2, map.spec.keySize) : -1;
      if (!map || key === -1) return false;
      setResult(halves, map.deleteAt(key));
      return true;
    },
  },
  row(
    87,
    'map_push_elem',
    ['map', 'map_value', 'anything'],
    'scalar',
    'all',
    (environment, registers) => {
      const map = mapWith<KeylessMap>('bpf_map_push_elem', environment, registers, 'pushAt');
      const value = pointer('bpf_map_push_elem', environment, registers, 2, map.spec.valueSize);
      return map.pushAt(value, Number(argument(registers, 3)));
    },
    { mapTypes: ['queue', 'stack', 'bloom_filter'] },
  ),
  keyless(88, 'map_pop_elem', ['queue', 'stack'], 'popAt'),
  keyless(89, 'map_peek_elem', ['queue', 'stack', 'bloom_filter'], 'peekAt'),
  row(
    164,
    'for_each_map_elem',
    ['map', 'callback', 'callback_context', 'anything'],
    'scalar',
    'all',
    (environment, registers, machine) => {
      const [handle, code, context, flags] = [1, 2, 3, 4].map((n) => argument(registers, n)) as [
        bigint,
        bigint,
        bigint,
        bigint,
      ];
      const map = mapWith<IterableMap>('bpf_for_each_map_elem', environment, registers, 'eachAt');
      if (flags !== 0n) return -EINVAL;
      const { memory } = environment;
      return map.eachAt((key, value) => {
        machine.lend?.(key, map.spec.keySize);
        return machine.call(code, handle, memory.address(key), memory.address(value), context) !== 0n;
      });
    },
    {
      mapTypes: ['hash', 'percpu_hash', 'lru_hash', 'lru_percpu_hash', 'array', 'percpu_array'],
      callback: {
        arguments: ['map', 'map_key', 'map_value', 'callback_context'],
        returns: { min: 0, max: 1 },
        times: 'any',
      },
    },
  ),
  row(
    195,
    'map_lookup_percpu_elem',
    ['map', 'map_key', 'anything'],
    'map_value_or_null',
    'all',
    (environment, registers) => {
      const map = mapWith<PerCpuMap>('bpf_map_lookup_percpu_elem', environment, registers, 'lookupCpuAt');
      const key = pointer('bpf_map_lookup_percpu_elem', environment, registers, 2, map.spec.keySize);
      const value = map.lookupCpuAt(key, u32(registers, 3));
      return value === 0 ? 0n : environment.memory.address(value);
    },
    { mapTypes: ['percpu_array', 'percpu_hash', 'lru_percpu_hash'] },
  ),
  row(
    37,
    'current_task_under_cgroup',
    ['map', 'anything'],
    'scalar',
    'all',
    (environment, registers) => {
      const map = mapWith<CgroupArray>('bpf_current_task_under_cgroup', environment, registers, 'cgroupAt');
      const index = u32(registers, 2);
      if (index >= map.spec.maxEntries) return -E2BIG;
      const cgroup = map.cgroupAt(index);
      return cgroup === undefined ? -EAGAIN : environment.isUnderCgroup?.(cgroup) ? 1 : 0;
    },
    { mapTypes: ['cgroup_array'] },
  ),
];
