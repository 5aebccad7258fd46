import type { ArgumentType, Helper } from '../vm/index.ts';
import { MAX_OFFSET } from './bounds.ts';
import { checkUnmoved } from './context-memory.ts';
import { checkDynptrMemory, dynptrArgument, endDynptr, makeDynptr } from './dynptrs.ts';
import { Rejection } from './error.ts';
import { iteratorArgument } from './iterators.ts';
import { checkMapHelper } from './map-helpers.ts';
import { dereferenced, helperMemory } from './memory.ts';
import { takesPacket } from './packet.ts';
import { isConstant, type Scalar } from './scalar.ts';
import { read, type Session } from './session.ts';
import type { State } from './state.ts';
import type { Step } from './step.ts';
import { checkString } from './strings.ts';
import { describeTarget, isNull, type Pointer, type Target } from './value.ts';

export type MapTarget = Target & { kind: 'map' };
export type PerCpuTarget = Target & { kind: 'per_cpu' };

/** What the arguments of a call said that its result and its effects depend on. */
export interface CallFacts {
  map: MapTarget | undefined;
  /** The greatest value of the size argument. */
  size: number;
  /** Reference that the call ends. */
  released: number;
  /** First slot of the function that the helper is to call. */
  callback: number | undefined;
  /** The iterator that was advanced. */
  iterator: number;
  /** The dynptr that was read, written or sliced. */
  dynptr: number | undefined;
  /** The variable that each CPU has. */
  variable: PerCpuTarget | undefined;
}

/** Checks one argument of a helper or kernel function. @throws Rejection */
export function checkArgument(
  session: Session,
  state: State,
  step: Step,
  helper: Helper,
  index: number,
  facts: CallFacts,
): void {
  const type = helper.arguments[index]!;
  const register = index + 1;
  const packets = takesPacket(helper.name);
  if (typeof type === 'object') {
    objectArgument(session, state, step, helper, register, type, facts);
    return;
  }
  switch (type) {
    case 'anything':
    case 'memory':
    case 'memory_out':
    case 'memory_or_null':
    case 'memory_out_or_null':
      read(state, register);
      return;
    case 'map':
    case 'ringbuf':
      facts.map = mapArgument(state, helper, register, type === 'ringbuf');
      return;
    case 'map_key':
      helperMemory(session, state, register, facts.map?.spec.keySize ?? 0, 'read', true, packets);
      return;
    case 'map_value':
      helperMemory(session, state, register, facts.map?.spec.valueSize ?? 0, 'read', true, packets);
      return;
    case 'map_value_out':
      helperMemory(session, state, register, facts.map?.spec.valueSize ?? 0, 'write', true, packets);
      return;
    case 'map_value_or_null':
      if (isNull(read(state, register))) return;
      helperMemory(session, state, register, facts.map?.spec.valueSize ?? 0, 'read', true, packets);
      return;
    case 'size':
    case 'size_or_zero':
      sizedMemory(session, state, helper, register, type, facts);
      return;
    case 'constant_size':
      facts.size = constantSize(state, register);
      if (index > 0 && isMemory(helper.arguments[index - 1]!))
        sizedMemory(session, state, helper, register, type, facts);
      return;
    case 'record':
      facts.released = recordArgument(state, register);
      return;
    case 'constant_string':
      checkString(state, register);
      return;
    case 'context': {
      const value = read(state, register);
      if (value.kind !== 'pointer' || value.target.kind !== 'context')
        throw new Rejection(`r${register} must be the context`);
      if (value.offset !== 0 || !isConstant(value.variable)) throw new Rejection(`r${register} must be the context`);
      return;
    }
    case 'callback': {
      const value = read(state, register);
      if (value.kind !== 'pointer' || value.target.kind !== 'code') {
        throw new Rejection(`r${register} must be the address of a function of this program`);
      }
      facts.callback = value.target.at;
      return;
    }
    case 'callback_context': {
      const value = read(state, register);
      if (isNull(value) || (value.kind === 'pointer' && value.target.kind === 'stack')) return;
      throw new Rejection(`r${register} must point into the stack or be 0`);
    }
    case 'socket': {
      const value = dereferenced(state, register);
      if (value.target.kind === 'struct' && isSocket(session, value.target.struct)) return;
      throw new Rejection(`r${register} is ${describeTarget(value.target)}, it must be a socket`);
    }
    case 'per_cpu_variable': {
      const value = dereferenced(state, register);
      if (value.target.kind !== 'per_cpu') {
        throw new Rejection(`r${register} is ${describeTarget(value.target)}, it must be a variable that each CPU has`);
      }
      facts.variable = value.target;
      return;
    }
    case 'dynptr':
      facts.dynptr = dynptrArgument(session, state, register);
      return;
    case 'dynptr_out':
    case 'ringbuf_dynptr_out':
      if (helper.name === 'bpf_dynptr_from_mem') checkDynptrMemory(state);
      makeDynptr(session, state, step, register, type === 'ringbuf_dynptr_out');
      return;
    case 'ringbuf_dynptr':
      endDynptr(session, state, register);
      return;
    default:
      throw new Rejection(`${WORDS[type]} not supported`);
  }
}

