import { ATTACH_TYPES, type ProgramType } from '../object/index.ts';

/** Programs that look at the kernel: what bpf_tracing_func_proto and its relatives serve (kernel/trace/bpf_trace.c). */
export const TRACING_TYPES = [
  'kprobe',
  'tracepoint',
  'perf_event',
  'raw_tracepoint',
  'raw_tracepoint_writable',
  'tracing',
  'lsm',
  'syscall',
] as const satisfies readonly ProgramType[];

/** Those with typed arguments (tracing_prog_func_proto), which LSM and syscall programs build on. */
export const TYPED_TYPES = ['tracing', 'lsm', 'syscall'] as const satisfies readonly ProgramType[];

/** Programs on a struct __sk_buff. */
export const SKB_TYPES = ['socket_filter', 'sched_cls', 'cgroup_skb'] as const satisfies readonly ProgramType[];

/** Programs that see a socket or packet (net/core/filter.c). */
export const SOCKET_TYPES = [
  'sched_cls',
  'xdp',
  'cgroup_skb',
  'cgroup_sock_addr',
] as const satisfies readonly ProgramType[];

/** Those that come with a trampoline, which has all arguments (bpf_prog_has_trampoline). */
export const TRAMPOLINES = [ATTACH_TYPES.trace_fentry, ATTACH_TYPES.trace_fexit, ATTACH_TYPES.modify_return] as const;
