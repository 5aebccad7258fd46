import type { ContextField, ContextLayout } from './hooks.ts';

/** enum bpf_attach_type of include/uapi/linux/bpf.h, in lower case without the prefix, as far as sections name them. */
export const ATTACH_TYPES = {
  cgroup_inet_ingress: 0,
  cgroup_inet_egress: 1,
  cgroup_inet_sock_create: 2,
  cgroup_device: 6,
  cgroup_inet4_bind: 8,
  cgroup_inet6_bind: 9,
  cgroup_inet4_connect: 10,
  cgroup_inet6_connect: 11,
  cgroup_inet4_post_bind: 12,
  cgroup_inet6_post_bind: 13,
  cgroup_udp4_sendmsg: 14,
  cgroup_udp6_sendmsg: 15,
  cgroup_sysctl: 18,
  cgroup_udp4_recvmsg: 19,
  cgroup_udp6_recvmsg: 20,
  cgroup_getsockopt: 21,
  cgroup_setsockopt: 22,
  trace_raw_tp: 23,
  trace_fentry: 24,
  trace_fexit: 25,
  modify_return: 26,
  lsm_mac: 27,
  trace_iter: 28,
  cgroup_inet4_getpeername: 29,
  cgroup_inet6_getpeername: 30,
  cgroup_inet4_getsockname: 31,
  cgroup_inet6_getsockname: 32,
  xdp_devmap: 33,
  cgroup_inet_sock_release: 34,
  xdp_cpumap: 35,
  xdp: 37,
  trace_kprobe_multi: 42,
  lsm_cgroup: 43,
  tcx_ingress: 46,
  tcx_egress: 47,
  trace_uprobe_multi: 48,
  cgroup_unix_connect: 49,
  cgroup_unix_sendmsg: 50,
  cgroup_unix_recvmsg: 51,
  cgroup_unix_getpeername: 52,
  cgroup_unix_getsockname: 53,
  netkit_primary: 54,
  netkit_peer: 55,
  trace_kprobe_session: 56,
  trace_uprobe_session: 57,
} as const;
export type AttachType = keyof typeof ATTACH_TYPES;

type Extra = Partial<Omit<ContextField, 'name' | 'offset' | 'size'>>;
const field = (name: string, offset: number, size: number, extra: Extra = {}): ContextField => ({
  name,
  offset,
  size,
  type: 'scalar',
  access: 'read',
  ...extra,
});

const NARROW = [1, 2, 4] as const;
const WIDE = [1, 2, 4, 8] as const;
const WORDS = [4, 8] as const;

/** A number of 4 bytes of which parts may be loaded. */
const word = (name: string, offset: number, access: ContextField['access'] = 'read'): ContextField =>
  field(name, offset, 4, { access, loads: NARROW });

const SOCKET = { struct: 'bpf_sock' } as const;

/** Programs that see struct __sk_buff. */
type SkbProgram = 'socket_filter' | 'cgroup_skb' | 'sched_cls';

const SKB_WRITABLE: Readonly<Record<SkbProgram, readonly string[]>> = {
  socket_filter: ['cb'],
  cgroup_skb: ['cb', 'mark', 'priority', 'tstamp'],
  sched_cls: ['cb', 'mark', 'priority', 'tstamp', 'tc_index', 'tc_classid', 'queue_mapping'],
};
const SKB_ADDRESSES = ['family', 'remote_ip4', 'local_ip4', 'remote_ip6', 'local_ip6', 'remote_port', 'local_port'];
const SKB_HIDDEN: Readonly<Record<SkbProgram, readonly string[]>> = {
  socket_filter: [
    ...SKB_ADDRESSES,
    'tc_classid',
    'data',
    'data_end',
    'data_meta',
    'tstamp',
    'wire_len',
    'tstamp_type',
    'hwtstamp',
  ],
  cgroup_skb: ['tc_classid', 'data_meta', 'wire_len', 'tstamp_type'],
  sched_cls: SKB_ADDRESSES,
};

