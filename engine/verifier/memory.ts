import { type Access, bytes, checkAligned, checkBounds, type Span, spanOf, verb } from './bounds.ts';
import { contextAsMemory, loadContext, storeContext } from './context-memory.ts';
import { Rejection } from './error.ts';
import { frozenNumber } from './frozen.ts';
import { checkStruct, loadMember } from './kernel-memory.ts';
import { isUnread } from './linux.ts';
import { checkPacket } from './packet.ts';
import { LOADED, LOADED_SIGNED, signExtend } from './scalar.ts';
import { noteLoad, read, type Session } from './session.ts';
import {
  iteratorAt,
  readStack,
  STACK_BYTES,
  type Stack,
  scribbleStack,
  slotIndex,
  uninitialisedAt,
  writeStack,
} from './stack.ts';
import { current, type State } from './state.ts';
import type { Step } from './step.ts';
import { describeTarget, type Pointer, type Target, type Value } from './value.ts';

/** Flags of map creation (include/uapi/linux/bpf.h): programs may only read, or only write. */
const BPF_F_RDONLY_PROG = 1 << 7;
const BPF_F_WRONLY_PROG = 1 << 8;

/** The pointer in a register that is about to be dereferenced. @throws Rejection */
export function dereferenced(state: State, register: number): Pointer {
  const value = read(state, register);
  if (value.kind !== 'pointer')
    throw new Rejection(`r${register} is a number, not a pointer; it can't be dereferenced`);
  if (value.orNull) throw new Rejection(`r${register} may be null; compare it with 0 first`);
  return value;
}

function checkMapFlags(target: Target & { kind: 'map_value' }, access: Access): void {
  const flags = target.spec.flags ?? 0;
  if (access === 'write' && flags & BPF_F_RDONLY_PROG) {
    throw new Rejection(`the map ${target.spec.name} is read only for programs`);
  }
  if (access === 'read' && flags & BPF_F_WRONLY_PROG) {
    throw new Rejection(`the map ${target.spec.name} is write only for programs`);
  }
}

const framePlace = ({ min, max }: Span): string => {
  const text = (n: number): string => (n < 0 ? `r10${n}` : `r10+${n}`);
  return min === max ? text(min) : `${text(min)} to ${text(max)}`;
};

/** Checks that the span lies within the stack, and notes how deep the frame reaches. @throws Rejection */
function checkStackBounds(
  session: Session,
  state: State,
  frame: number,
  span: Span,
  size: number,
  access: Access,
): void {
  if (span.min < -STACK_BYTES || span.max + size > 0) {
    throw new Rejection(
      `${verb[access]} ${bytes(size)} at ${framePlace(span)}; the stack is r10-${STACK_BYTES} to r10-1`,
    );
  }
  const { function: index, stack } = state.frames[frame]!;
  if (access === 'write') {
    const iterator = iteratorAt(stack, span.min, span.max - span.min + size);
    if (iterator) throw new Rejection(`overwrites the ${iterator.name} at ${framePlace(span)}`);
  }
  session.depths[index] = Math.max(session.depths[index]!, -span.min);
}

function checkInitialised(state: State, frame: number, span: Span, size: number): void {
  const missing = uninitialisedAt(state.frames[frame]!.stack, span.min, span.max - span.min + size);
  if (missing !== undefined) {
    const iterator = iteratorAt(state.frames[frame]!.stack, missing, 1);
    if (iterator) {
      throw new Rejection(
        `reads the stack at ${framePlace({ min: missing, max: missing })}, where the ${iterator.name} lies`,
      );
    }
    throw new Rejection(`reads the stack at ${framePlace({ min: missing, max: missing })}, which was never written`);
  }
}

/** `dst = *(size *)(src + offset)`. @throws Rejection */
export function load(session: Session, state: State, step: Step): void {
  const p = dereferenced(state, step.src);
  current(state).registers[step.dst] = loaded(session, state, step, p);
}