const WORDS = {
  timer: 'timers are',
  spin_lock: 'spin locks are',
  kptr: 'kernel pointers in map values are',
  kptr_value: 'kernel pointers in map values are',
} as const;

const isMemory = (type: ArgumentType): boolean =>
  type === 'memory' || type === 'memory_out' || type === 'memory_or_null' || type === 'memory_out_or_null';

function objectArgument(
  session: Session,
  state: State,
  step: Step,
  helper: Helper,
  register: number,
  type: Extract<ArgumentType, object>,
  facts: CallFacts,
): void {
  if ('memory' in type) {
    const access = type.access === 'out' ? 'write' : 'read';
    helperMemory(session, state, register, type.memory, access, true, takesPacket(helper.name));
    return;
  }
  if ('iterator' in type) {
    facts.iterator = iteratorArgument(session, state, step, register, type);
    return;
  }
  const value = read(state, register);
  if (type.nullable && isNull(value)) return;
  const p = type.nullable && value.kind === 'pointer' ? value : dereferenced(state, register);
  checkStructArgument(session, register, p, type.struct);
  if (step.kind === 'kfunc' && p.target.kind === 'struct' && !p.target.trusted) {
    throw new Rejection(
      `r${register} may be stale; ${helper.name} takes an argument of the hook, a reference, or what the kernel keeps as long as those`,
    );
  }
  if (!type.releases) return;
  if (!state.references.some(({ id }) => id === p.id)) {
    throw new Rejection(
      `r${register} is no reference that this program acquired; ${helper.name} would release another's`,
    );
  }
  facts.released = p.id;
}

function checkStructArgument(session: Session, register: number, p: Pointer, name: string): void {
  const { btf } = session.context;
  const wanted = btf.struct(name);
  if (wanted === undefined) throw new Rejection(`the kernel's BTF has no struct ${name}`);
  if (p.target.kind !== 'struct') {
    throw new Rejection(`r${register} is ${describeTarget(p.target)}, it must be a pointer to struct ${name}`);
  }
  if (!isConstant(p.variable)) checkUnmoved(register, p);
  if (startsWith(session, p.target.struct, p.offset, wanted)) return;
  const type = btf.type(p.target.struct);
  const found = 'name' in type ? `struct ${type.name}` : 'another struct';
  const where = p.offset === 0 ? '' : ` at offset ${p.offset}`;
  throw new Rejection(`r${register} points to ${found}${where}, it must be a pointer to struct ${name}`);
}

