import { nearest } from '../text/index.ts';
import type { Btf, BtfType } from './btf.ts';
import {
  type AttachType,
  DEVICE_CONTEXT,
  PERF_EVENT_CONTEXT,
  PT_REGS_CONTEXT,
  SYSCALL_CONTEXT,
  SYSCTL_CONTEXT,
  skbContext,
  sockAddrContext,
  sockContext,
  sockoptContext,
  TRACEPOINT_CONTEXT,
  xdpContext,
} from './contexts.ts';
import type { ContextLayout, Hook, HookArgument } from './hooks.ts';
import { maybeNull } from './maybe-null.ts';
import { type ParsedSection, parseSection, SectionError } from './sections.ts';
import { knownArguments } from './signatures.ts';

type Returns = Hook['returns'];

/** Any number of 32 bits, and pointers too: the kernel does not look. */
const ANY: Returns = { min: -0x8000_0000, max: 0x7fff_ffff };
const BOOLEAN: Returns = { min: 0, max: 1 };
const MAX_ERRNO = 4095;
/** Slots of 8 bytes that a traced function's arguments may take (MAX_BPF_FUNC_ARGS). */
const MAX_SLOTS = 12;
/** LSM hooks that answer yes or no (bool_lsm_hooks of kernel/bpf/bpf_lsm.c). */
const BOOLEAN_LSM: ReadonlySet<string> = new Set(['audit_rule_known', 'inode_xattr_skipcap']);

/** What programs of an attach type may return (check_return_code of kernel/bpf/verifier.c), apart from LSM hooks. */
function returnsOf({ programType, attach }: ParsedSection): Returns {
  switch (programType) {
    case 'cgroup_sock_addr':
      if (/(recvmsg|getpeername|getsockname)$/.test(attach ?? '')) return { min: 1, max: 1 };
      return /4_bind|6_bind/.test(attach ?? '') ? { min: 0, max: 3 } : BOOLEAN;
    case 'cgroup_skb':
      return attach === 'cgroup_inet_egress' ? { min: 0, max: 3 } : BOOLEAN;
    case 'cgroup_sock':
    case 'cgroup_device':
    case 'cgroup_sysctl':
    case 'cgroup_sockopt':
      return BOOLEAN;
    case 'tracing':
      if (attach === 'trace_fentry' || attach === 'trace_fexit') return { min: 0, max: 0 };
      return attach === 'trace_iter' ? BOOLEAN : ANY;
    case 'kprobe':
      return attach?.endsWith('session') ? BOOLEAN : ANY;
    default:
      return ANY;
  }
}

function lsmReturns({ attach, target = '' }: ParsedSection, isVoid: boolean): Returns {
  if (attach === 'lsm_cgroup') return isVoid ? { min: 1, max: 1 } : BOOLEAN;
  if (isVoid) return ANY;
  return BOOLEAN_LSM.has(target) ? BOOLEAN : { min: -MAX_ERRNO, max: 0 };
}

function contextOf({ programType, attach }: ParsedSection): ContextLayout | undefined {
  const attached: AttachType = attach ?? 'cgroup_inet_ingress';
  switch (programType) {
    case 'socket_filter':
    case 'cgroup_skb':
    case 'sched_cls':
      return skbContext(programType);
    case 'xdp':
      return xdpContext(attached);
    case 'cgroup_sock_addr':
      return sockAddrContext(attached);
    case 'cgroup_sock':
      return sockContext(attached);
    case 'cgroup_device':
      return DEVICE_CONTEXT;
    case 'cgroup_sysctl':
      return SYSCTL_CONTEXT;
    case 'cgroup_sockopt':
      return sockoptContext(attached);
    case 'kprobe':
      return PT_REGS_CONTEXT;
    case 'perf_event':
      return PERF_EVENT_CONTEXT;
    case 'tracepoint':
      return TRACEPOINT_CONTEXT;
    case 'syscall':
      return SYSCALL_CONTEXT;
    default:
      return undefined;
  }
}

type Prototype = Extract<BtfType, { kind: 'func_proto' }>;

/** The prototype that a function, or a typedef of a pointer to one, has. */
function prototype(btf: Btf, kind: 'func' | 'typedef', name: string): Prototype | undefined {
  const id = btf.find(kind, name);
  let type = id === undefined ? undefined : btf.type(id);
  for (let depth = 0; type && 'target' in type && depth < 4; depth++) {
    const target = type.kind === 'func' ? type.target : btf.resolve(type.target);
    type = target === 0 ? undefined : btf.type(target);
  }
  return type?.kind === 'func_proto' ? type : undefined;
}

/** An argument by its type: a pointer to a struct can be followed, anything else is a number (btf_ctx_access of kernel/bpf/btf.c). */
function argumentsOf(btf: Btf, name: string, id: number): HookArgument[] {
  const resolved = btf.resolve(id);
  const type = resolved === 0 ? undefined : btf.type(resolved);
  if (type?.kind === 'pointer') {
    const target = btf.resolve(type.target);
    const pointed = target === 0 ? undefined : btf.type(target);
    const isStruct = (pointed?.kind === 'struct' || pointed?.kind === 'union') && pointed.name !== '';
    const nullable = name.endsWith('__nullable');
    if (isStruct) return [{ name, type: nullable ? { struct: pointed.name, nullable } : { struct: pointed.name } }];
    return [{ name, type: 'scalar' }];
  }
  const slots = Math.max(1, Math.ceil(btf.size(resolved) / 8));
  if (slots === 1) return [{ name, type: 'scalar' }];
  return Array.from({ length: slots }, (_, slot): HookArgument => ({ name: `${name}[${slot}]`, type: 'scalar' }));
}

