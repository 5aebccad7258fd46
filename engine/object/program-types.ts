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

/** A section's name for each type; of those in `TYPES_OF_MANY_HOOKS` one of several. */
export const SECTION_OF_TYPE: Readonly<Record<Exclude<ProgramType, 'isa'>, string>> = {
  socket_filter: 'socket',
  kprobe: 'kprobe',
  sched_cls: 'tc',
  tracepoint: 'tp',
  xdp: 'xdp',
  perf_event: 'perf_event',
  cgroup_skb: 'cgroup/skb',
  cgroup_sock: 'cgroup/sock',
  cgroup_device: 'cgroup/dev',
  raw_tracepoint: 'raw_tp',
  cgroup_sock_addr: 'cgroup/connect4',
  cgroup_sysctl: 'cgroup/sysctl',
  raw_tracepoint_writable: 'raw_tp.w',
  cgroup_sockopt: 'cgroup/getsockopt',
  tracing: 'tp_btf/sys_exit',
  lsm: 'lsm/file_open',
  syscall: 'syscall',
};

/** Program types whose hook decides what a program gets and may return. */
export const TYPES_OF_MANY_HOOKS: ReadonlySet<string> = new Set<ProgramType>([
  'cgroup_sock_addr',
  'cgroup_sockopt',
  'tracing',
  'lsm',
]);