const SKB_FIELDS: readonly ContextField[] = [
  word('len', 0),
  word('pkt_type', 4),
  word('mark', 8),
  word('queue_mapping', 12),
  word('protocol', 16),
  word('vlan_present', 20),
  word('vlan_tci', 24),
  word('vlan_proto', 28),
  word('priority', 32),
  word('ingress_ifindex', 36),
  word('ifindex', 40),
  word('tc_index', 44),
  field('cb', 48, 20, { loads: WIDE, stores: WIDE }),
  word('hash', 68),
  word('tc_classid', 72),
  field('data', 76, 4, { type: 'packet' }),
  field('data_end', 80, 4, { type: 'packet_end' }),
  word('napi_id', 84),
  word('family', 88),
  field('remote_ip4', 92, 4),
  field('local_ip4', 96, 4),
  field('remote_ip6', 100, 16, { loads: [4] }),
  field('local_ip6', 116, 16, { loads: [4] }),
  word('remote_port', 132),
  word('local_port', 136),
  field('data_meta', 140, 4, { type: 'packet_meta' }),
  field('tstamp', 152, 8),
  word('wire_len', 160),
  word('gso_segs', 164),
  field('sk', 168, 8, { type: { ...SOCKET, nullable: true } }),
  word('gso_size', 176),
  field('tstamp_type', 180, 1),
  field('hwtstamp', 184, 8),
];

/** struct __sk_buff as a program type may access it (sk_filter_, cg_skb_ and tc_cls_act_is_valid_access of net/core/filter.c). */
export function skbContext(program: SkbProgram): ContextLayout {
  const fields = SKB_FIELDS.filter(({ name }) => !SKB_HIDDEN[program].includes(name)).map((one) =>
    SKB_WRITABLE[program].includes(one.name) ? { ...one, access: 'both' as const } : one,
  );
  return { kind: 'fields', name: '__sk_buff', size: 192, fields };
}

/** struct xdp_md (xdp_is_valid_access of net/core/filter.c): read only, whole words. */
export function xdpContext(attach: AttachType): ContextLayout {
  const fields = [
    field('data', 0, 4, { type: 'packet' }),
    field('data_end', 4, 4, { type: 'packet_end' }),
    field('data_meta', 8, 4, { type: 'packet_meta' }),
    field('ingress_ifindex', 12, 4),
    field('rx_queue_index', 16, 4),
    ...(attach === 'xdp_devmap' ? [field('egress_ifindex', 20, 4)] : []),
  ];
  return { kind: 'fields', name: 'xdp_md', size: 24, fields };
}

/** struct bpf_sock_addr (sock_addr_is_valid_access of net/core/filter.c): an address only where the attach type is of its family. */
export function sockAddrContext(attach: AttachType): ContextLayout {
  const is4 = /4/.test(attach);
  const is6 = /6/.test(attach);
  const sends = attach.endsWith('sendmsg');
  const address4 = (name: string, offset: number): ContextField => word(name, offset, 'both');
  const address6 = (name: string, offset: number): ContextField =>
    field(name, offset, 16, { access: 'both', loads: WIDE, stores: WORDS });
  const fields = [
    field('user_family', 0, 4),
    ...(is4 ? [address4('user_ip4', 4)] : []),
    ...(is6 ? [address6('user_ip6', 8)] : []),
    word('user_port', 24, 'both'),
    field('family', 28, 4),
    field('type', 32, 4),
    field('protocol', 36, 4),
    ...(is4 && sends ? [address4('msg_src_ip4', 40)] : []),
    ...(is6 && sends ? [address6('msg_src_ip6', 44)] : []),
    field('sk', 64, 8, { type: SOCKET }),
  ];
  return { kind: 'fields', name: 'bpf_sock_addr', size: 72, fields };
}

