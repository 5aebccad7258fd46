import type { Helper } from '../vm/index.ts';
import { type CallFacts, checkArgument, type PerCpuTarget } from './arguments.ts';
import { callBack } from './callbacks.ts';
import { Rejection } from './error.ts';
import { drain } from './iterators.ts';
import { calledBy, checkAllowed } from './kernel-functions.ts';
import { forgetPackets } from './packet.ts';
import { isConstant, signedRange, UNKNOWN } from './scalar.ts';
import { checkSection } from './sections.ts';
import { read, type Session } from './session.ts';
import { copyState, current, release, type State } from './state.ts';
import type { Step } from './step.ts';
import { type Pointer, pointer, type Target, UNINITIALISED, type Value, ZERO } from './value.ts';

/** A call of a kernel function: checks r1 to r5 against its signature, then sets r0 and loses the others. @throws Rejection */
export function callHelper(session: Session, state: State, step: Step): void {
  const missing = session.context.poisoned?.get(step.at);
  if (missing !== undefined) throw new Rejection(missing);
  callFrom(session, state, step, calledBy(step, session.context));
}

/** A call through a register: of the helper whose id the register holds (callx, profile `isa`). @throws Rejection */
export function callRegister(session: Session, state: State, step: Step): void {
  const value = read(state, step.dst);
  if (value.kind !== 'scalar' || !isConstant(value)) {
    throw new Rejection(`r${step.dst} must be the id of a helper that is the same on every path`);
  }
  const id = Number(value.bits.value);
  const helper = session.context.helper(id);
  if (!helper) throw new Rejection(`there is no helper number ${id}`);
  checkAllowed(helper, session.context);
  callFrom(session, state, step, helper);
}

function callFrom(session: Session, state: State, step: Step, helper: Helper): void {
  const facts: CallFacts = {
    map: undefined,
    size: 0,
    released: 0,
    callback: undefined,
    iterator: 0,
    dynptr: undefined,
    variable: undefined,
  };
  try {
    helper.arguments.forEach((_type, index) => {
      checkArgument(session, state, step, helper, index, facts);
    });
    if (helper.name === 'bpf_tail_call') checkTailCall(session, state);
    checkSection(session, state, step, helper);
    callBack(session, state, step, helper, facts);
  } catch (error) {
    if (error instanceof Rejection) throw new Rejection(`${helper.name}: ${error.message}`, error.at);
    throw error;
  }
  if (facts.released !== 0) release(state, facts.released);
  const { registers } = current(state);
  const first = registers[1]!;
  const cast = helper.name === 'bpf_rdonly_cast' ? castResult(session, registers[2]!) : undefined;
  if (helper.changesPacket) forgetPackets(state, UNKNOWN);
  for (let r = 1; r <= 5; r++) registers[r] = UNINITIALISED;
  registers[0] = cast ?? (helper.returns === 'argument' ? first : resultOf(session, state, step, helper, facts));
  if (isNext(helper)) advance(session, state, step, facts.iterator);
}

/** What bpf_rdonly_cast makes of an address: a pointer to the struct whose BTF id is given, of which nothing else is known. @throws Rejection */
function castResult({ context: { btf } }: Session, value: Value): Value {
  const id = value.kind === 'scalar' && isConstant(value) ? Number(value.bits.value) : 0;
  const type = id > 0 && id <= btf.count ? btf.type(id) : undefined;
  if (type?.kind !== 'struct')
    throw new Rejection("bpf_rdonly_cast: r2 must be the id of a struct in the kernel's BTF");
  return pointer({ kind: 'struct', struct: id, trusted: false });
}

export const isNext = ({ arguments: types }: Helper): boolean =>
  types.some((type) => typeof type === 'object' && 'iterator' in type && type.state === 'next');

/** One way has another round, and its value; the other has none (process_iter_next_call of kernel/bpf/verifier.c). */
function advance(session: Session, state: State, step: Step, iterator: number): void {
  const { registers } = current(state);
  const active = state.frames.some((frame) =>
    frame.stack.some((slot) => slot?.spill?.kind === 'iterator' && slot.spill.id === iterator && slot.spill.active),
  );
  if (active) {
    const round = copyState(state);
    round.rounds++;
    const top = current(round).registers;
    const result = top[0]!;
    if (result.kind === 'pointer') top[0] = { ...result, orNull: false, id: 0 };
    session.fork = { state: round, to: step.next };
  }
  drain(state, iterator);
  registers[0] = ZERO;
}

