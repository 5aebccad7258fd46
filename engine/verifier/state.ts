import type { Checkpoint } from './checkpoint.ts';
import { type Scalar, UNKNOWN } from './scalar.ts';
import type { Slot, Stack } from './stack.ts';
import { pointer, UNINITIALISED, type Value } from './value.ts';

/** A function's activation. */
export interface Frame {
  /** Index of the function in the program's flow. */
  readonly function: number;
  /** Slot to go on at after exit; -1 in the main function. */
  readonly returnTo: number;
  /** r0 to r10. */
  readonly registers: Value[];
  readonly stack: Stack;
  /** Tells this activation from others of the same function. */
  readonly instance: number;
  /** Whether a helper called it: then `returnTo` is the call, which goes on with the next round or ends. */
  readonly callback: boolean;
  /** The call of a helper in this frame that is calling back: its number, and how often it has. */
  calling: { readonly id: number; readonly rounds: number } | undefined;
}

/** Something that must be given back on every path. */
export interface Reference {
  readonly id: number;
  /** Slot that acquired it. */
  readonly at: number;
  /** What the path that keeps it is told: `the ring buffer record reserved at slot 4 is neither ...`. */
  readonly leak: string;
  /** The kernel function that began it, of what is a section of the program and no object. */
  readonly section?: string;
}

/** The way to a state: where blocks of instructions began, newest first. */
export interface History {
  /** The slot that jumped, and where to. */
  readonly from: number;
  readonly to: number;
  readonly before: History | undefined;
  /** Where numbers were forgotten before the instruction at `from`: what was left. */
  readonly frames?: readonly Frame[];
}

/** What is known at one point of one path. Values are immutable, the arrays belong to the state. */
export interface State {
  frames: Frame[];
  references: readonly Reference[];
  history: History | undefined;
  /** The newest remembered state on the way here. */
  checkpoint: Checkpoint | undefined;
  /** Instructions since then. */
  age: number;
  /** Rounds of loops that end by themselves (callbacks, iterators, may_goto) on the way here. */
  rounds: number;
}

export function newFrame(index: number, returnTo: number, depth: number, instance = 0, callback = false): Frame {
  const registers: Value[] = new Array<Value>(11).fill(UNINITIALISED);
  registers[10] = pointer({ kind: 'stack', frame: depth });
  return { function: index, returnTo, registers, stack: [], instance, callback, calling: undefined };
}

export const current = (state: State): Frame => state.frames[state.frames.length - 1]!;

export const copyFrames = (frames: readonly Frame[]): Frame[] =>
  frames.map((frame) => ({
    function: frame.function,
    returnTo: frame.returnTo,
    registers: frame.registers.slice(),
    stack: frame.stack.slice(),
    instance: frame.instance,
    callback: frame.callback,
    calling: frame.calling,
  }));

export const copyState = (state: State): State => ({
  frames: copyFrames(state.frames),
  references: state.references,
  history: state.history,
  checkpoint: state.checkpoint,
  age: state.age,
  rounds: state.rounds,
});

/** Replaces each register and spilled register that `change` gives a new value for. */
export function replaceValues(state: State, change: (value: Value) => Value): void {
  for (const { registers, stack } of state.frames) {
    for (let r = 0; r < 10; r++) registers[r] = change(registers[r]!);
    for (let index = 0; index < stack.length; index++) {
      const slot = stack[index];
      if (!slot?.spill) continue;
      const spill = change(slot.spill);
      if (spill !== slot.spill) stack[index] = { ...slot, spill } satisfies Slot;
    }
  }
}

/** Teaches all copies of a scalar what was learnt of one; a scalar without id has none. */
export function relearn(state: State, id: number, learnt: Scalar): void {
  if (id === 0) return;
  replaceValues(state, (value) => (value.kind === 'scalar' && value.id === id ? learnt : value));
}

/** Ends a reference: its pointers become numbers of which nothing is known. */
export function release(state: State, id: number): void {
  state.references = state.references.filter((reference) => reference.id !== id);
  replaceValues(state, (value) => (value.kind === 'pointer' && value.id === id ? UNKNOWN : value));
}
