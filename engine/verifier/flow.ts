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

/** Slots that control goes to after a step, inside its function. */
function successors(step: Step): readonly number[] {
  switch (step.kind) {
    case 'exit':
      return [];
    case 'goto':
      return [step.target];
    case 'branch':
      return [step.next, step.target];
    default:
      return [step.next];
  }
}

/** Finds functions and joins; refuses jumps between functions, code that no way reaches, ends without exit, and recursion. @throws Rejection */
export function controlFlow(steps: readonly (Step | undefined)[]): Flow {
  const starts = new Set([0]);
  for (const step of steps) if (step?.kind === 'call') starts.add(step.target);
  const functions = [...starts].sort((a, b) => a - b);
  if (functions.length > MAX_FUNCTIONS) {
    throw new Rejection(`the program has ${functions.length} functions, at most ${MAX_FUNCTIONS} are allowed`, 0);
  }
  const functionOf = new Int32Array(steps.length);
  functions.forEach((start, index) => {
    functionOf.fill(index, start);
  });
  checkEnds(steps, functions, functionOf);
  const arrivals = reach(steps, functions);
  checkCalls(steps, functions, functionOf);
  const joins = new Set<number>();
  arrivals.forEach((count, at) => {
    if (count > 1) joins.add(at);
  });
  return { steps, functions, functionOf, joins, successors };
}

function checkEnds(steps: readonly (Step | undefined)[], functions: readonly number[], functionOf: Int32Array): void {
  for (const step of steps) {
    if (!step) continue;
    if (step.kind !== 'call' && step.target !== -1 && functionOf[step.target] !== functionOf[step.at]) {
      throw new Rejection(`the jump leaves its function for slot ${step.target}; only calls may`, step.at);
    }
    const ends = step.next === steps.length || functions.includes(step.next);
    if (ends && step.kind !== 'exit' && step.kind !== 'goto') {
      throw new Rejection(
        'the last instruction of a function must be exit or a jump; control would fall off its end',
        step.at,
      );
    }
  }
}

/** Counts the ways into each slot. @throws Rejection for slots without one */
function reach(steps: readonly (Step | undefined)[], functions: readonly number[]): Int32Array {
  const arrivals = new Int32Array(steps.length);
  const pending = [0];
  arrivals[0] = 1;
  const arrive = (at: number): void => {
    if (arrivals[at]!++ === 0) pending.push(at);
  };
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const step = steps[at]!;
    if (step.kind === 'call') arrive(step.target);
    for (const next of successors(step)) arrive(next);
  }
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
  return arrivals;
}

/** @throws Rejection for a function that reaches itself through calls, and for more than MAX_FRAMES nested calls */
function checkCalls(steps: readonly (Step | undefined)[], functions: readonly number[], functionOf: Int32Array): void {
  const calls = functions.map((): Map<number, number> => new Map());
  for (const step of steps) {
    if (step?.kind === 'call') calls[functionOf[step.at]!]!.set(functionOf[step.target]!, step.at);
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