/** The program's frames end here, so nothing may be left open. @throws Rejection */
function checkTailCall(session: Session, state: State): void {
  const [kept] = state.references;
  if (kept) throw new Rejection(kept.leak);
  const { function: index } = current(state);
  if (index !== 0 && !session.context.objectBtf) {
    throw new Rejection('a tail call in a function other than the main one needs BTF, from which its result is known');
  }
  session.tailCalls.add(index);
}

function resultOf(session: Session, state: State, step: Step, helper: Helper, facts: CallFacts): Value {
  const { returns } = helper;
  if (typeof returns === 'object') {
    if ('memory' in returns) {
      const { memory: size, nullable, writable } = returns;
      return memoryResult(session, `what ${helper.name} returned`, size, nullable, writable ?? true);
    }
    return structResult(session, state, step, helper, returns);
  }
  switch (returns) {
    case 'scalar':
      if (helper.range) return signedRange(helper.range.min, helper.range.max);
      return helper.boundedBySize ? signedRange(-4095n, BigInt(facts.size)) : UNKNOWN;
    case 'void':
      return UNINITIALISED;
    case 'map_value_or_null':
      return valueResult(session, facts.map!);
    case 'record_or_null': {
      const id = session.nextId();
      const leak = `the ring buffer record reserved at slot ${step.at} is neither submitted nor discarded on this path`;
      state.references = [...state.references, { id, at: step.at, leak }];
      return pointer({ kind: 'record', size: facts.size }, 0, true, id);
    }
    case 'memory_or_null':
      return memoryResult(session, `what ${helper.name} returned`, facts.size, true, true, facts.dynptr);
    case 'per_cpu':
    case 'per_cpu_or_null':
      return perCpuResult(session, helper, facts.variable!, returns !== 'per_cpu');
    default:
      throw new Rejection(`${helper.name}: what it returns is not supported`);
  }
}

function memoryResult(
  session: Session,
  what: string,
  size: number,
  nullable: boolean,
  writable: boolean,
  owner?: number,
): Pointer {
  const target: Target = { kind: 'memory', size, writable, what, ...(owner !== undefined && { owner }) };
  return pointer(target, 0, nullable, nullable ? session.nextId() : 0);
}

/** One CPU's place of a variable: a kernel struct, or bytes that can be read. */
function perCpuResult(session: Session, { name }: Helper, { size, struct }: PerCpuTarget, nullable: boolean): Pointer {
  const id = nullable ? session.nextId() : 0;
  if (struct !== undefined) return pointer({ kind: 'struct', struct, trusted: false }, 0, nullable, id);
  return pointer({ kind: 'memory', size, writable: false, what: `what ${name} returned` }, 0, nullable, id);
}

/** A value of the map, or where its values are maps one of those. */
function valueResult(session: Session, { handle, spec }: Target & { kind: 'map' }): Pointer {
  const id = session.nextId();
  if (spec.type !== 'array_of_maps' && spec.type !== 'hash_of_maps') {
    return pointer({ kind: 'map_value', handle, spec }, 0, true, id);
  }
  if (!spec.inner) throw new Rejection(`the map ${spec.name} doesn't say what its inner maps look like`);
  return pointer({ kind: 'map', handle: ~handle, spec: spec.inner }, 0, true, id);
}

function structResult(
  session: Session,
  state: State,
  step: Step,
  { name }: Helper,
  returns: { readonly struct: string; readonly nullable?: boolean; readonly acquires?: boolean },
): Pointer {
  const struct = session.context.btf.struct(returns.struct);
  if (struct === undefined) throw new Rejection(`${name}: the kernel's BTF has no struct ${returns.struct}`);
  const nullable = returns.nullable ?? false;
  const id = nullable || returns.acquires ? session.nextId() : 0;
  if (returns.acquires) {
    const leak = `the ${returns.struct} that ${name} returned at slot ${step.at} is not released on this path`;
    state.references = [...state.references, { id, at: step.at, leak }];
  }
  return pointer({ kind: 'struct', struct, trusted: true }, 0, nullable, id);
}
