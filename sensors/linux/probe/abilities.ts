import type { MapSpec, MapType } from '../../../engine/object/index.ts';
import { helperByName } from '../../../engine/vm/index.ts';
import { emptyProgram } from './hooks.ts';
import type { Prober } from './prober.ts';
import { assembled, kfuncCall, syscallProgram } from './programs.ts';

/** Of some names those that the kernel has, and those that it has not. */
export interface Abilities {
  readonly present: readonly string[];
  readonly missing: readonly string[];
}

const sorted = (names: readonly string[], has: (name: string) => boolean): Abilities => {
  const present = names.filter(has);
  return { present, missing: names.filter((name) => !present.includes(name)) };
};

/** Helpers that generated programs call at every hook of theirs. */
const EVERYWHERE = [
  'bpf_map_lookup_elem',
  'bpf_map_update_elem',
  'bpf_map_delete_elem',
  'bpf_ktime_get_boot_ns',
  'bpf_get_current_pid_tgid',
  'bpf_get_current_task_btf',
  'bpf_get_current_cgroup_id',
  'bpf_get_current_ancestor_cgroup_id',
  'bpf_get_current_comm',
  'bpf_probe_read_kernel',
  'bpf_probe_read_kernel_str',
  'bpf_probe_read_user',
  'bpf_probe_read_user_str',
  'bpf_ringbuf_output',
  'bpf_ringbuf_query',
  'bpf_send_signal',
  'bpf_loop',
] as const;

/** By the hook whose programs call them. */
export const PROBED_HELPERS: Readonly<Record<string, readonly string[]>> = {
  'tp_btf/sys_exit': EVERYWHERE,
  'lsm/file_open': EVERYWHERE,
  'iter/task': ['bpf_seq_write', 'bpf_get_current_task_btf', 'bpf_probe_read_kernel', 'bpf_d_path'],
  'cgroup/connect4': ['bpf_map_lookup_elem', 'bpf_get_current_task_btf', 'bpf_ktime_get_boot_ns', 'bpf_ringbuf_output'],
};

/** What the verifier writes of a call that programs of this type may not make; anything else it says is about the arguments. */
const FORBIDDEN = /unknown func|invalid func|cannot use helper|is not allowed|calling invalid/;

/** Helpers that programs at a hook may call: each is called without arguments, and the verifier's complaint tells. */
export const probeHelpers = (section: string, names: readonly string[], prober: Prober): Abilities => {
  const empty = emptyProgram(section, prober);
  return sorted(names, (name) => {
    const id = helperByName(name)?.id;
    if (empty === undefined || id === undefined) return false;
    const refusal = prober.load({ ...empty, instructions: assembled(`call ${id}; r0 = 0; exit`) }, 'log');
    return refusal === undefined || (refusal.log !== '' && !FORBIDDEN.test(refusal.log));
  });
};

/** Kernel functions that programs may use where there are any. */
export const PROBED_KFUNCS: Readonly<Record<string, readonly string[]>> = {
  'tp_btf/sys_exit': ['bpf_iter_num_new', 'bpf_iter_num_next', 'bpf_iter_num_destroy', 'bpf_strstr', 'bpf_strnstr'],
  'lsm/file_open': ['bpf_path_d_path', 'bpf_get_task_exe_file'],
};

/** Kernel functions that programs at a hook may call. */
export const probeKfuncs = (section: string, names: readonly string[], prober: Prober): Abilities => {
  const empty = emptyProgram(section, prober);
  return sorted(names, (name) => {
    const id = prober.btfId('func', name);
    if (empty === undefined || id === undefined) return false;
    const instructions = [kfuncCall(id), ...assembled('r0 = 0; exit')];
    const refusal = prober.load({ ...empty, instructions }, 'log');
    return refusal === undefined || (refusal.log !== '' && !FORBIDDEN.test(refusal.log));
  });
};

/** A program for each group of instructions that not every kernel has, by the group's first kernel. */
const INSTRUCTIONS: Readonly<Record<string, string>> = {
  'movsx, ldxs, bswap, sdiv, gotol (6.6)': 'r0 = 8; r0 = (s8)r0; r0 = bswap16 r0; r0 s/= 2; gotol +0; r0 = 0; exit',
  'may_goto (6.9)': 'may_goto +1; r0 = 1; r0 = 0; exit',
  'load_acquire, store_release (6.15)':
    'r1 = 0; *(u64 *)(r10 -8) = r1; r0 = load_acquire((u64 *)(r10 -8)); r0 = 0; exit',
};

/** Groups of instructions that the verifier and the JIT know. */
export const probeInstructions = (prober: Prober): Abilities =>
  sorted(Object.keys(INSTRUCTIONS), (group) => prober.load(syscallProgram(INSTRUCTIONS[group] ?? '')) === undefined);

const MAPS: readonly MapType[] = [
  'hash',
  'array',
  'percpu_hash',
  'percpu_array',
  'lru_hash',
  'lpm_trie',
  'prog_array',
  'cgroup_array',
  'ringbuf',
];
const BPF_F_NO_PREALLOC = 1;

/** A small map of a type. */
const smallMap = (type: MapType): MapSpec => {
  if (type === 'ringbuf') return { name: 'probe', type, keySize: 0, valueSize: 0, maxEntries: 4096 };
  if (type === 'lpm_trie')
    return { name: 'probe', type, keySize: 8, valueSize: 4, maxEntries: 1, flags: BPF_F_NO_PREALLOC };
  return { name: 'probe', type, keySize: 4, valueSize: 4, maxEntries: 1 };
};

/** Map types that can be created. */
export const probeMaps = (prober: Prober): Abilities =>
  sorted(MAPS, (type) => prober.createMap(smallMap(type as MapType)) === undefined);

/** The largest ring buffer of at most so many bytes (a power of two) that the kernel gives; 0 where it gives none of a page either. */
export const probeRing = (bytes: number, prober: Prober): number => {
  for (let size = bytes; size >= 4096; size /= 2) {
    const spec: MapSpec = { name: 'probe', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: size };
    if (prober.createMap(spec) === undefined) return size;
  }
  return 0;
};
