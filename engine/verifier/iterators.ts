import { Rejection } from './error.ts';
import { isConstant } from './scalar.ts';
import { read, type Session } from './session.ts';
import { iteratorSlot, STACK_BYTES, slotIndex } from './stack.ts';
import { release, type State } from './state.ts';
import type { Step } from './step.ts';
import type { Iterator, Pointer } from './value.ts';

/** An argument that is an open-coded iterator on the stack. */
interface IteratorType {
  readonly iterator: string;
  readonly bytes: number;
  readonly state: 'new' | 'next' | 'destroy';
}

/** `the bpf_iter_num made at slot 4 is not destroyed on this path` */
const leak = (name: string, at: number): string => `the ${name} made at slot ${at} is not destroyed on this path`;

/** Makes, looks up or ends the iterator that a register points to; returns its id. @throws Rejection */
export function iteratorArgument(
  session: Session,
  state: State,
  step: Step,
  register: number,
  { iterator: name, bytes, state: change }: IteratorType,
): number {
  const p = stackPointer(state, register, name);
  const { frame } = p.target;
  const { stack, function: index } = state.frames[frame]!;
  const last = slotIndex(p.offset);
  const first = slotIndex(p.offset + bytes - 1);
  if (change === 'new') {
    session.depths[index] = Math.max(session.depths[index]!, -p.offset);
    if (first < 0) throw new Rejection(`r${register} must point to ${bytes} bytes of stack`);
    for (let n = first; n <= last; n++) {
      if (stack[n]?.spill?.kind === 'iterator')
        throw new Rejection(`r${register} points to an iterator that is in use`);
    }
    const id = session.nextId();
    state.references = [...state.references, { id, at: step.at, leak: leak(name, step.at) }];
    const slot = iteratorSlot({ kind: 'iterator', id, name, active: true });
    for (let n = first; n <= last; n++) stack[n] = slot;
    return id;
  }
  const found = stack[last]?.spill;
  if (found?.kind !== 'iterator' || found.name !== name) {
    throw new Rejection(`r${register} must point to a ${name} that was made and not destroyed`);
  }
  if (change === 'destroy') {
    for (let n = first; n <= last; n++) stack[n] = undefined;
    release(state, found.id);
  }
  return found.id;
}

type StackPointer = Pointer & { readonly target: { readonly kind: 'stack'; readonly frame: number } };

const isStackPointer = (p: Pointer): p is StackPointer => p.target.kind === 'stack';

/** A pointer to a constant place on the stack. @throws Rejection */
export function stackPointer(state: State, register: number, name: string): StackPointer {
  const value = read(state, register);
  if (value.kind !== 'pointer' || !isStackPointer(value))
    throw new Rejection(`r${register} must point to a ${name} on the stack`);
  if (!isConstant(value.variable) || value.offset % 8 !== 0 || value.offset < -STACK_BYTES || value.offset >= 0) {
    throw new Rejection(
      `r${register} must point to a ${name} on the stack at a constant offset that is a multiple of 8`,
    );
  }
  return value;
}

/** The iterator that a register points to, undefined where it points to none. */
export function iteratorIn(state: State, register: number): Iterator | undefined {
  const value = state.frames[state.frames.length - 1]!.registers[register]!;
  if (value.kind !== 'pointer' || value.target.kind !== 'stack') return undefined;
  const spill = state.frames[value.target.frame]?.stack[slotIndex(value.offset)]?.spill;
  return spill?.kind === 'iterator' ? spill : undefined;
}

/** Notes that an iterator has no more rounds. */
export function drain(state: State, id: number): void {
  for (const { stack } of state.frames) {
    stack.forEach((slot, index) => {
      if (slot?.spill?.kind === 'iterator' && slot.spill.id === id) {
        stack[index] = iteratorSlot({ ...slot.spill, active: false });
      }
    });
  }
}