function parametersOf(btf: Btf, { parameters }: Prototype, skip: number, names?: Prototype): HookArgument[] {
  const named = names && names.parameters.length === parameters.length ? names.parameters : parameters;
  return parameters.slice(skip).flatMap(({ type }, index) => {
    const name = named[index + skip]?.name || `arg${index}`;
    return argumentsOf(btf, name, type);
  });
}

const RETURN: HookArgument = { name: 'ret', type: 'scalar' };

/** What the kernel's BTF says of a traced function or tracepoint: its arguments, and what it returns. */
interface Traced {
  readonly arguments: readonly HookArgument[];
  readonly returns: 'void' | readonly HookArgument[];
}

function traced(parsed: ParsedSection, btf: Btf, section: string): Traced {
  const { kind, name } = parsed.btf as NonNullable<ParsedSection['btf']>;
  const found = prototype(btf, kind, name);
  if (!found) {
    const plain = section
      .replace('.s/', '/')
      .replace('lsm_cgroup/', 'lsm/')
      .replace(/^fexit\//, 'fentry/');
    const known = knownArguments(plain);
    if (known) return { arguments: known, returns: [RETURN] };
    throw new SectionError(missing(parsed, btf, section));
  }
  const isTracepoint = kind === 'typedef';
  const names = isTracepoint ? prototype(btf, 'func', `__traceiter_${parsed.target}`) : undefined;
  const list = parametersOf(btf, found, isTracepoint ? 1 : 0, names);
  if (list.length > MAX_SLOTS)
    throw new SectionError(
      `section "${section}": ${name} takes ${list.length} arguments; programs can be attached where there are at most ${MAX_SLOTS}`,
    );
  const checked = isTracepoint
    ? list.map((argument, slot) => nullable(argument, maybeNull(parsed.target ?? '', slot)))
    : list;
  return { arguments: checked, returns: found.returns === 0 ? 'void' : argumentsOf(btf, 'ret', found.returns) };
}

function missing({ btf: wanted, target = '' }: ParsedSection, btf: Btf, section: string): string {
  const { kind, name } = wanted as NonNullable<ParsedSection['btf']>;
  const prefix = name.slice(0, name.length - target.length);
  const names: string[] = [];
  for (let id = 1; id <= btf.count; id++) {
    if (btf.kind(id) !== kind) continue;
    const type = btf.type(id);
    if ('name' in type && type.name.startsWith(prefix)) names.push(type.name.slice(prefix.length));
  }
  const near = nearest(target, names);
  const hint = near === undefined ? '' : `; did you mean "${near}"?`;
  return `section "${section}": this kernel's BTF has no ${kind === 'func' ? 'function' : 'type'} ${name}${hint}`;
}

/** Arguments of a raw tracepoint, all of them numbers; as many as any tracepoint has where this one isn't in BTF. */
function rawArguments({ target }: ParsedSection, btf: Btf): HookArgument[] {
  const section = `tp_btf/${target}`;
  const found = target === undefined ? undefined : prototype(btf, 'typedef', `btf_trace_${target}`);
  const list = found ? traced(parseSection(section), btf, section).arguments : knownArguments(section);
  const slots = list ?? Array.from({ length: MAX_SLOTS }, (_, index) => ({ name: `arg${index}` }));
  return slots.map(({ name }) => ({ name, type: 'scalar' }));
}

const nullable = (argument: HookArgument, may: boolean): HookArgument =>
  may && argument.type !== 'scalar' ? { ...argument, type: { ...argument.type, nullable: true } } : argument;

/** The first argument of an iterator is about the iteration, the others are null when it is over. */
const iterated = (list: readonly HookArgument[]): HookArgument[] =>
  list.map((argument, index) => nullable(argument, index > 0));

/**
 * The hook that a section names, with what programs get and may return there.
 * @param btf the kernel's, where arguments of functions and tracepoints are looked up.
 * @throws SectionError
 */
export function hookOfSection(section: string, btf: Btf): Hook {
  const name = section.startsWith('?') ? section.slice(1) : section;
  const parsed = parseSection(name);
  const { programType, attachType, attach, sleepable } = parsed;
  const common = {
    programType,
    name,
    ...(attachType !== undefined && { attachType }),
    ...(sleepable && { sleepable }),
  };
  const context = contextOf(parsed);
  if (context) return { ...common, arguments: [], context, returns: returnsOf(parsed) };
  if (!parsed.btf) return { ...common, arguments: rawArguments(parsed, btf), returns: ANY };
  const found = traced(parsed, btf, name);
  const isVoid = found.returns === 'void';
  const result = found.returns === 'void' ? [] : found.returns;
  const returns = programType === 'lsm' ? lsmReturns(parsed, isVoid) : returnsOf(parsed);
  switch (attach) {
    case 'trace_iter':
      return { ...common, arguments: iterated(found.arguments), returns };
    case 'trace_fexit':
    case 'modify_return':
    case 'lsm_mac':
    case 'lsm_cgroup':
      return { ...common, arguments: [...found.arguments, ...result], returns };
    default:
      return { ...common, arguments: found.arguments, returns };
  }
}
