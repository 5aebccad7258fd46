import { Rejection } from './error.ts';
import { afterClear } from './linux.ts';
import { learnPacket, packetLesson } from './packet.ts';
import { isCondition, refine } from './refine.ts';
import { isConstant, type Scalar } from './scalar.ts';
import { read } from './session.ts';
import { copyState, current, relearn, replaceValues, type State } from './state.ts';
import type { Step } from './step.ts';
import { isNeverNull, type Pointer, type Value, ZERO } from './value.ts';

/** The states on both sides of a conditional jump; one that can't be is undefined. One of them is the state that came in. */
export interface Sides {
  readonly taken: State | undefined;
  readonly next: State | undefined;
}

/** A conditional jump: what the condition teaches goes into both states, as far as Linux learns it where `linux` says so. @throws Rejection */
export function branch(state: State, step: Step, linux: boolean): Sides {
  const dst = read(state, step.dst);
  const src = step.register ? read(state, step.src) : step.constant;
  if (dst.kind === 'scalar' && src.kind === 'scalar') return compareScalars(state, step, dst, src, linux);
  if (dst.kind === 'pointer' && isZero(src) && step.width === 64) return compareWithNull(state, step, dst);
  const taken = copyState(state);
  const lesson = packetLesson(step, dst, src);
  if (lesson) learnPacket(lesson.side === 'taken' ? taken : state, lesson);
  return { taken, next: state };
}

const isZero = (value: Value): boolean => value.kind === 'scalar' && isConstant(value) && value.bits.value === 0n;

function compareScalars(state: State, step: Step, dst: Scalar, src: Scalar, linux: boolean): Sides {
  const { operation } = step;
  if (!isCondition(operation)) throw new Rejection(`${operation} is not supported`);
  const width = step.width === 64 ? 64 : 32;
  const taken = refine(operation, width, dst, src, true);
  const exact = refine(operation, width, dst, src, false);
  const next = exact && linux && operation === 'jset' ? afterClear(exact, [dst, src]) : exact;
  const other = taken && next ? copyState(state) : state;
  if (taken) learn(other, step, dst, src, taken);
  if (next) learn(state, step, dst, src, next);
  return { taken: taken && other, next: next && state };
}

function learn(state: State, step: Step, dst: Scalar, src: Scalar, refined: readonly [Scalar, Scalar]): void {
  const { registers } = current(state);
  const [newDst, newSrc] = refined;
  if (newDst !== dst) {
    registers[step.dst] = newDst;
    relearn(state, dst.id, newDst);
  }
  if (step.register && newSrc !== src && step.src !== step.dst) {
    registers[step.src] = newSrc;
    relearn(state, src.id, newSrc);
  }
}

function compareWithNull(state: State, step: Step, p: Pointer): Sides {
  if (step.operation !== 'jeq' && step.operation !== 'jne') return { taken: copyState(state), next: state };
  const whenEqual = step.operation === 'jeq';
  if (isNeverNull(p)) return whenEqual ? { taken: undefined, next: state } : { taken: state, next: undefined };
  const other = copyState(state);
  if (p.orNull) {
    becomeNull(whenEqual ? other : state, p.id);
    becomePointer(whenEqual ? state : other, p.id);
  }
  return { taken: other, next: state };
}

/** The pointers with this id are null, so there is nothing to give back either. */
function becomeNull(state: State, id: number): void {
  state.references = state.references.filter((reference) => reference.id !== id);
  replaceValues(state, (value) => (value.kind === 'pointer' && value.id === id ? ZERO : value));
}

/** The pointers with this id aren't null; a reference keeps its id until it is given back. */
function becomePointer(state: State, id: number): void {
  const held = state.references.some((reference) => reference.id === id);
  replaceValues(state, (value) =>
    value.kind === 'pointer' && value.id === id ? { ...value, orNull: false, id: held ? id : 0 } : value,
  );
}
