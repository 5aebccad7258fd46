import { BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG, type MapSpec, type MapType } from '../object/index.ts';
import type { Helper } from '../vm/index.ts';
import { Rejection } from './error.ts';

const STORAGE = (kind: string): readonly string[] => [
  `bpf_${kind}_storage_get`,
  `bpf_${kind}_storage_delete`,
  'bpf_kptr_xchg',
];

/** The only helpers that take maps of these types (first switch of check_map_func_compatibility in kernel/bpf/verifier.c). */
const HELPERS_OF: Partial<Record<MapType, readonly string[]>> = {
  prog_array: ['bpf_tail_call'],
  perf_event_array: [
    'bpf_perf_event_read',
    'bpf_perf_event_output',
    'bpf_skb_output',
    'bpf_perf_event_read_value',
    'bpf_xdp_output',
  ],
  ringbuf: [
    'bpf_ringbuf_output',
    'bpf_ringbuf_reserve',
    'bpf_ringbuf_query',
    'bpf_ringbuf_reserve_dynptr',
    'bpf_ringbuf_submit_dynptr',
    'bpf_ringbuf_discard_dynptr',
  ],
  stack_trace: ['bpf_get_stackid'],
  cgroup_array: ['bpf_skb_under_cgroup', 'bpf_current_task_under_cgroup'],
  array_of_maps: ['bpf_map_lookup_elem'],
  hash_of_maps: ['bpf_map_lookup_elem'],
  queue: ['bpf_map_peek_elem', 'bpf_map_pop_elem', 'bpf_map_push_elem'],
  stack: ['bpf_map_peek_elem', 'bpf_map_pop_elem', 'bpf_map_push_elem'],
  bloom_filter: ['bpf_map_peek_elem', 'bpf_map_push_elem'],
  task_storage: STORAGE('task'),
  cgrp_storage: STORAGE('cgrp'),
};

const PERF: readonly MapType[] = ['perf_event_array'];
const RINGBUF: readonly MapType[] = ['ringbuf'];
const KEYLESS: readonly MapType[] = ['queue', 'stack'];

/** The only map types that these helpers take (its second switch). */
const TYPES_OF: Readonly<Record<string, readonly MapType[]>> = {
  bpf_tail_call: ['prog_array'],
  bpf_perf_event_read: PERF,
  bpf_perf_event_output: PERF,
  bpf_perf_event_read_value: PERF,
  bpf_skb_output: PERF,
  bpf_xdp_output: PERF,
  bpf_ringbuf_output: RINGBUF,
  bpf_ringbuf_reserve: RINGBUF,
  bpf_ringbuf_query: RINGBUF,
  bpf_get_stackid: ['stack_trace'],
  bpf_current_task_under_cgroup: ['cgroup_array'],
  bpf_skb_under_cgroup: ['cgroup_array'],
  bpf_map_peek_elem: [...KEYLESS, 'bloom_filter'],
  bpf_map_push_elem: [...KEYLESS, 'bloom_filter'],
  bpf_map_pop_elem: KEYLESS,
  bpf_map_lookup_percpu_elem: ['percpu_hash', 'percpu_array', 'lru_percpu_hash'],
  bpf_task_storage_get: ['task_storage'],
  bpf_task_storage_delete: ['task_storage'],
  bpf_cgrp_storage_get: ['cgrp_storage'],
  bpf_cgrp_storage_delete: ['cgrp_storage'],
  bpf_for_each_map_elem: ['hash', 'array', 'percpu_hash', 'percpu_array', 'lru_hash', 'lru_percpu_hash'],
};

/** More types than this aren't named one by one. */
const MAX_NAMED = 4;

const WRITERS: ReadonlySet<string> = new Set([
  'bpf_map_update_elem',
  'bpf_map_delete_elem',
  'bpf_map_push_elem',
  'bpf_map_pop_elem',
]);
const READERS: ReadonlySet<string> = new Set(['bpf_map_lookup_elem', 'bpf_for_each_map_elem', 'bpf_map_peek_elem']);

/** Map types that programs which may sleep can use (check_map_prog_compatibility of kernel/bpf/verifier.c). */
const SLEEPABLE: readonly MapType[] = [
  'hash',
  'lru_hash',
  'array',
  'percpu_hash',
  'percpu_array',
  'lru_percpu_hash',
  'array_of_maps',
  'hash_of_maps',
  'ringbuf',
  'queue',
  'stack',
  'task_storage',
  'cgrp_storage',
];

/** Whether a program that may sleep can refer to the map. */
export const maySleepWith = (spec: MapSpec): boolean => SLEEPABLE.includes(spec.type);

/** @throws Rejection where the helper and the map in a register don't go together */
export function checkMapHelper(helper: Helper, register: number, spec: MapSpec, ringbuf: boolean): void {
  const { name } = helper;
  const types = helper.mapTypes ?? TYPES_OF[name];
  const takers = HELPERS_OF[spec.type];
  const fits = types ? types.includes(spec.type) : (spec.type === 'ringbuf') === ringbuf;
  if (!fits || (takers && !takers.includes(name))) {
    throw new Rejection(`r${register} must be ${wantedMap(types, ringbuf)}; ${spec.name} is of type ${spec.type}`);
  }
  const flags = spec.flags ?? 0;
  if (flags & BPF_F_RDONLY_PROG && WRITERS.has(name)) {
    throw new Rejection(`the map ${spec.name} is read only for programs`);
  }
  if (flags & BPF_F_WRONLY_PROG && READERS.has(name)) {
    throw new Rejection(`the map ${spec.name} is write only for programs`);
  }
}

/** The types a helper takes, in words; many are all those with keys. */
function wantedMap(types: readonly MapType[] | undefined, ringbuf: boolean): string {
  if (ringbuf) return 'a ring buffer map';
  return types && types.length <= MAX_NAMED ? `a map of type ${types.join(' or ')}` : 'a map with keys';
}
