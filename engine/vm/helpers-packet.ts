import { EFAULT, EINVAL, ENOMEM } from '../maps/index.ts';
import { csumDiff } from './checksum.ts';
import type { VmEnvironment } from './environment.ts';
import type { ArgumentType, Helper } from './helper.ts';
import { argument, bytesArgument, i32, row, size, u32 } from './helper-arguments.ts';
import { SKB_TYPES, TYPED_TYPES } from './program-types.ts';

/** Where `length` bytes at `offset` of the packet lie in memory, undefined beyond its end. */
function inPacket(environment: VmEnvironment, offset: number, length: number): number | undefined {
  const packet = environment.packet?.();
  return packet && offset + length <= packet.length ? packet.offset + offset : undefined;
}

const load = (
  id: number,
  name: string,
  failure: number,
  programTypes: Helper['programTypes'],
  more: ArgumentType[] = [],
): Helper =>
  row(
    id,
    name,
    ['context', 'anything', 'memory_out', 'size', ...more],
    'scalar',
    programTypes,
    (environment, registers) => {
      const to = bytesArgument(`bpf_${name}`, environment, registers, 3, size(`bpf_${name}`, registers, 4));
      const from = inPacket(environment, u32(registers, 2), to.length);
      if (from === undefined) {
        to.fill(0);
        return -failure;
      }
      to.set(environment.memory.bytes.subarray(from, from + to.length));
      return 0;
    },
  );

const store = (
  id: number,
  name: string,
  failure: number,
  programTypes: Helper['programTypes'],
  flags: bigint,
): Helper =>
  row(
    id,
    name,
    ['context', 'anything', 'memory', 'size', ...(flags > 0n ? (['anything'] as const) : [])],
    'scalar',
    programTypes,
    (environment, registers) => {
      const from = bytesArgument(`bpf_${name}`, environment, registers, 3, size(`bpf_${name}`, registers, 4));
      if (flags > 0n && (argument(registers, 5) & ~flags) !== 0n) return -EINVAL;
      const to = inPacket(environment, u32(registers, 2), from.length);
      if (to === undefined) return -failure;
      environment.memory.bytes.set(from, to);
      return 0;
    },
    { changesPacket: true },
  );

const adjust = (id: number, what: 'head' | 'tail' | 'meta'): Helper =>
  row(
    id,
    `xdp_adjust_${what}`,
    ['context', 'anything'],
    'scalar',
    ['xdp'],
    (environment, registers) => environment.movePacket?.(what, i32(registers, 2)) ?? -EINVAL,
    { changesPacket: true },
  );

/** Packets (net/core/filter.c). */
export const packetHelpers: readonly Helper[] = [
  store(9, 'skb_store_bytes', EFAULT, ['sched_cls'], 3n),
  load(26, 'skb_load_bytes', EFAULT, SKB_TYPES),
  row(
    68,
    'skb_load_bytes_relative',
    ['context', 'anything', 'memory_out', 'size', 'anything'],
    'scalar',
    SKB_TYPES,
    (environment, registers) => {
      const to = bytesArgument(
        'bpf_skb_load_bytes_relative',
        environment,
        registers,
        3,
        size('bpf_skb_load_bytes_relative', registers, 4),
      );
      const network = environment.packet?.()?.network ?? 0;
      // BPF_HDR_START_MAC is 0, BPF_HDR_START_NET 1
      const start = { 0: network > 0 ? 0 : undefined, 1: network }[u32(registers, 5)];
      const from = start === undefined ? undefined : inPacket(environment, start + u32(registers, 2), to.length);
      to.fill(0);
      if (from === undefined) return -EFAULT;
      to.set(environment.memory.bytes.subarray(from, from + to.length));
      return 0;
    },
  ),
  row(97, 'skb_ecn_set_ce', ['context'], 'scalar', ['sched_cls', 'cgroup_skb'], () => 0),
  row(
    28,
    'csum_diff',
    ['memory_or_null', 'size_or_zero', 'memory_or_null', 'size_or_zero', 'anything'],
    'scalar',
    ['sched_cls', 'xdp'],
    (environment, registers) => {
      const [from, to] = [2, 4].map((n) => size('bpf_csum_diff', registers, n)) as [number, number];
      if (from % 4 !== 0 || to % 4 !== 0) return -EINVAL;
      const bytesOf = (n: number, length: number) => bytesArgument('bpf_csum_diff', environment, registers, n, length);
      return csumDiff(bytesOf(1, from), bytesOf(3, to), u32(registers, 5));
    },
  ),
  adjust(44, 'head'),
  adjust(54, 'meta'),
  adjust(65, 'tail'),
  row(
    39,
    'skb_pull_data',
    ['context', 'anything'],
    'scalar',
    ['sched_cls'],
    (environment, registers) => (u32(registers, 2) > (environment.packet?.()?.length ?? 0) ? -ENOMEM : 0),
    { changesPacket: true },
  ),
  row(
    188,
    'xdp_get_buff_len',
    ['context'],
    'scalar',
    ['xdp', ...TYPED_TYPES],
    (environment) => environment.packet?.()?.length ?? 0,
    { otherArguments: { programTypes: TYPED_TYPES, arguments: [{ struct: 'xdp_buff' }] } },
  ),
  load(189, 'xdp_load_bytes', EINVAL, ['xdp']),
  store(190, 'xdp_store_bytes', EINVAL, ['xdp'], 0n),
];
