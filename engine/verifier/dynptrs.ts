import { Rejection } from './error.ts';
import { stackPointer } from './iterators.ts';
import { UNKNOWN } from './scalar.ts';
import { read, type Session } from './session.ts';
import { iteratorSlot, slotIndex } from './stack.ts';
import { release, replaceValues, type State } from './state.ts';
import type { Step } from './step.ts';
import { describeTarget, type Iterator } from './value.ts';

/** struct bpf_dynptr of include/uapi/linux/bpf.h. */
const BYTES = 16;
const LOCAL = 'dynptr';
const RECORD = 'ring buffer dynptr';

/** Makes a dynptr where a register points to on the stack; one for a record must be submitted or discarded. @throws Rejection */
export function makeDynptr(session: Session, state: State, step: Step, register: number, record: boolean): void {
  const name = record ? RECORD : LOCAL;
  const { frame, stack, first, last } = place(session, state, register);
  for (let n = first; n <= last; n++) {
    const spill = stack[n]?.spill;
    if (spill?.kind !== 'iterator') continue;
    if (spill.name !== LOCAL) throw new Rejection(`r${register} points to a ${spill.name} that is in use`);
    forgetSlices(state, spill.id);
    clear(state, frame, spill.id);
  }
  const id = session.nextId();
  if (record) {
    const leak = `the dynptr reserved at slot ${step.at} is neither submitted nor discarded on this path`;
    state.references = [...state.references, { id, at: step.at, leak }];
  }
  const slot = iteratorSlot({ kind: 'iterator', id, name, active: true });
  for (let n = first; n <= last; n++) stack[n] = slot;
}

/** The id of the dynptr that a register points to. @throws Rejection */
export function dynptrArgument(session: Session, state: State, register: number): number {
  return dynptrAt(session, state, register).found.id;
}

/** Gives back the record of a dynptr; what points into it is void. @throws Rejection */
export function endDynptr(session: Session, state: State, register: number): void {
  const { found, frame } = dynptrAt(session, state, register);
  if (found.name !== RECORD) throw new Rejection(`r${register} must point to a dynptr of a ring buffer's record`);
  forgetSlices(state, found.id);
  clear(state, frame, found.id);
  release(state, found.id);
}

/** bpf_dynptr_from_mem takes memory that outlives the stack. @throws Rejection */
export function checkDynptrMemory(state: State): void {
  const value = read(state, 1);
  if (value.kind === 'pointer' && value.target.kind === 'map_value') return;
  const what = value.kind === 'pointer' ? describeTarget(value.target) : 'a number';
  throw new Rejection(`r1 is ${what}, it must be a value of a map`);
}

function dynptrAt(session: Session, state: State, register: number): { found: Iterator; frame: number } {
  const { frame, stack, first, last } = place(session, state, register);
  const found = stack[last]?.spill;
  const below = stack[first]?.spill;
  if (found?.kind !== 'iterator' || below !== found || (found.name !== LOCAL && found.name !== RECORD)) {
    throw new Rejection(`r${register} must point to a dynptr that was made and not given back`);
  }
  return { found, frame };
}

function place(session: Session, state: State, register: number) {
  const p = stackPointer(state, register, 'dynptr');
  const { frame } = p.target;
  const { stack, function: index } = state.frames[frame]!;
  const [first, last] = [slotIndex(p.offset + BYTES - 1), slotIndex(p.offset)];
  if (first < 0) throw new Rejection(`r${register} must point to ${BYTES} bytes of stack`);
  session.depths[index] = Math.max(session.depths[index]!, -p.offset);
  return { frame, stack, first, last };
}

function clear(state: State, frame: number, id: number): void {
  const { stack } = state.frames[frame]!;
  stack.forEach((slot, index) => {
    if (slot?.spill?.kind === 'iterator' && slot.spill.id === id) stack[index] = undefined;
  });
}

/** Pointers into what a dynptr stood for become numbers of which nothing is known. */
function forgetSlices(state: State, id: number): void {
  replaceValues(state, (value) =>
    value.kind === 'pointer' && value.target.kind === 'memory' && value.target.owner === id ? UNKNOWN : value,
  );
}
