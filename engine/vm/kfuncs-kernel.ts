import { EINVAL, ENAMETOOLONG, ERANGE, ESRCH } from '../maps/index.ts';
import { type Dynptr, dynptrAt, setDynptr } from './dynptr.ts';
import type { Helper } from './helper.ts';
import { argument, bytesArgument, pointer, size, u32 } from './helper-arguments.ts';
import { type Kfunc, kfunc } from './kfunc.ts';

const TASK = { struct: 'task_struct' } as const;
const CGROUP = { struct: 'cgroup' } as const;
/** Programs that may hold references to tasks and cgroups (generic_btf_ids of kernel/bpf/helpers.c; the cgroup types share what cgroup_skb has). */
const GENERIC: Helper['programTypes'] = [
  'tracing',
  'tracepoint',
  'perf_event',
  'lsm',
  'sched_cls',
  'xdp',
  'syscall',
  ...(['cgroup_skb', 'cgroup_sock', 'cgroup_device', 'cgroup_sock_addr', 'cgroup_sysctl', 'cgroup_sockopt'] as const),
];

/** Takes a reference to a struct; the simulation keeps what programs hold. */
const acquire = (id: number, name: string, struct: string, since: string): Kfunc =>
  kfunc(
    id,
    name,
    [{ struct }],
    { struct, nullable: true, acquires: true },
    GENERIC,
    (_, registers) => argument(registers, 1),
    { since },
  );

const release = (
  id: number,
  name: string,
  struct: string,
  programTypes: Helper['programTypes'],
  since: string,
): Kfunc => kfunc(id, name, [{ struct, releases: true }], 'void', programTypes, () => 0, { since });

const section = (id: number, name: string, since: string): Kfunc =>
  kfunc(id, name, [], 'void', 'all', () => 0, { since });

const slice = (id: number, name: string, writable: boolean): Kfunc =>
  kfunc(
    id,
    name,
    ['dynptr', 'anything', 'memory_out_or_null', 'constant_size'],
    'memory_or_null',
    'all',
    (environment, registers) => {
      const dynptr = dynptrAt(environment, pointer(`bpf_${name}`, environment, registers, 1, 16));
      const [offset, length] = [u32(registers, 2), u32(registers, 4)];
      if (!dynptr || (writable && dynptr.readOnly) || offset + length > dynptr.size) return 0;
      return environment.memory.address(dynptr.data + offset);
    },
    { since: '6.4' },
  );

const ofDynptr = (id: number, name: string, run: (dynptr: Dynptr | undefined) => number): Kfunc =>
  kfunc(
    id,
    name,
    ['dynptr'],
    'scalar',
    'all',
    (environment, registers) => run(dynptrAt(environment, pointer(`bpf_${name}`, environment, registers, 1, 16))),
    { since: '6.5' },
  );

/** Tasks, cgroups, files, dynptrs, and sections that nothing interrupts (kernel/bpf/helpers.c, fs/bpf_fs_kfuncs.c). */
export const kernelKfuncs: readonly Kfunc[] = [
  section(40, 'rcu_read_lock', '6.2'),
  section(41, 'rcu_read_unlock', '6.2'),
  section(42, 'preempt_disable', '6.11'),
  section(43, 'preempt_enable', '6.11'),
  kfunc(44, 'cast_to_kern_ctx', ['context'], 'argument', 'all', (_, registers) => argument(registers, 1), {
    since: '6.2',
  }),
  kfunc(45, 'rdonly_cast', ['anything', 'anything'], 'argument', 'all', (_, registers) => argument(registers, 1), {
    since: '6.2',
  }),
  acquire(46, 'task_acquire', 'task_struct', '6.2'),
  release(47, 'task_release', 'task_struct', GENERIC, '6.2'),
  kfunc(
    48,
    'task_from_pid',
    ['anything'],
    { ...TASK, nullable: true, acquires: true },
    GENERIC,
    (environment, registers) => environment.taskOf?.(u32(registers, 1) | 0) ?? 0,
    { since: '6.2' },
  ),
  acquire(49, 'cgroup_acquire', 'cgroup', '6.2'),
  release(50, 'cgroup_release', 'cgroup', GENERIC, '6.2'),
  kfunc(
    51,
    'cgroup_from_id',
    ['anything'],
    { ...CGROUP, nullable: true, acquires: true },
    GENERIC,
    (environment, registers) => environment.cgroupOf?.(argument(registers, 1)) ?? 0,
    { since: '6.4' },
  ),
  kfunc(
    52,
    'task_under_cgroup',
    [TASK, CGROUP],
    'scalar',
    GENERIC,
    (environment, registers) =>
      argument(registers, 1) === environment.currentTask() && environment.isUnderCgroup?.(argument(registers, 2))
        ? 1
        : 0,
    { since: '6.5' },
  ),
  kfunc(
    53,
    'get_task_exe_file',
    [TASK],
    { struct: 'file', nullable: true, acquires: true },
    ['lsm'],
    (environment, registers) => environment.exeFile?.(argument(registers, 1)) ?? 0,
    { since: '6.12' },
  ),
  release(54, 'put_file', 'file', ['lsm'], '6.12'),
  kfunc(
    55,
    'path_d_path',
    [{ struct: 'path' }, 'memory_out', 'size'],
    'scalar',
    ['lsm'],
    (environment, registers) => {
      const buffer = bytesArgument('bpf_path_d_path', environment, registers, 2, size('bpf_path_d_path', registers, 3));
      const path = environment.path?.(argument(registers, 1));
      if (buffer.length === 0 || path === undefined) return -EINVAL;
      const text = new TextEncoder().encode(`${path}\0`);
      if (text.length > buffer.length) return -ENAMETOOLONG;
      buffer.set(text);
      return text.length;
    },
    { since: '6.12' },
  ),
  slice(56, 'dynptr_slice', false),
  slice(57, 'dynptr_slice_rdwr', true),
  kfunc(
    58,
    'dynptr_adjust',
    ['dynptr', 'anything', 'anything'],
    'scalar',
    'all',
    (environment, registers) => {
      const at = pointer('bpf_dynptr_adjust', environment, registers, 1, 16);
      const dynptr = dynptrAt(environment, at);
      const [start, end] = [u32(registers, 2), u32(registers, 3)];
      if (!dynptr || start > end) return -EINVAL;
      if (end > dynptr.size) return -ERANGE;
      setDynptr(environment, at, { ...dynptr, data: dynptr.data + start, size: end - start });
      return 0;
    },
    { since: '6.5' },
  ),
  ofDynptr(59, 'dynptr_is_null', (dynptr) => (dynptr ? 0 : 1)),
  ofDynptr(60, 'dynptr_is_rdonly', (dynptr) => (dynptr?.readOnly ? 1 : 0)),
  ofDynptr(61, 'dynptr_size', (dynptr) => dynptr?.size ?? -EINVAL),
  kfunc(
    62,
    'send_signal_task',
    [TASK, 'anything', 'anything', 'anything'],
    'scalar',
    GENERIC,
    (environment, registers) => {
      if (u32(registers, 3) > 1 || u32(registers, 2) > 64) return -EINVAL;
      return argument(registers, 1) === environment.currentTask() ? environment.sendSignal(u32(registers, 2)) : -ESRCH;
    },
    { since: '6.13' },
  ),
];
