import type { ArgumentType, Helper } from '../vm/index.ts';
import { MAX_OFFSET } from './bounds.ts';
import { Rejection } from './error.ts';
import { MAX_FRAMES } from './flow.ts';
import { dereferenced, helperMemory } from './memory.ts';
import { isConstant, type Scalar, signedRange, UNKNOWN } from './scalar.ts';
import { read, type Session } from './session.ts';
import { current, newFrame, release, type State } from './state.ts';
import type { Step } from './step.ts';
import { describeTarget, pointer, type Target, UNINITIALISED, type Value } from './value.ts';

/** BPF_F_RDONLY_PROG of include/uapi/linux/bpf.h. */
const BPF_F_RDONLY_PROG = 1 << 7;

/** What the arguments of a call said that its result depends on. */
interface CallFacts {
  map: (Target & { kind: 'map' }) | undefined;
  /** The greatest value of the size argument. */
  size: number;
  /** Reference that the call ends. */
  released: number;
}

/** A call of a kernel function: checks r1 to r5 against its signature, then sets r0 and loses the others. @throws Rejection */
export function callHelper(session: Session, state: State, step: Step): void {
  const helper = session.context.helper(step.imm)!;
  const facts: CallFacts = { map: undefined, size: 0, released: 0 };
  helper.arguments.forEach((type, index) => {
    try {
      checkArgument(session, state, helper, index, type, facts);
    } catch (error) {
      if (error instanceof Rejection) throw new Rejection(`${helper.name}: ${error.message}`, error.at);
      throw error;
    }
  });
  if (facts.released !== 0) release(state, facts.released);
  const { registers } = current(state);
  for (let r = 1; r <= 5; r++) registers[r] = UNINITIALISED;
  registers[0] = resultOf(session, state, step, helper, facts);
}

function checkArgument(
  session: Session,
  state: State,
  helper: Helper,
  index: number,
  type: ArgumentType,
  facts: CallFacts,
): void {
  const register = index + 1;
  switch (type) {
    case 'anything':
    case 'memory':
    case 'memory_out':
      read(state, register);
      return;
    case 'map':
    case 'ringbuf':
      facts.map = mapArgument(state, register, type);
      return;
    case 'map_key':
      helperMemory(session, state, register, facts.map?.spec.keySize ?? 0, 'read');
      return;
    case 'map_value':
      helperMemory(session, state, register, facts.map?.spec.valueSize ?? 0, 'read');
      return;
    case 'size':
    case 'size_or_zero': {
      const size = sizeArgument(state, register, type);
      facts.size = Number(size.wide.umax);
      const access = helper.arguments[index - 1] === 'memory_out' ? 'write' : 'read';
      helperMemory(session, state, register - 1, facts.size, access, isConstant(size));
      return;
    }
    case 'constant_size':
      facts.size = constantSize(state, register);
      return;
    case 'record':
      facts.released = recordArgument(state, register);
      return;
    case 'constant_string':
      checkString(state, register);
      return;
    case 'context': {
      const value = read(state, register);
      const fits = value.kind === 'pointer' && value.target.kind === 'context' && value.offset === 0;
      if (!fits || !isConstant(value.variable)) throw new Rejection(`r${register} must be the context`);
      return;
    }
  }
}

function mapArgument(state: State, register: number, type: 'map' | 'ringbuf'): Target & { kind: 'map' } {
  const value = read(state, register);
  const wanted = type === 'ringbuf' ? 'a ring buffer map' : 'a map with keys';
  if (value.kind !== 'pointer' || value.target.kind !== 'map') throw new Rejection(`r${register} must be ${wanted}`);
  const { spec } = value.target;
  if ((spec.type === 'ringbuf') !== (type === 'ringbuf')) {
    throw new Rejection(`r${register} must be ${wanted}; ${spec.name} is of type ${spec.type}`);
  }
  return value.target;
}

