import type { ProgramType } from '../object/index.ts';

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

/** enum bpf_attach_type (include/uapi/linux/bpf.h), as far as helpers depend on it. */
export const ATTACH = {
  cgroup_inet4_connect: 10,
  cgroup_inet6_connect: 11,
  cgroup_getsockopt: 21,
  cgroup_setsockopt: 22,
  trace_raw_tp: 23,
  trace_fentry: 24,
  trace_fexit: 25,
  modify_return: 26,
  lsm_mac: 27,
  trace_iter: 28,
  lsm_cgroup: 43,
} as const;

/** Those that come with a trampoline, which has all arguments (bpf_prog_has_trampoline). */
export const TRAMPOLINES = [ATTACH.trace_fentry, ATTACH.trace_fexit, ATTACH.modify_return] as const;