/** struct bpf_sock as the context of a program (sock_filter_is_valid_access of net/core/filter.c). */
export function sockContext(attach: AttachType): ContextLayout {
  const owns = attach === 'cgroup_inet_sock_create' || attach === 'cgroup_inet_sock_release';
  const is4 = attach === 'cgroup_inet4_post_bind';
  const is6 = attach === 'cgroup_inet6_post_bind';
  const owned = (name: string, offset: number): ContextField[] =>
    owns ? [field(name, offset, 4, { access: 'both' })] : [];
  const fields = [
    ...owned('bound_dev_if', 0),
    word('family', 4),
    word('type', 8),
    word('protocol', 12),
    ...owned('mark', 16),
    ...owned('priority', 20),
    ...(is4 ? [word('src_ip4', 24)] : []),
    ...(is6 ? [field('src_ip6', 28, 16, { loads: NARROW })] : []),
    ...(is4 || is6 ? [word('src_port', 44)] : []),
    field('dst_port', 48, 2, { loads: [1, 2] }),
    field('dst_port', 48, 4),
    word('dst_ip4', 52),
    field('dst_ip6', 56, 16, { loads: NARROW }),
    word('state', 72),
    word('rx_queue_mapping', 76),
  ];
  return { kind: 'fields', name: 'bpf_sock', size: 80, fields };
}

/** struct bpf_cgroup_dev_ctx (cgroup_dev_is_valid_access of kernel/bpf/cgroup.c). */
export const DEVICE_CONTEXT: ContextLayout = {
  kind: 'fields',
  name: 'bpf_cgroup_dev_ctx',
  size: 12,
  fields: [word('access_type', 0), field('major', 4, 4), field('minor', 8, 4)],
};

/** struct bpf_sysctl (sysctl_is_valid_access of kernel/bpf/cgroup.c). */
export const SYSCTL_CONTEXT: ContextLayout = {
  kind: 'fields',
  name: 'bpf_sysctl',
  size: 8,
  fields: [word('write', 0), word('file_pos', 4, 'both')],
};

/** struct bpf_sockopt (cg_sockopt_is_valid_access of kernel/bpf/cgroup.c); the option's value is accessed as a packet is. */
export function sockoptContext(attach: AttachType): ContextLayout {
  const gets = attach === 'cgroup_getsockopt';
  const set = { access: gets ? 'read' : 'both' } as const;
  const fields = [
    field('sk', 0, 8, { type: SOCKET }),
    field('optval', 8, 8, { type: 'packet' }),
    field('optval_end', 16, 8, { type: 'packet_end' }),
    field('level', 24, 4, set),
    field('optname', 28, 4, set),
    field('optlen', 32, 4, { access: 'both' }),
    ...(gets ? [field('retval', 36, 4, { access: 'both' })] : []),
  ];
  return { kind: 'fields', name: 'bpf_sockopt', size: 40, fields };
}

/** struct pt_regs of x86-64 in its order, 8 bytes each. */
const REGISTERS = 'r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss'.split(' ');
const PT_REGS_BYTES = 8 * REGISTERS.length;

/** struct pt_regs of a kprobe (kprobe_prog_is_valid_access of kernel/trace/bpf_trace.c): any aligned load. */
export const PT_REGS_CONTEXT: ContextLayout = { kind: 'memory', size: PT_REGS_BYTES, writable: false };

/** struct bpf_perf_event_data (pe_prog_is_valid_access of kernel/trace/bpf_trace.c). */
export const PERF_EVENT_CONTEXT: ContextLayout = {
  kind: 'fields',
  name: 'bpf_perf_event_data',
  size: PT_REGS_BYTES + 16,
  fields: [
    ...REGISTERS.map((name, index) => field(name, 8 * index, 8)),
    field('sample_period', PT_REGS_BYTES, 8, { loads: WIDE }),
    field('addr', PT_REGS_BYTES + 8, 8, { loads: WIDE }),
  ],
};

/** PERF_MAX_TRACE_SIZE: how much of a tracepoint's record may be read, whatever the event has. */
const TRACE_BYTES = 8192;

/** A tracepoint's record behind its first 8 bytes, which are the kernel's (tp_prog_is_valid_access of kernel/trace/bpf_trace.c). */
export const TRACEPOINT_CONTEXT: ContextLayout = {
  kind: 'fields',
  name: 'tracepoint',
  size: TRACE_BYTES,
  fields: [field('record', 8, TRACE_BYTES - 8, { loads: WIDE })],
};

/** What BPF_PROG_TEST_RUN gives a syscall program: up to 65,535 bytes, read and written (syscall_prog_is_valid_access of kernel/bpf/syscall.c). */
export const SYSCALL_CONTEXT: ContextLayout = { kind: 'memory', size: 0xffff, writable: true };
