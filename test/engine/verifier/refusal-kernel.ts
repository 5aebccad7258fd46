import { type Btf, createBtfBuilder, type MapSpec, parseBtf } from '../../../engine/object/index.ts';

/** Maps that the refusals name; the handle is the place in the list plus 10. */
export const REFUSAL_MAPS: readonly MapSpec[] = [
  { name: 'cells', type: 'array', keySize: 4, valueSize: 64, maxEntries: 4 },
  { name: 'counts', type: 'hash', keySize: 4, valueSize: 16, maxEntries: 8 },
  { name: 'events', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 },
  { name: 'jumps', type: 'prog_array', keySize: 4, valueSize: 4, maxEntries: 4 },
  {
    name: 'outer',
    type: 'array_of_maps',
    keySize: 4,
    valueSize: 4,
    maxEntries: 4,
    inner: { name: 'inner', type: 'array', keySize: 4, valueSize: 8, maxEntries: 2 },
  },
  { name: 'work', type: 'queue', keySize: 0, valueSize: 8, maxEntries: 16 },
  { name: 'seen', type: 'bloom_filter', keySize: 0, valueSize: 8, maxEntries: 16 },
  { name: 'storage', type: 'task_storage', keySize: 4, valueSize: 8, maxEntries: 0, flags: 1 },
  { name: 'stacks', type: 'stack_trace', keySize: 4, valueSize: 64, maxEntries: 16 },
  { name: 'fixed', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1, flags: 1 << 7 },
];

/** BTF of a kernel with few structs, kernel functions and variables; `ids` are those by name. */
function createKernel(): { readonly btf: Btf; readonly ids: ReadonlyMap<string, number> } {
  const build = createBtfBuilder();
  const ids = new Map<string, number>();
  const int = build.int('int', 4, true);
  const long = build.int('unsigned long', 8);
  const char = build.int('char', 1, true);
  const task = build.declare('struct', 'task_struct');
  const file = build.struct('file', 8, [{ name: 'f_flags', type: int, offset: 0 }]);
  const parent = build.pointer(task);
  build.define(task, 40, [
    { name: 'pid', type: int, offset: 0 },
    { name: 'tgid', type: int, offset: 4 },
    { name: 'real_parent', type: parent, offset: 8 },
    { name: 'comm', type: build.array(char, 16), offset: 16 },
    { name: 'last_wakee', type: parent, offset: 32 },
  ]);
  build.struct('pt_regs', 168, [{ name: 'ax', type: long, offset: 80 }]);
  build.struct('linux_binprm', 8, [{ name: 'file', type: build.pointer(file), offset: 0 }]);
  const proto = build.funcProto(0, []);
  for (const name of [
    'bpf_iter_num_new',
    'bpf_iter_num_next',
    'bpf_iter_num_destroy',
    'bpf_task_from_pid',
    'bpf_task_acquire',
    'bpf_task_release',
    'bpf_rcu_read_lock',
    'bpf_rcu_read_unlock',
    'bpf_not_known_here',
  ]) {
    ids.set(name, build.func(name, proto));
  }
  const perCpu = build.variable('numbers', long, 'global');
  ids.set('numbers', perCpu);
  build.dataSection('.data..percpu', 8, [{ type: perCpu, offset: 0, size: 8 }]);
  ids.set('jiffies', build.variable('jiffies', long, 'global'));
  return { btf: parseBtf(build.bytes()), ids };
}

export const REFUSAL_KERNEL = createKernel();
