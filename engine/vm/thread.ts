import type { Checks } from './checks.ts';
import { Fault } from './fault.ts';
import type { Memory } from './memory.ts';

/** Bytes of a function's stack, and how many functions deep calls may go (MAX_BPF_STACK, MAX_CALL_FRAMES). */
export const STACK_BYTES = 512;
export const FRAMES = 8;
/** How many tail calls one run may make (MAX_TAIL_CALL_CNT of include/linux/bpf.h). */
export const MAX_TAIL_CALLS = 33;
/** How often may_goto falls through in one call of a function (BPF_MAX_LOOPS). */
export const MAX_MAY_GOTO = 8 * 1024 * 1024;
/** Where r6 and r10 begin in the register halves: what a local call saves. */
const [SAVED, SAVED_END] = [6 * 2, 11 * 2];
const SAVED_WORDS = SAVED_END - SAVED;

/** What the programs of one run share, a tail call being the change from one program to the next on the same stack. */
export interface Thread {
  /** Functions that were called and have not returned; the main one has depth 0. */
  depth: number;
  /** Instructions so far. */
  executed: number;
  tailCalls: number;
  /** r1 at entry. */
  context: bigint;
  /** Handle of the program that the helper which just ran asked to go on with. */
  tailCall: number | undefined;
  /** The slot to go on at in each caller. */
  readonly returnTo: Int32Array;
  /** How often may_goto may still fall through in each function. */
  readonly mayGoto: Int32Array;
  /** Address of the first byte above the current function's stack. */
  framePointer(): bigint;
  /** Offset in memory of the lowest byte of the frame at a depth. */
  frameAt(depth: number): number;
  /** Begins a function: saves r6 to r10 and gives it a stack. @throws Fault */
  enter(r: Int32Array, R: BigUint64Array, at: number, returnTo: number): void;
  /** Ends it; returns the slot to go on at. */
  leave(r: Int32Array): number;
  /** Begins the main function anew. */
  restart(context: bigint): void;
  checks: Checks | undefined;
  free(): void;
}

/** @param gap bytes between frames that belong to none, so that an access past one's end is seen. */
export function createThread(memory: Memory, gap: number): Thread {
  const stride = STACK_BYTES + gap;
  const bytes = stride * FRAMES;
  const stack = memory.allocate(bytes);
  const top = stack + bytes;
  const saved = new Int32Array(FRAMES * SAVED_WORDS);
  const returnTo = new Int32Array(FRAMES);
  const pointers = Array.from({ length: FRAMES }, (_, depth) => memory.address(top - depth * stride));
  const mayGoto = new Int32Array(FRAMES).fill(MAX_MAY_GOTO);
  const thread: Thread = {
    depth: 0,
    executed: 0,
    tailCalls: 0,
    context: 0n,
    tailCall: undefined,
    returnTo,
    mayGoto,
    framePointer: () => pointers[thread.depth]!,
    frameAt: (depth) => top - depth * stride - STACK_BYTES,
    enter: (r, R, at, to) => {
      if (thread.depth === FRAMES - 1) throw new Fault(at, `calls more than ${FRAMES} functions deep`);
      saved.set(r.subarray(SAVED, SAVED_END), thread.depth * SAVED_WORDS);
      returnTo[thread.depth++] = to;
      mayGoto[thread.depth] = MAX_MAY_GOTO;
      R[10] = thread.framePointer();
      thread.checks?.enter();
    },
    leave: (r) => {
      thread.depth--;
      const from = thread.depth * SAVED_WORDS;
      r.set(saved.subarray(from, from + SAVED_WORDS), SAVED);
      return returnTo[thread.depth]!;
    },
    restart: (context) => {
      thread.depth = 0;
      thread.executed = 0;
      thread.tailCalls = 0;
      thread.tailCall = undefined;
      thread.context = context;
      mayGoto[0] = MAX_MAY_GOTO;
    },
    checks: undefined,
    free: () => memory.free(stack, bytes),
  };
  return thread;
}