function loaded(session: Session, state: State, step: Step, p: Pointer): Value {
  const size = step.width / 8;
  const signed = step.operation === 'ldxs';
  const unknown = (signed ? LOADED_SIGNED : LOADED)[size]!;
  const { target } = p;
  switch (target.kind) {
    case 'context':
      noteLoad(session, step.at, 'context');
      return loadContext(session, step, p, unknown);
    case 'struct':
      noteLoad(session, step.at, 'struct');
      session.probeReads.add(step.at);
      return loadMember(session, step, p, target, unknown);
    case 'map':
      throw new Rejection(`r${step.src} is ${describeTarget(target)}; look up a value to read from it`);
    default:
      break;
  }
  noteLoad(session, step.at, 'memory');
  if (target.kind === 'packet') {
    checkPacket(session, step.src, p, target, step.offset, size, 'read');
    return unknown;
  }
  const span = spanOf(step.src, p, step.offset);
  if (target.kind !== 'stack') {
    checkRegion(step.src, target, span, size, 'read');
    checkForward(session, step.src, p);
    if (target.kind !== 'map_value' || span.min !== span.max) return unknown;
    return frozenNumber(target.spec, span.min, size, signed) ?? unknown;
  }
  checkStackBounds(session, state, target.frame, span, size, 'read');
  checkStackAligned(session, p, step.offset, size);
  checkInitialised(state, target.frame, span, size);
  if (span.min !== span.max || slotIndex(span.min) !== slotIndex(span.min + size - 1)) return unknown;
  const { stack } = state.frames[target.frame]!;
  checkWholePointer(session, stack, span.min, size);
  if (session.context.profile !== 'isa' && isUnread(stack[slotIndex(span.min)]!, span.min & 7, size)) return unknown;
  const value = readStack(stack, span.min, size);
  if (!signed) return value;
  return value.kind === 'scalar' ? signExtend(value, step.width) : unknown;
}

/** Linux does not read a part of a pointer that lies on the stack. @throws Rejection */
function checkWholePointer(session: Session, stack: Stack, offset: number, size: number): void {
  if (session.context.profile === 'isa' || size === 8) return;
  if (stack[slotIndex(offset)]?.spill?.kind === 'pointer') {
    throw new Rejection(
      `reads ${bytes(size)} of a pointer on the stack at ${framePlace({ min: offset, max: offset })}; read all 8`,
    );
  }
}

/** RFC 9669 wants no alignment, Linux does for the stack. @throws Rejection */
function checkStackAligned(session: Session, p: Pointer, offset: number, size: number): void {
  if (session.context.profile !== 'isa') checkAligned(p, offset, size, 'a stack access');
}

/** Linux wants the part of an offset that isn't constant not to be negative (check_mem_region_access). @throws Rejection */
function checkForward(session: Session, register: number, { variable }: Pointer): void {
  if (session.context.profile === 'isa' || variable.wide.smin >= 0n) return;
  throw new Rejection(
    `the offset that was added to r${register} may be negative (from ${variable.wide.smin}); add the least first, then a number from 0 on`,
  );
}

function checkRegion(register: number, target: Target, span: Span, size: number, access: Access): void {
  switch (target.kind) {
    case 'map_value':
      checkMapFlags(target, access);
      checkBounds(span, size, target.spec.valueSize, access, describeTarget(target));
      return;
    case 'memory':
      if (access === 'write' && !target.writable) {
        throw new Rejection(`r${register} points to ${target.what}, which is read only`);
      }
      checkBounds(span, size, target.size, access, target.what);
      return;
    case 'record':
      checkBounds(span, size, target.size, access, describeTarget(target));
      return;
    default:
      throw new Rejection(
        `r${register} is ${describeTarget(target)}, which can't be ${access === 'read' ? 'read' : 'written'}`,
      );
  }
}

/** `*(size *)(dst + offset) = src`, or `= imm`. @throws Rejection */
export function store(session: Session, state: State, step: Step): void {
  const size = step.width / 8;
  const value = step.register ? read(state, step.src) : step.constant;
  const p = dereferenced(state, step.dst);
  if (p.target.kind === 'context') {
    storeContext(session, step, p, value);
    return;
  }
  const span = writable(session, state, step, p);
  if (p.target.kind !== 'stack' || !span) return;
  const depth = p.target.frame;
  if (depth !== state.frames.length - 1 && value.kind === 'pointer' && value.target.kind === 'stack') {
    throw new Rejection(`r${step.src} points into the stack and can't be stored in the frame of a calling function`);
  }
  const { stack } = state.frames[depth]!;
  if (session.context.profile !== 'isa' && span.min === span.max && size !== 8 && value.kind === 'pointer') {
    throw new Rejection(`r${step.src} is a pointer, of which ${bytes(size)} can't be stored on the stack; store all 8`);
  }
  const oneSlot = slotIndex(span.min) === slotIndex(span.min + size - 1);
  if (span.min === span.max && oneSlot) writeStack(stack, span.min, size, value);
  else if (span.min === span.max) scribbleStack(stack, span.min, size, true);
  else scribbleStack(stack, span.min, span.max - span.min + size, false);
}

