import { nearest } from '../text/index.ts';
import { ATTACH_TYPES, type AttachType } from './contexts.ts';
import type { ProgramType } from './program-types.ts';

/** Thrown for a section that names no hook, or one that the kernel's BTF doesn't have. */
export class SectionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SectionError';
  }
}

/** What a section's name says of its programs. */
export interface ParsedSection {
  /** The name without what is attached to: `tp_btf`, `cgroup/connect4`. */
  readonly family: string;
  readonly programType: Exclude<ProgramType, 'isa'>;
  readonly attach?: AttachType;
  /** enum bpf_attach_type's number of `attach`. */
  readonly attachType?: number;
  /** What the section names behind the family: a tracepoint, a function, an iterator. */
  readonly target?: string;
  readonly sleepable: boolean;
  /** The type of the kernel's BTF whose id is loaded with the program (`attach_btf_id`). */
  readonly btf?: { readonly kind: 'func' | 'typedef'; readonly name: string };
}

interface Family {
  readonly programType: Exclude<ProgramType, 'isa'>;
  readonly attach?: AttachType;
  /** Whether something follows the name: never, after a slash or nothing, or always after a slash. */
  readonly target: 'none' | 'optional' | 'required';
  readonly sleepable?: boolean;
  readonly btf?: (target: string) => NonNullable<ParsedSection['btf']>;
}

const func = (prefix: string) => (target: string) => ({ kind: 'func', name: prefix + target }) as const;
const typedef = (prefix: string) => (target: string) => ({ kind: 'typedef', name: prefix + target }) as const;

const plain = (programType: Family['programType'], attach?: AttachType): Family => ({
  programType,
  ...(attach && { attach }),
  target: 'none',
});
const probe = (attach?: AttachType, sleepable = false): Family => ({
  programType: 'kprobe',
  ...(attach && { attach }),
  target: 'optional',
  sleepable,
});
const named = (programType: Family['programType']): Family => ({ programType, target: 'optional' });
const tracing = (attach: AttachType, btf: NonNullable<Family['btf']>, sleepable = false): Family => ({
  programType: attach.startsWith('lsm') ? 'lsm' : 'tracing',
  attach,
  target: 'required',
  sleepable,
  btf,
});