function sizeArgument(state: State, register: number, type: 'size' | 'size_or_zero'): Scalar {
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

/** A NUL-terminated string in a read-only array (check_reg_const_str of kernel/bpf/verifier.c). */
function checkString(state: State, register: number): void {
  const value = dereferenced(state, register);
  if (value.target.kind !== 'map_value') throw new Rejection(`r${register} must be a string in a read-only map`);
  const { spec } = value.target;
  if (spec.type !== 'array' || ((spec.flags ?? 0) & BPF_F_RDONLY_PROG) === 0) {
    throw new Rejection(`r${register} must be a string in a read-only map; programs may write to ${spec.name}`);
  }
  if (!isConstant(value.variable)) throw new Rejection(`r${register} must be a string at a constant offset`);
  const content = spec.contents?.find(([key]) => key.every((byte) => byte === 0))?.[1];
  const start = value.offset;
  if (start < 0 || start >= spec.valueSize || !content || content.indexOf(0, start) < 0) {
    throw new Rejection(`r${register} must be a string that ends with a NUL byte inside the value of ${spec.name}`);
  }
}

function resultOf(session: Session, state: State, step: Step, helper: Helper, facts: CallFacts): Value {
  const { returns } = helper;
  if (typeof returns === 'object') {
    if ('memory' in returns) throw new Rejection(`${helper.name} is not supported`);
    const struct = session.context.btf.struct(returns.struct);
    if (struct === undefined) throw new Rejection(`${helper.name}: the kernel's BTF has no struct ${returns.struct}`);
    return pointer({ kind: 'struct', struct, trusted: true });
  }
  switch (returns) {
    case 'scalar':
      if (helper.range) return signedRange(helper.range.min, helper.range.max);
      return helper.boundedBySize ? signedRange(-4095n, BigInt(facts.size)) : UNKNOWN;
    case 'void':
      return UNINITIALISED;
    case 'map_value_or_null': {
      const { handle, spec } = facts.map!;
      return pointer({ kind: 'map_value', handle, spec }, 0, true, session.nextId());
    }
    case 'record_or_null': {
      const id = session.nextId();
      state.references = [...state.references, { id, at: step.at }];
      return pointer({ kind: 'record', size: facts.size }, 0, true, id);
    }
  }
}

/** A call of a function of the program: its frame gets r1 to r5. @throws Rejection */
export function callFunction(session: Session, state: State, step: Step): void {
  if (state.frames.length === MAX_FRAMES) throw new Rejection(`calls nest deeper than ${MAX_FRAMES} functions`);
  const { registers } = current(state);
  const frame = newFrame(session.flow.functionOf[step.target]!, step.next, state.frames.length);
  for (let r = 1; r <= 5; r++) frame.registers[r] = registers[r]!;
  registers.fill(UNINITIALISED, 0, 6);
  state.frames.push(frame);
}

/** The end of a function: returns the slot to go on at, or -1 where the program ends. @throws Rejection */
export function leave(session: Session, state: State): number {
  const { registers, returnTo } = current(state);
  if (state.frames.length > 1) {
    const result = registers[0]!;
    if (result.kind === 'pointer' && result.target.kind === 'stack') {
      throw new Rejection('r0 points into the stack; a function may not return it');
    }
    state.frames.pop();
    current(state).registers[0] = result;
    return returnTo;
  }
  checkResult(session, state);
  const [leaked] = state.references;
  if (leaked) {
    throw new Rejection(
      `the ring buffer record reserved at slot ${leaked.at} is neither submitted nor discarded on this path`,
    );
  }
  return -1;
}

function checkResult(session: Session, state: State): void {
  const { programType, returns } = session.context.hook;
  const { min, max } = returns;
  const allowed = min === max ? `${min}` : `${min} to ${max}`;
  const value = read(state, 0);
  if (value.kind !== 'scalar') throw new Rejection(`r0 is a pointer; the program must return ${allowed}`);
  const { smin, smax } = programType === 'lsm' ? value.low : value.wide;
  if (smin >= BigInt(min) && smax <= BigInt(max)) return;
  const found = smin === smax ? `${smin}` : `${smin} to ${smax}`;
  throw new Rejection(`r0 is ${found} at exit; the program must return ${allowed}`);
}
