import { EINVAL } from '../maps/index.ts';
import { ATTACH_TYPES, type ProgramType } from '../object/index.ts';
import type { VmEnvironment } from './environment.ts';
import type { Helper } from './helper.ts';
import { argument, bytesArgument, i32, row, size } from './helper-arguments.ts';
import { SKB_TYPES, SOCKET_TYPES, TYPED_TYPES } from './program-types.ts';

const WITH_SOCKET: readonly ProgramType[] = [
  'cgroup_skb',
  'cgroup_sock',
  'cgroup_sock_addr',
  'cgroup_sockopt',
  'socket_filter',
  'sched_cls',
];
const BPF_SOCK = { struct: 'bpf_sock', nullable: true } as const;

/** Finds no socket: a simulated network has none that programs could be handed. */
const lookup = (id: number, name: string): Helper =>
  row(
    id,
    name,
    ['context', 'memory', 'size', 'anything', 'anything'],
    { ...BPF_SOCK, acquires: true },
    SOCKET_TYPES,
    () => 0,
  );

const cast = (id: number, struct: string, name = struct): Helper =>
  row(
    id,
    `skc_to_${name}`,
    ['socket'],
    { struct, nullable: true },
    ['socket_filter', ...SOCKET_TYPES, ...TYPED_TYPES],
    (environment, registers) => environment.socketAs?.(argument(registers, 1), struct) ?? 0,
  );

const option = (
  id: number,
  name: 'getsockopt' | 'setsockopt',
  run: (environment: VmEnvironment, level: number, option: number, value: Uint8Array) => number | undefined,
): Helper =>
  row(
    id,
    name,
    ['context', 'anything', 'anything', name === 'getsockopt' ? 'memory_out' : 'memory', 'size'],
    'scalar',
    ['cgroup_sock_addr', 'cgroup_sockopt', 'lsm'],
    (environment, registers) => {
      const value = bytesArgument(`bpf_${name}`, environment, registers, 4, size(`bpf_${name}`, registers, 5));
      const result = run(environment, i32(registers, 2), i32(registers, 3), value) ?? -EINVAL;
      if (name === 'getsockopt' && result < 0) value.fill(0);
      return result;
    },
    {
      attachTypes: { cgroup_sockopt: [ATTACH_TYPES.cgroup_setsockopt], lsm: [ATTACH_TYPES.lsm_cgroup] },
      otherArguments: {
        programTypes: ['lsm'],
        arguments: ['socket', 'anything', 'anything', name === 'getsockopt' ? 'memory_out' : 'memory', 'size'],
      },
    },
  );

const cgroupId = (
  id: number,
  name: string,
  programTypes: readonly ProgramType[],
  ofSocket: boolean,
  hasLevel: boolean,
): Helper =>
  row(
    id,
    name,
    [ofSocket ? 'socket' : 'context', ...(hasLevel ? (['anything'] as const) : [])],
    'scalar',
    programTypes,
    (environment, registers) => {
      const level = hasLevel ? i32(registers, 2) : undefined;
      return level !== undefined && level < 0 ? 0 : (environment.socketCgroupId?.(argument(registers, 1), level) ?? 0);
    },
  );

/** Sockets (net/core/filter.c, kernel/bpf/cgroup.c). */
export const socketHelpers: readonly Helper[] = [
  row(
    46,
    'get_socket_cookie',
    ['context'],
    'scalar',
    ['socket_filter', 'sched_cls', 'cgroup_skb', 'cgroup_sock', 'cgroup_sock_addr', ...TYPED_TYPES],
    (environment, registers) => environment.socketCookie?.(argument(registers, 1)) ?? 0,
    { otherArguments: { programTypes: TYPED_TYPES, arguments: ['socket'] } },
  ),
  row(
    47,
    'get_socket_uid',
    ['context'],
    'scalar',
    SKB_TYPES,
    (environment, registers) => environment.socketUid?.(argument(registers, 1)) ?? 65_534,
  ),
  option(49, 'setsockopt', (environment, level, name, value) => environment.setSocketOption?.(level, name, value)),
  option(57, 'getsockopt', (environment, level, name, value) => environment.getSocketOption?.(level, name, value)),
  row(
    64,
    'bind',
    ['context', 'memory', 'size'],
    'scalar',
    ['cgroup_sock_addr'],
    (environment, registers) =>
      environment.bindSocket?.(bytesArgument('bpf_bind', environment, registers, 2, size('bpf_bind', registers, 3))) ??
      -EINVAL,
    { attachTypes: { cgroup_sock_addr: [ATTACH_TYPES.cgroup_inet4_connect, ATTACH_TYPES.cgroup_inet6_connect] } },
  ),
  cgroupId(79, 'skb_cgroup_id', ['sched_cls', 'cgroup_skb'], false, false),
  cgroupId(83, 'skb_ancestor_cgroup_id', ['sched_cls', 'cgroup_skb'], false, true),
  lookup(84, 'sk_lookup_tcp'),
  lookup(85, 'sk_lookup_udp'),
  row(86, 'sk_release', [{ struct: 'bpf_sock', releases: true }], 'scalar', SOCKET_TYPES, () => 0),
  row(95, 'sk_fullsock', ['socket'], BPF_SOCK, ['sched_cls', 'cgroup_skb'], () => 0),
  row(
    96,
    'tcp_sock',
    ['socket'],
    { struct: 'bpf_tcp_sock', nullable: true },
    ['sched_cls', 'cgroup_skb', 'cgroup_sockopt'],
    () => 0,
  ),
  row(98, 'get_listener_sock', ['socket'], BPF_SOCK, ['sched_cls', 'cgroup_skb'], () => 0),
  lookup(99, 'skc_lookup_tcp'),
  row(122, 'get_netns_cookie', ['context'], 'scalar', WITH_SOCKET, (environment) => environment.netnsCookie?.() ?? 1),
  cgroupId(128, 'sk_cgroup_id', ['cgroup_skb'], true, false),
  cgroupId(129, 'sk_ancestor_cgroup_id', ['cgroup_skb'], true, true),
  cast(136, 'tcp6_sock'),
  cast(137, 'tcp_sock'),
  cast(138, 'tcp_timewait_sock'),
  cast(139, 'tcp_request_sock'),
  cast(140, 'udp6_sock'),
  cast(178, 'unix_sock'),
  cast(196, 'mptcp_sock'),
];