/** The families of sections that libbpf knows (section_defs of tools/lib/bpf/libbpf.c), as far as their program types are known here. */
const FAMILIES: Readonly<Record<string, Family>> = {
  socket: plain('socket_filter'),
  kprobe: probe(),
  kretprobe: probe(),
  uprobe: probe(),
  uretprobe: probe(),
  'uprobe.s': probe(undefined, true),
  'uretprobe.s': probe(undefined, true),
  'kprobe.multi': probe('trace_kprobe_multi'),
  'kretprobe.multi': probe('trace_kprobe_multi'),
  'kprobe.session': probe('trace_kprobe_session'),
  'uprobe.multi': probe('trace_uprobe_multi'),
  'uretprobe.multi': probe('trace_uprobe_multi'),
  'uprobe.session': probe('trace_uprobe_session'),
  'uprobe.multi.s': probe('trace_uprobe_multi', true),
  'uretprobe.multi.s': probe('trace_uprobe_multi', true),
  'uprobe.session.s': probe('trace_uprobe_session', true),
  ksyscall: probe(),
  kretsyscall: probe(),
  usdt: probe(),
  'usdt.s': probe(undefined, true),
  tc: plain('sched_cls'),
  classifier: plain('sched_cls'),
  action: plain('sched_cls'),
  'tc/ingress': plain('sched_cls', 'tcx_ingress'),
  'tc/egress': plain('sched_cls', 'tcx_egress'),
  'tcx/ingress': plain('sched_cls', 'tcx_ingress'),
  'tcx/egress': plain('sched_cls', 'tcx_egress'),
  'netkit/primary': plain('sched_cls', 'netkit_primary'),
  'netkit/peer': plain('sched_cls', 'netkit_peer'),
  tracepoint: named('tracepoint'),
  tp: named('tracepoint'),
  raw_tracepoint: named('raw_tracepoint'),
  raw_tp: named('raw_tracepoint'),
  'raw_tracepoint.w': named('raw_tracepoint_writable'),
  'raw_tp.w': named('raw_tracepoint_writable'),
  tp_btf: tracing('trace_raw_tp', typedef('btf_trace_')),
  fentry: tracing('trace_fentry', func('')),
  fexit: tracing('trace_fexit', func('')),
  fmod_ret: tracing('modify_return', func('')),
  'fentry.s': tracing('trace_fentry', func(''), true),
  'fexit.s': tracing('trace_fexit', func(''), true),
  'fmod_ret.s': tracing('modify_return', func(''), true),
  lsm: tracing('lsm_mac', func('bpf_lsm_')),
  'lsm.s': tracing('lsm_mac', func('bpf_lsm_'), true),
  lsm_cgroup: tracing('lsm_cgroup', func('bpf_lsm_')),
  iter: tracing('trace_iter', func('bpf_iter_')),
  'iter.s': tracing('trace_iter', func('bpf_iter_'), true),
  syscall: { ...plain('syscall'), sleepable: true },
  xdp: plain('xdp', 'xdp'),
  'xdp.frags': plain('xdp', 'xdp'),
  'xdp/devmap': plain('xdp', 'xdp_devmap'),
  'xdp.frags/devmap': plain('xdp', 'xdp_devmap'),
  'xdp/cpumap': plain('xdp', 'xdp_cpumap'),
  'xdp.frags/cpumap': plain('xdp', 'xdp_cpumap'),
  perf_event: plain('perf_event'),
  'cgroup_skb/ingress': plain('cgroup_skb', 'cgroup_inet_ingress'),
  'cgroup_skb/egress': plain('cgroup_skb', 'cgroup_inet_egress'),
  'cgroup/skb': plain('cgroup_skb'),
  'cgroup/sock_create': plain('cgroup_sock', 'cgroup_inet_sock_create'),
  'cgroup/sock': plain('cgroup_sock', 'cgroup_inet_sock_create'),
  'cgroup/sock_release': plain('cgroup_sock', 'cgroup_inet_sock_release'),
  'cgroup/post_bind4': plain('cgroup_sock', 'cgroup_inet4_post_bind'),
  'cgroup/post_bind6': plain('cgroup_sock', 'cgroup_inet6_post_bind'),
  'cgroup/bind4': plain('cgroup_sock_addr', 'cgroup_inet4_bind'),
  'cgroup/bind6': plain('cgroup_sock_addr', 'cgroup_inet6_bind'),
  'cgroup/connect4': plain('cgroup_sock_addr', 'cgroup_inet4_connect'),
  'cgroup/connect6': plain('cgroup_sock_addr', 'cgroup_inet6_connect'),
  'cgroup/connect_unix': plain('cgroup_sock_addr', 'cgroup_unix_connect'),
  'cgroup/sendmsg4': plain('cgroup_sock_addr', 'cgroup_udp4_sendmsg'),
  'cgroup/sendmsg6': plain('cgroup_sock_addr', 'cgroup_udp6_sendmsg'),
  'cgroup/sendmsg_unix': plain('cgroup_sock_addr', 'cgroup_unix_sendmsg'),
  'cgroup/recvmsg4': plain('cgroup_sock_addr', 'cgroup_udp4_recvmsg'),
  'cgroup/recvmsg6': plain('cgroup_sock_addr', 'cgroup_udp6_recvmsg'),
  'cgroup/recvmsg_unix': plain('cgroup_sock_addr', 'cgroup_unix_recvmsg'),
  'cgroup/getpeername4': plain('cgroup_sock_addr', 'cgroup_inet4_getpeername'),
  'cgroup/getpeername6': plain('cgroup_sock_addr', 'cgroup_inet6_getpeername'),
  'cgroup/getpeername_unix': plain('cgroup_sock_addr', 'cgroup_unix_getpeername'),
  'cgroup/getsockname4': plain('cgroup_sock_addr', 'cgroup_inet4_getsockname'),
  'cgroup/getsockname6': plain('cgroup_sock_addr', 'cgroup_inet6_getsockname'),
  'cgroup/getsockname_unix': plain('cgroup_sock_addr', 'cgroup_unix_getsockname'),
  'cgroup/sysctl': plain('cgroup_sysctl', 'cgroup_sysctl'),
  'cgroup/getsockopt': plain('cgroup_sockopt', 'cgroup_getsockopt'),
  'cgroup/setsockopt': plain('cgroup_sockopt', 'cgroup_setsockopt'),
  'cgroup/dev': plain('cgroup_device', 'cgroup_device'),
};

/** Sections that libbpf knows, of program types that are not known here. */
const UNSUPPORTED =
  /^(sk_reuseport|freplace|lwt_\w+|sockops|sk_skb|sk_msg|lirc_mode2|flow_dissector|struct_ops|sk_lookup|netfilter)(\.s)?(\/|$)/;

const NEEDED = { fentry: 'a function of the kernel', tp_btf: 'a tracepoint', lsm: 'an LSM hook', iter: 'an iterator' };

/** What a section's name says of its programs, by libbpf's rules; a leading `?` is left aside. @throws SectionError */
export function parseSection(section: string): ParsedSection {
  const name = section.startsWith('?') ? section.slice(1) : section;
  const slash = name.indexOf('/');
  const head = slash < 0 ? name : name.slice(0, slash);
  const key = Object.hasOwn(FAMILIES, name) ? name : head;
  const family = Object.hasOwn(FAMILIES, key) ? FAMILIES[key] : undefined;
  const rest = key === name ? undefined : name.slice(slash + 1);
  if (!family || (rest !== undefined && family.target === 'none')) {
    if (UNSUPPORTED.test(name)) throw new SectionError(`section "${name}": programs of this type are not supported`);
    const near = nearest(name, Object.keys(FAMILIES));
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    throw new SectionError(`section "${name}" names no hook that libbpf knows${hint}`);
  }
  if (family.target === 'required' && !rest) {
    const [stem = ''] = key.split('.');
    const what = NEEDED[(stem === 'lsm_cgroup' ? 'lsm' : stem) as keyof typeof NEEDED] ?? NEEDED.fentry;
    throw new SectionError(`section "${name}" does not say what to attach to; write "${key}/NAME" with ${what}`);
  }
  return {
    family: key,
    programType: family.programType,
    ...(family.attach && { attach: family.attach, attachType: ATTACH_TYPES[family.attach] }),
    ...(rest && { target: rest }),
    sleepable: family.sleepable ?? false,
    ...(family.btf && rest && { btf: family.btf(rest) }),
  };
}