/** Checks a store or atomic operation through `dst`; returns where it goes, undefined for packets. @throws Rejection */
function writable(session: Session, state: State, step: Step, p: Pointer): Span | undefined {
  const size = step.width / 8;
  const { target } = p;
  switch (target.kind) {
    case 'packet':
      checkPacket(session, step.dst, p, target, step.offset, size, 'write');
      return undefined;
    case 'map':
      throw new Rejection(`r${step.dst} is ${describeTarget(target)}; look up a value to write to it`);
    case 'struct':
      checkStruct(session, step.dst, p, target, step.offset, size, 'write');
      break;
    default:
      break;
  }
  const span = spanOf(step.dst, p, step.offset);
  if (target.kind === 'stack') {
    checkStackBounds(session, state, target.frame, span, size, 'write');
    checkStackAligned(session, p, step.offset, size);
  } else {
    checkRegion(step.dst, target, span, size, 'write');
    checkForward(session, step.dst, p);
  }
  return span;
}

const isWritableContext = ({ context: { hook } }: Session): boolean =>
  hook.context?.kind === 'memory'
    ? hook.context.writable
    : (hook.context?.fields.some(({ access }) => access !== 'read') ?? false);

/** `lock *(size *)(dst + offset) op= src`, and its fetching forms. @throws Rejection */
export function atomic(session: Session, state: State, step: Step): void {
  const size = step.width / 8;
  const { registers } = current(state);
  read(state, step.src);
  if (step.operation === 'lock_cmpxchg') read(state, 0);
  const p = dereferenced(state, step.dst);
  if (p.target.kind === 'packet' || (p.target.kind === 'context' && isWritableContext(session))) {
    throw new Rejection(`r${step.dst} is ${describeTarget(p.target)}, where atomic operations are not allowed`);
  }
  if (p.target.kind === 'context') throw new Rejection(`r${step.dst} is the context, which is read only`);
  const span = writable(session, state, step, p)!;
  checkAligned(p, step.offset, size, 'an atomic operation');
  noteLoad(session, step.at, 'memory');
  if (p.target.kind === 'map_value') checkMapFlags(p.target, 'read');
  if (p.target.kind === 'stack') {
    const { stack } = state.frames[p.target.frame]!;
    if (session.context.profile !== 'isa' && span.min !== span.max) {
      throw new Rejection(`an atomic operation on the stack needs a constant offset, not ${framePlace(span)}`);
    }
    checkWholePointer(session, stack, span.min, size);
    checkFetched(session, step, stack, span.min);
    checkInitialised(state, p.target.frame, span, size);
    scribbleStack(stack, span.min, span.max - span.min + size, false);
  }
  if (step.operation === 'lock_cmpxchg') registers[0] = LOADED[size]!;
  else if (isFetching(step)) registers[step.src] = LOADED[size]!;
}

const isFetching = ({ operation }: Step): boolean => /fetch|xchg/.test(operation);

/** A pointer on the stack is loaded or stored, not exchanged: Linux would go on with it as a pointer. @throws Rejection */
function checkFetched(session: Session, step: Step, stack: Stack, offset: number): void {
  if (session.context.profile === 'isa' || !isFetching(step)) return;
  if (stack[slotIndex(offset)]?.spill?.kind !== 'pointer') return;
  const place = framePlace({ min: offset, max: offset });
  throw new Rejection(`fetches the pointer that lies on the stack at ${place}; load it instead`);
}

/**
 * Checks memory that a helper reads or fills, `size` bytes at the pointer in a register. Where `size` isn't one constant
 * (`exact` false) a helper may fill less, so stack that it is to fill must be initialised before.
 * @throws Rejection
 */
export function helperMemory(
  session: Session,
  state: State,
  register: number,
  size: number,
  access: Access,
  exact = true,
  packets = false,
): void {
  const p = dereferenced(state, register);
  const { target } = p;
  switch (target.kind) {
    case 'struct':
      checkStruct(session, register, p, target, 0, size, access);
      if (!target.trusted)
        throw new Rejection(
          `r${register} is a kernel pointer that may be stale; copy from it with bpf_probe_read_kernel`,
        );
      return;
    case 'context':
      contextAsMemory(session, register, p, size, access);
      return;
    case 'packet':
      if (!packets)
        throw new Rejection(`r${register} points into the packet, which this helper can't take; copy it first`);
      checkPacket(session, register, p, target, 0, size, access);
      return;
    case 'map':
    case 'packet_end':
    case 'code':
      throw new Rejection(`r${register} is ${describeTarget(target)}; the helper takes stack, map values or records`);
    default:
      break;
  }
  const span = spanOf(register, p, 0);
  if (target.kind !== 'stack') {
    checkRegion(register, target, span, size, access);
    checkForward(session, register, p);
    return;
  }
  checkStackBounds(session, state, target.frame, span, size, access);
  if (size === 0) return;
  if (access === 'read' || !exact || span.min !== span.max) checkInitialised(state, target.frame, span, size);
  if (access === 'write') {
    const certainly = exact && span.min === span.max;
    scribbleStack(state.frames[target.frame]!.stack, span.min, span.max - span.min + size, certainly);
  }
}
