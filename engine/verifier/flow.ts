import { Rejection } from './error.ts';
import type { Step } from './step.ts';

/** MAX_CALL_FRAMES of include/linux/bpf_verifier.h: the main function counts. */
export const MAX_FRAMES = 8;

/** BPF_MAX_SUBPROGS of include/linux/bpf_verifier.h. */
const MAX_FUNCTIONS = 256;

/** The control flow of a program. A function is a run of slots from a call's target (or 0) to the next function. */
export interface Flow {
  readonly steps: readonly (Step | undefined)[];
  /** First slot of each function, ascending; 0 is the main program. */
  readonly functions: readonly number[];
  /** Index into `functions` for each slot. */
  readonly functionOf: Int32Array;
  /** Slots where ways meet: what is explored from here may have been explored before. */
  readonly joins: ReadonlySet<number>;
  successors(step: Step): readonly number[];
}

const NOWHERE: readonly number[] = [];

/** Slots that control goes to after a step, inside its function. */
function successors(step: Step): readonly number[] {
  switch (step.kind) {
    case 'exit':
      return NOWHERE;
    case 'goto':
      return [step.target];
    case 'branch':
    case 'may_goto':
      return [step.next, step.target];
    default:
      return [step.next];
  }
}

/** Whether a step names a function: calls it, or loads its address for a helper that does. */
export const namesFunction = (step: Step): boolean =>
  step.kind === 'call' || (step.kind === 'constant' && step.target !== -1);

/**
 * Finds functions and joins; refuses jumps between functions, code that no way reaches, ends without exit, and recursion.
 * @param lenient leaves out code that no way reaches, and takes functions as they lie and call each other (profile `isa`)
 * @throws Rejection
 */
export function controlFlow(all: readonly (Step | undefined)[], lenient: boolean): Flow {
  const after = all.map((step) => (step ? successors(step) : NOWHERE));
  const arrivals = reach(all, after);
  const steps = lenient ? all.map((step) => (step && arrivals[step.at] === 0 ? undefined : step)) : all;
  const starts = new Set([0]);
  for (const step of steps) if (step && namesFunction(step)) starts.add(step.target);
  const functions = [...starts].sort((a, b) => a - b);
  if (functions.length > MAX_FUNCTIONS) {
    throw new Rejection(`the program has ${functions.length} functions, at most ${MAX_FUNCTIONS} are allowed`, 0);
  }
  const functionOf = new Int32Array(steps.length);
  functions.forEach((start, index) => {
    functionOf.fill(index, start);
  });
  if (lenient) {
    functions.forEach((start, index) => {
      assign(steps, functionOf, start, index);
    });
  }
  checkEnds(steps, functions, functionOf, lenient);
  if (!lenient) {
    checkReached(steps, functions, arrivals);
    checkCalls(steps, functions, functionOf);
  }
  const joins = new Set<number>();
  arrivals.forEach((count, at) => {
    if (count > 1) joins.add(at);
  });
  return { steps, functions, functionOf, joins, successors: ({ at }) => after[at]! };
}

/** Gives a function the slots that are reached from its start without a call. */
function assign(steps: readonly (Step | undefined)[], functionOf: Int32Array, start: number, index: number): void {
  const reached = new Uint8Array(steps.length);
  const pending = [start];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const step = steps[at];
    if (!step || reached[at] === 1) continue;
    reached[at] = 1;
    functionOf[at] = index;
    pending.push(...successors(step));
  }
}

function checkEnds(
  steps: readonly (Step | undefined)[],
  functions: readonly number[],
  functionOf: Int32Array,
  lenient: boolean,
): void {
  const starts = new Set(functions);
  for (const step of steps) {
    if (!step) continue;
    if (!lenient && !namesFunction(step) && step.target !== -1 && functionOf[step.target] !== functionOf[step.at]) {
      throw new Rejection(`the jump leaves its function for slot ${step.target}; only calls may`, step.at);
    }
    const ends = step.next === steps.length || (!lenient && starts.has(step.next));
    if (ends && step.kind !== 'exit' && step.kind !== 'goto') {
      throw new Rejection(
        'the last instruction of a function must be exit or a jump; control would fall off its end',
        step.at,
      );
    }
  }
}

/** Counts the ways into each slot. */
function reach(steps: readonly (Step | undefined)[], after: readonly (readonly number[])[]): Int32Array {
  const arrivals = new Int32Array(steps.length);
  const pending = [0];
  arrivals[0] = 1;
  const arrive = (at: number): void => {
    if (arrivals[at]!++ === 0) pending.push(at);
  };
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const step = steps[at];
    if (!step) continue;
    if (namesFunction(step)) arrive(step.target);
    for (const next of after[at]!) if (next < steps.length) arrive(next);
  }
  return arrivals;
}

/** @throws Rejection for slots that no way leads to */
function checkReached(steps: readonly (Step | undefined)[], functions: readonly number[], arrivals: Int32Array): void {
  for (const step of steps) {
    if (step && arrivals[step.at] === 0) {
      throw new Rejection(
        functions.includes(step.at)
          ? 'no call from reachable code leads to this function; remove it'
          : 'no way leads to this instruction; remove it',
        step.at,
      );
    }
  }
}

/** @throws Rejection for a function that reaches itself through calls, and for more than MAX_FRAMES nested calls */
function checkCalls(steps: readonly (Step | undefined)[], functions: readonly number[], functionOf: Int32Array): void {
  const calls = functions.map((): Map<number, number> => new Map());
  for (const step of steps) {
    if (step && namesFunction(step)) calls[functionOf[step.at]!]!.set(functionOf[step.target]!, step.at);
  }
  const heights = new Map<number, number>();
  const open = new Set<number>();
  const height = (index: number): number => {
    const known = heights.get(index);
    if (known !== undefined) return known;
    open.add(index);
    let frames = 1;
    for (const [callee, at] of calls[index]!) {
      if (open.has(callee)) throw new Rejection(`the function at slot ${functions[callee]} calls itself`, at);
      frames = Math.max(frames, 1 + height(callee));
      if (frames > MAX_FRAMES) throw new Rejection(`calls nest deeper than ${MAX_FRAMES} functions`, at);
    }
    open.delete(index);
    heights.set(index, frames);
    return frames;
  };
  height(0);
}
