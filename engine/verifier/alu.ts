import { calculate, isOperator, negate, swapBytes } from './arithmetic.ts';
import { MAX_OFFSET } from './bounds.ts';
import { Rejection } from './error.ts';
import { extendSign, isOpaque } from './linux.ts';
import { isConstant, type Scalar, signExtend, UNKNOWN, withId, zeroExtend32 } from './scalar.ts';
import { read, type Session } from './session.ts';
import { current, type State } from './state.ts';
import type { Step } from './step.ts';
import { describeTarget, type Pointer, type Value, ZERO } from './value.ts';

const isLinux = ({ context }: Session): boolean => context.profile !== 'isa';

/** An arithmetic instruction. @throws Rejection */
export function arithmetic(session: Session, state: State, step: Step): void {
  const { registers } = current(state);
  switch (step.operation) {
    case 'mov':
      registers[step.dst] = moved(session, state, step);
      return;
    case 'movsx':
      registers[step.dst] = extended(session, read(state, step.src), step);
      return;
    case 'neg': {
      const value = read(state, step.dst);
      registers[step.dst] = value.kind === 'scalar' ? negate(step.width === 64 ? 64 : 32, value) : UNKNOWN;
      return;
    }
    case 'le':
    case 'be':
    case 'bswap': {
      const value = read(state, step.dst);
      const scalar = value.kind === 'scalar' ? value : UNKNOWN;
      registers[step.dst] = isLinux(session)
        ? UNKNOWN
        : swapBytes(step.operation, step.width === 8 ? 16 : step.width, scalar);
      return;
    }
    default: {
      const dst = read(state, step.dst);
      const src = step.register ? read(state, step.src) : step.constant;
      registers[step.dst] = combined(session, step, dst, src);
    }
  }
}

/** A copy; copies of a number that isn't known get a common id. A copy of 32 bits is one where the high half is 0. */
function moved(session: Session, state: State, step: Step): Value {
  if (!step.register) return step.constant;
  const value = read(state, step.src);
  if (value.kind !== 'scalar') return step.width === 32 ? zeroExtend32(UNKNOWN) : value;
  const low = step.width === 32 ? zeroExtend32(value) : value;
  if (low !== value || value.id !== 0 || isConstant(value)) return low;
  const linked = withId(value, session.nextId());
  current(state).registers[step.src] = linked;
  return linked;
}

/** `offset` of the instruction is the number of bits that are extended. */
function extended(session: Session, value: Value, step: Step): Value {
  if (isLinux(session) && value.kind === 'scalar') return extendSign(value, step.offset, step.width === 64 ? 64 : 32);
  const wide = signExtend(value.kind === 'scalar' ? value : UNKNOWN, step.offset);
  return step.width === 32 ? zeroExtend32(wide) : wide;
}

function combined(session: Session, step: Step, dst: Value, src: Value): Value {
  const { operation } = step;
  const width = step.width === 64 ? 64 : 32;
  if (!isOperator(operation)) throw new Rejection(`${operation} is not supported`);
  if (dst.kind === 'scalar' && src.kind === 'scalar') {
    return isLinux(session) && isOpaque(operation, width, src) ? UNKNOWN : calculate(operation, width, dst, src);
  }
  if (width === 32) {
    if (operation === 'sub') return UNKNOWN;
    throw new Rejection('32-bit arithmetic on a pointer; use the 64-bit form');
  }
  if (dst.kind === 'pointer' && src.kind === 'pointer') {
    if (operation === 'sub') return UNKNOWN;
    throw new Rejection(`'${operation}' of two pointers; only their difference is a number`);
  }
  if (dst.kind === 'pointer' && src.kind === 'scalar' && (operation === 'add' || operation === 'sub')) {
    return displaced(session, step.dst, dst, operation, src);
  }
  if (dst.kind === 'scalar' && src.kind === 'pointer' && operation === 'add') {
    return displaced(session, step.src, src, operation, dst);
  }
  throw new Rejection(`'${operation}' on a pointer; only numbers can be added to it or subtracted`);
}

/** The pointer moved by a number; where it leads is checked when it is used. @throws Rejection */
function displaced(session: Session, register: number, p: Pointer, operation: 'add' | 'sub', by: Scalar): Pointer {
  if (p.orNull) throw new Rejection(`r${register} may be null; compare it with 0 before arithmetic`);
  if (p.target.kind === 'map' && !(isConstant(by) && by.bits.value === 0n)) {
    throw new Rejection(`arithmetic on ${describeTarget(p.target)}; look up a value first`);
  }
  if (p.target.kind === 'packet_end' || p.target.kind === 'code') {
    throw new Rejection(`arithmetic on ${describeTarget(p.target)}; it can only be compared or passed on`);
  }
  const linux = isLinux(session);
  if (linux && operation === 'sub' && p.target.kind === 'stack') {
    throw new Rejection(
      `r${register} points into the stack, from which Linux subtracts nothing; add a negative number`,
    );
  }
  if (isConstant(by)) {
    const distance = operation === 'add' ? by.wide.smin : -by.wide.smin;
    const offset = BigInt(p.offset) + distance;
    const limit = BigInt(MAX_OFFSET);
    if (distance <= -limit || distance >= limit || offset <= -limit || offset >= limit) {
      throw new Rejection(`moves r${register} by ${distance} bytes, out of any object; the limit is ${limit}`);
    }
    return { ...p, offset: Number(offset) };
  }
  const variable = operation === 'add' && p.variable === ZERO ? by : calculate(operation, 64, p.variable, by);
  if (linux) for (const each of [by, variable]) checkLowerBound(register, each);
  if (p.target.kind !== 'packet') return { ...p, variable: withId(variable, 0) };
  return { ...p, target: { ...p.target, range: 0 }, variable: withId(variable, 0), id: session.nextId() };
}

/** What is added to a pointer must have a lower bound at once (check_reg_sane_offset of kernel/bpf/verifier.c). @throws Rejection */
function checkLowerBound(register: number, { wide: { smin } }: Scalar): void {
  const limit = BigInt(MAX_OFFSET);
  if (smin > -limit && smin < limit) return;
  throw new Rejection(
    smin < 0n
      ? `r${register} is moved by a number without a lower bound; mask it or compare it with a constant first`
      : `r${register} is moved by ${smin} bytes or more, out of any object; the limit is ${limit}`,
  );
}
