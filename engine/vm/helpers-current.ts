import { EINVAL, ENAMETOOLONG, ENOENT } from '../maps/index.ts';
import { ATTACH_TYPES } from '../object/index.ts';
import type { VmEnvironment } from './environment.ts';
import type { Helper } from './helper.ts';
import { argument, bytesArgument, i32, pointer, row, size, u32 } from './helper-arguments.ts';
import { TRAMPOLINES } from './program-types.ts';

/** _NSIG of x86-64: the greatest signal number. */
const MAX_SIGNAL = 64n;
/** Nanoseconds of a jiffy at HZ = 250, and INITIAL_JIFFIES: five minutes before the counter's low half wraps. */
const [JIFFY_NS, INITIAL_JIFFIES] = [4_000_000n, 2n ** 32n - 300n * 250n];
/** The greatest number of a CPU (NR_CPUS of x86-64 kernels for large machines). */
const MAX_CPU = 8191n;
const TASK = { struct: 'task_struct' } as const;

/** Where bpf_d_path can't deadlock (btf_allowlist_d_path of kernel/trace/bpf_trace.c). */
const WITH_PATH =
  /^(lsm|iter)|^(fentry|fexit|fmod_ret)(\.s)?\/(security_(file_permission|inode_getattr|file_open|path_truncate)|vfs_(truncate|fallocate|getattr)|dentry_open|filp_close)$/;

const number = (
  id: number,
  name: string,
  run: (environment: VmEnvironment) => bigint,
  programTypes: Helper['programTypes'] = 'all',
): Helper => ({ name: `bpf_${name}`, id, arguments: [], returns: 'scalar', programTypes, run });

const signal = (id: number, name: string): Helper =>
  row(id, name, ['anything'], 'scalar', 'all', (environment, registers) => {
    const wanted = argument(registers, 1) & 0xffff_ffffn;
    return wanted > MAX_SIGNAL ? -EINVAL : environment.sendSignal(Number(wanted));
  });

