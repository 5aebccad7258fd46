import type { MapSpec } from '../object/index.ts';
import { EBADF } from './errno.ts';
import type { CgroupArray, MapHost } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { createSlotArray } from './slot-array.ts';

/** A map of cgroups for bpf_current_task_under_cgroup (cgroup_array_map_ops of kernel/bpf/arraymap.c). User space can't read it. */
export function createCgroupArray(memory: MapMemory, spec: MapSpec, handle: number, host?: MapHost): CgroupArray {
  const {
    slot,
    set: _,
    ...map
  } = createSlotArray<bigint>(memory, spec, handle, {
    get: (fd) => host?.owner('cgroup', fd) ?? -EBADF,
  });
  return { ...map, cgroupAt: slot };
}
