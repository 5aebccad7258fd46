import { EINVAL, type LocalStorageMap } from '../maps/index.ts';
import type { MapType } from '../object/index.ts';
import type { Helper } from './helper.ts';
import { argument, mapWith, pointer, row } from './helper-arguments.ts';

/** BPF_LOCAL_STORAGE_GET_F_CREATE. */
const CREATE = 1n;

const storage = (get: number, name: string, struct: string, type: MapType): Helper[] => [
  row(
    get,
    `${name}_get`,
    ['map', { struct, nullable: true }, 'map_value_or_null', 'anything'],
    'map_value_or_null',
    'all',
    (environment, registers) => {
      const map = mapWith<LocalStorageMap>(`bpf_${name}_get`, environment, registers, 'storageAt');
      const [owner, value, flags] = [2, 3, 4].map((n) => argument(registers, n)) as [bigint, bigint, bigint];
      if ((flags & ~CREATE) !== 0n || owner === 0n) return 0;
      const first = value === 0n ? 0 : pointer(`bpf_${name}_get`, environment, registers, 3, map.spec.valueSize);
      const found = map.storageAt(owner, first, flags === CREATE);
      return found === 0 ? 0 : environment.memory.address(found);
    },
    { mapTypes: [type] },
  ),
  row(
    get + 1,
    `${name}_delete`,
    ['map', { struct, nullable: true }],
    'scalar',
    'all',
    (environment, registers) => {
      const map = mapWith<LocalStorageMap>(`bpf_${name}_delete`, environment, registers, 'deleteStorage');
      const owner = argument(registers, 2);
      return owner === 0n ? -EINVAL : map.deleteStorage(owner);
    },
    { mapTypes: [type] },
  ),
];

/** Values that belong to a task or a cgroup (kernel/bpf/bpf_task_storage.c, bpf_cgrp_storage.c). */
export const storageHelpers: readonly Helper[] = [
  ...storage(156, 'task_storage', 'task_struct', 'task_storage'),
  ...storage(210, 'cgrp_storage', 'cgroup', 'cgrp_storage').map((helper) => ({ ...helper, since: '6.2' })),
];
