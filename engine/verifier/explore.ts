import { arithmetic } from './alu.ts';
import { branch } from './branch.ts';
import { callFunction, callHelper, leave } from './calls.ts';
import { type Checkpoint, covers, type Difference, endPath, forget, forgetDead, newCheckpoint } from './checkpoint.ts';
import { loadConstant } from './constants.ts';
import { Rejection } from './error.ts';
import { atomic, load, store } from './memory.ts';
import type { Session } from './session.ts';
import { current, newFrame, type State } from './state.ts';
import type { Step } from './step.ts';
import { pointer } from './value.ts';

/** BPF_COMPLEXITY_LIMIT_INSNS of include/linux/bpf.h: instructions explored on all paths together. */
export const MAX_EXPLORED = 1_000_000;

/**
 * A path remembers a state MIN_AGE instructions after its last, as the kernel does (is_state_visited). Where that helps it remembers
 * sooner: the way out of a loop is shorter, and what is not remembered there is explored again for each round. At the head of a
 * loop that only counts it never helps; TRIALS states show which of both it is.
 */
const MIN_AGE = 8;
const TRIALS = 16;
const ADDED_PER_HIT = 4;

/** BPF_COMPLEXITY_LIMIT_JMP_SEQ of kernel/bpf/verifier.c: jumps whose other side waits to be explored. */
const MAX_WAITING = 8192;

/** A checkpoint that was compared this often for each time it helped is given up. */
const MISSES_PER_HIT = 4;
const MISSES_AT_FIRST = 16;

/** A rejection with the state it happened in. */
export class Refused extends Error {
  readonly rejection: Rejection;
  readonly at: number;
  readonly state: State;

  constructor(rejection: Rejection, at: number, state: State) {
    super(rejection.message);
    this.name = 'Refused';
    this.rejection = rejection;
    this.at = rejection.at ?? at;
    this.state = state;
  }
}

export function initialState(): State {
  const frame = newFrame(0, -1, 0);
  frame.registers[1] = pointer({ kind: 'context' });
  return { frames: [frame], references: [], history: undefined, checkpoint: undefined, age: 0 };
}

/** Follows every path through the program, leaving out what an earlier one covered; returns the number of instructions explored. @throws Refused */
export function explore(session: Session): number {
  const { flow } = session;
  const isJoin = new Uint8Array(flow.steps.length);
  for (const at of flow.joins) isJoin[at] = 1;
  const seen = new Map<number, Seen>();
  const pending: { readonly state: State; readonly at: number }[] = [{ state: initialState(), at: 0 }];
  let explored = 0;
  for (let path = pending.pop(); path; path = pending.pop()) {
    const { state } = path;
    let { at } = path;
    try {
      while (at >= 0) {
        if (isJoin[at] === 1 && arrive(session, seen, state, at)) break;
        if (++explored > MAX_EXPLORED) throw new Rejection(tooComplex);
        const step = flow.steps[at]!;
        state.age++;
        if (step.kind === 'branch') {
          const { taken, next } = branch(state, step);
          if (taken) jumped(taken, at, step.target);
          if (taken && next) {
            if (state.checkpoint) state.checkpoint.open++;
            pending.push({ state: taken, at: step.target });
            if (pending.length > MAX_WAITING) throw new Rejection(tooManyJumps);
          }
          at = next ? step.next : step.target;
        } else {
          const to = execute(session, state, step);
          if (to >= 0 && to !== step.next) jumped(state, at, to);
          at = to;
        }
      }
    } catch (error) {
      if (error instanceof Rejection) throw new Refused(error, at, state);
      throw error;
    }
    endPath(state.checkpoint);
  }
  return explored;
}

const tooComplex =
  `explored ${MAX_EXPLORED} instructions and there are more: a loop has no bound that shows in a comparison, ` +
  'or too many paths differ when they meet';

const tooManyJumps =
  `${MAX_WAITING + 1} conditional jumps in a row can go both ways, at most ${MAX_WAITING} may; ` +
  'let ways meet sooner or move code into functions';

function jumped(state: State, from: number, to: number): void {
  state.history = { from, to, before: state.history };
}

/** One instruction that isn't a conditional jump; returns the slot to go on at, -1 at the end. @throws Rejection */
export function execute(session: Session, state: State, step: Step): number {
  switch (step.kind) {
    case 'alu':
      arithmetic(session, state, step);
      return step.next;
    case 'constant':
      current(state).registers[step.dst] = loadConstant(session, step);
      return step.next;
    case 'load':
      load(session, state, step);
      return step.next;
    case 'store':
      store(session, state, step);
      return step.next;
    case 'atomic':
      atomic(session, state, step);
      return step.next;
    case 'helper':
      callHelper(session, state, step);
      return step.next;
    case 'call':
      callFunction(session, state, step);
      return step.target;
    case 'exit':
      return leave(session, state);
    case 'goto':
    case 'branch':
      return step.target;
  }
}

/** The states that were seen at one slot, and where new ones differ from them. */
interface Seen {
  readonly states: Checkpoint[];
  readonly likely: { place: Difference };
  /** How many were remembered, and how often one made further exploring needless. */
  added: number;
  hits: number;
}

/** Compares with the states that were here before, and remembers this one; true where there is nothing new to explore. @throws Rejection for a loop that changes nothing */
function arrive(session: Session, seen: Map<number, Seen>, state: State, at: number): boolean {
  const { live } = session;
  forgetDead(state, at, live);
  const here = seen.get(at) ?? { states: [], likely: { place: -1 }, added: 0, hits: 0 };
  const { states, likely } = here;
  if (states.length === 0) seen.set(at, here);
  for (let n = states.length - 1; n >= 0; n--) {
    const old = states[n]!;
    if (covers(old, state, at, live, likely)) {
      if (old.open === 0) {
        old.hits++;
        here.hits++;
        return true;
      }
      if (covers(state, old, at, live, likely)) {
        throw new Rejection('an endless loop: the way leads back here and nothing has changed');
      }
    }
    if (++old.misses > MISSES_AT_FIRST + MISSES_PER_HIT * old.hits) {
      states.splice(n, 1);
      forget(old);
    }
  }
  if (state.age < MIN_AGE && here.added > TRIALS + ADDED_PER_HIT * here.hits) return false;
  here.added++;
  state.age = 0;
  const checkpoint = newCheckpoint(state);
  states.push(checkpoint);
  state.checkpoint = checkpoint;
  return false;
}