/** Whether the wanted struct lies at an offset in another, which may be it (btf_struct_ids_match of kernel/bpf/btf.c). */
function startsWith({ context: { btf } }: Session, struct: number, offset: number, wanted: number): boolean {
  let id = struct;
  let rest = offset;
  for (let depth = 0; depth < 32; depth++) {
    if (id === wanted && rest === 0) return true;
    const type = btf.type(id);
    if (type.kind !== 'struct' && type.kind !== 'union') return false;
    const member = type.members.find((each) => rest >= each.offset && rest < each.offset + btf.size(each.type));
    if (!member || member.bits) return false;
    rest -= member.offset;
    id = btf.resolve(member.type);
    if (id === 0) return false;
  }
  return false;
}

const SOCKETS = ['bpf_sock', 'sock', 'sock_common', 'tcp_sock', 'bpf_tcp_sock', 'tcp6_sock', 'udp6_sock'];

const isSocket = ({ context: { btf } }: Session, struct: number): boolean => {
  const type = btf.type(struct);
  return 'name' in type && SOCKETS.includes(type.name);
};

function mapArgument(state: State, helper: Helper, register: number, ringbuf: boolean): MapTarget {
  const value = read(state, register);
  const wanted = ringbuf ? 'a ring buffer map' : 'a map with keys';
  if (value.kind !== 'pointer' || value.target.kind !== 'map') throw new Rejection(`r${register} must be ${wanted}`);
  if (value.orNull) throw new Rejection(`r${register} may be null; compare it with 0 first`);
  checkMapHelper(helper, register, value.target.spec, ringbuf);
  return value.target;
}

function sizedMemory(
  session: Session,
  state: State,
  helper: Helper,
  register: number,
  type: 'size' | 'size_or_zero' | 'constant_size',
  facts: CallFacts,
): void {
  const size = sizeArgument(state, register, type);
  facts.size = Number(size.wide.umax);
  const memory = helper.arguments[register - 2];
  const nullable = memory === 'memory_or_null' || memory === 'memory_out_or_null';
  if (nullable && isNull(read(state, register - 1))) {
    if (facts.size === 0) return;
  }
  const access = memory === 'memory_out' || memory === 'memory_out_or_null' ? 'write' : 'read';
  helperMemory(session, state, register - 1, facts.size, access, isConstant(size), takesPacket(helper.name));
}

function sizeArgument(state: State, register: number, type: 'size' | 'size_or_zero' | 'constant_size'): Scalar {
  const value = read(state, register);
  if (value.kind !== 'scalar') throw new Rejection(`r${register} is a pointer, it must be a size in bytes`);
  if (value.wide.smin < 0n) {
    throw new Rejection(
      `r${register} may be negative (from ${value.wide.smin}) but is a size; mask it or compare it first`,
    );
  }
  if (value.wide.umax >= BigInt(MAX_OFFSET)) {
    throw new Rejection(`r${register} has no bound but is a size; mask it or compare it first`);
  }
  if (type === 'size' && value.wide.umin === 0n) {
    throw new Rejection(`r${register} may be 0 but is a size of at least 1; compare it with 0 first`);
  }
  return value;
}

function constantSize(state: State, register: number): number {
  const value = read(state, register);
  if (value.kind !== 'scalar' || !isConstant(value)) throw new Rejection(`r${register} must be a constant size`);
  if (value.wide.umax >= BigInt(MAX_OFFSET))
    throw new Rejection(`r${register} is too large for a size: ${value.wide.umax}`);
  return Number(value.wide.umax);
}

function recordArgument(state: State, register: number): number {
  const value = dereferenced(state, register);
  if (value.target.kind !== 'record') {
    throw new Rejection(
      `r${register} is ${describeTarget(value.target)}, it must be what bpf_ringbuf_reserve returned`,
    );
  }
  if (value.offset !== 0 || !isConstant(value.variable)) {
    throw new Rejection(`r${register} must point to the start of the record; it was moved`);
  }
  return value.id;
}
