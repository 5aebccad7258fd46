/** What the kernel numbers a program type with (enum bpf_prog_type of include/uapi/linux/bpf.h), by its name in lower case without the prefix. */
export const PROGRAM_TYPES = {
  socket_filter: 1,
  kprobe: 2,
  sched_cls: 3,
  tracepoint: 5,
  xdp: 6,
  perf_event: 7,
  cgroup_skb: 8,
  cgroup_sock: 9,
  cgroup_device: 15,
  raw_tracepoint: 17,
  cgroup_sock_addr: 18,
  cgroup_sysctl: 23,
  raw_tracepoint_writable: 24,
  cgroup_sockopt: 25,
  tracing: 26,
  lsm: 29,
  syscall: 31,
} as const;

/** A program type of the kernel, or `isa`: a program of RFC 9669 that runs on plain memory, as the conformance vectors do. */
export type ProgramType = keyof typeof PROGRAM_TYPES | 'isa';