/** Time, chance, and the task that the hook runs on (kernel/bpf/helpers.c, kernel/trace/bpf_trace.c). */
export const currentHelpers: readonly Helper[] = [
  number(5, 'ktime_get_ns', (environment) => environment.monotonicNs?.() ?? environment.bootNs()),
  number(7, 'get_prandom_u32', (environment) => BigInt(environment.random() >>> 0)),
  {
    ...number(8, 'get_smp_processor_id', (environment) => BigInt(environment.currentCpu?.() ?? 0)),
    range: { min: 0n, max: MAX_CPU },
  },
  number(14, 'get_current_pid_tgid', (environment) => environment.currentPidTgid()),
  number(15, 'get_current_uid_gid', (environment) => environment.currentUidGid()),
  row(16, 'get_current_comm', ['memory_out', 'size'], 'scalar', 'all', (environment, registers) => {
    const length = size('bpf_get_current_comm', registers, 2);
    const buffer = pointer('bpf_get_current_comm', environment, registers, 1, length);
    if (length === 0) return -EINVAL;
    const { bytes } = environment.memory;
    const comm = environment.currentComm();
    const nul = comm.indexOf(0);
    const text = comm.subarray(0, Math.min(nul < 0 ? comm.length : nul, length - 1));
    bytes.fill(0, buffer, buffer + length);
    bytes.set(text, buffer);
    return 0;
  }),
  number(17, 'get_cgroup_classid', (environment) => BigInt(environment.currentClassid?.() ?? 0)),
  { ...number(35, 'get_current_task', (environment) => environment.currentTask()), gplOnly: true },
  number(42, 'get_numa_node_id', (environment) => BigInt(environment.numaNode?.() ?? 0)),
  number(80, 'get_current_cgroup_id', (environment) => environment.currentCgroupId()),
  signal(109, 'send_signal'),
  signal(117, 'send_signal_thread'),
  number(
    118,
    'jiffies64',
    (environment) => environment.jiffies?.() ?? INITIAL_JIFFIES + environment.bootNs() / JIFFY_NS,
  ),
  row(
    120,
    'get_ns_current_pid_tgid',
    ['anything', 'anything', 'memory_out', 'size'],
    'scalar',
    'all',
    (environment, registers) => {
      const length = size('bpf_get_ns_current_pid_tgid', registers, 4);
      const at = pointer('bpf_get_ns_current_pid_tgid', environment, registers, 3, length);
      const { bytes, view } = environment.memory;
      const namespace = environment.pidNamespace?.();
      const same = namespace?.device === argument(registers, 1) && namespace.inode === argument(registers, 2);
      if (length !== 8 || !namespace || !same) {
        bytes.fill(0, at, at + length);
        return -EINVAL;
      }
      view.setUint32(at, namespace.pid, true);
      view.setUint32(at + 4, namespace.tgid, true);
      return 0;
    },
  ),
  row(123, 'get_current_ancestor_cgroup_id', ['anything'], 'scalar', 'all', (environment, registers) => {
    const level = i32(registers, 1);
    return level < 0 ? 0 : environment.currentAncestorCgroupId(level);
  }),
  number(125, 'ktime_get_boot_ns', (environment) => environment.bootNs()),
  { ...number(158, 'get_current_task_btf', (environment) => environment.currentTask()), returns: TASK, gplOnly: true },
  number(
    160,
    'ktime_get_coarse_ns',
    (environment) => {
      const now = environment.monotonicNs?.() ?? environment.bootNs();
      return now - (now % JIFFY_NS);
    },
    ['socket_filter', 'sched_cls', 'xdp', 'cgroup_skb', 'cgroup_sock', 'cgroup_sock_addr', 'cgroup_sysctl'],
  ),
  row(
    175,
    'task_pt_regs',
    [TASK],
    { struct: 'pt_regs' },
    'all',
    (environment, registers) => environment.taskRegisters?.(argument(registers, 1)) ?? 0,
    { gplOnly: true },
  ),
  row(
    180,
    'find_vma',
    [TASK, 'anything', 'callback', 'callback_context', 'anything'],
    'scalar',
    'all',
    (environment, registers, machine) => {
      const [task, address, code, context, flags] = [1, 2, 3, 4, 5].map((n) => argument(registers, n)) as [
        bigint,
        bigint,
        bigint,
        bigint,
        bigint,
      ];
      if (flags !== 0n) return -EINVAL;
      const vma = environment.findVma?.(task, address);
      if (vma === undefined) return -ENOENT;
      machine.call(code, task, vma, context, 0n);
      return 0;
    },
    {
      callback: {
        arguments: [TASK, { struct: 'vm_area_struct' }, 'callback_context'],
        returns: { min: 0, max: 1 },
        times: 'once',
      },
    },
  ),
  number(208, 'ktime_get_tai_ns', (environment) => environment.taiNs?.() ?? environment.bootNs()),
  row(159, 'bprm_opts_set', [{ struct: 'linux_binprm' }, 'anything'], 'scalar', ['lsm'], (environment, registers) => {
    const flags = u32(registers, 2);
    if ((argument(registers, 2) & ~1n) !== 0n) return -EINVAL;
    environment.setBprmOptions?.(argument(registers, 1), flags);
    return 0;
  }),
  row(
    147,
    'd_path',
    [{ struct: 'path' }, 'memory_out', 'size_or_zero'],
    'scalar',
    ['tracing', 'lsm'],
    (environment, registers) => {
      const buffer = bytesArgument('bpf_d_path', environment, registers, 2, size('bpf_d_path', registers, 3));
      if (buffer.length === 0) return 0;
      const path = environment.path?.(argument(registers, 1));
      if (path === undefined) return -EINVAL;
      const text = new TextEncoder().encode(`${path}\0`);
      if (text.length > buffer.length) return -ENAMETOOLONG;
      buffer.set(text);
      return text.length;
    },
    { attachTypes: { tracing: [...TRAMPOLINES, ATTACH_TYPES.trace_iter] }, hooks: WITH_PATH },
  ),
];
