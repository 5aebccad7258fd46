import { arithmetic } from './alu.ts';
import { branch } from './branch.ts';
import { callHelper, callRegister, isNext } from './calls.ts';
import {
  type Checkpoint,
  covers,
  type Difference,
  endPath,
  forget,
  forgetDead,
  goRound,
  isWithin,
  newCheckpoint,
} from './checkpoint.ts';
import { loadConstant } from './constants.ts';
import type { VerifierContext } from './context.ts';
import { Rejection } from './error.ts';
import type { Flow } from './flow.ts';
import { callFunction, leave } from './functions.ts';
import { iteratorIn } from './iterators.ts';
import { atomic, load, store } from './memory.ts';
import { loadPacket } from './packet-load.ts';
import { constant, UNKNOWN } from './scalar.ts';
import type { Fork, Session } from './session.ts';
import { copyState, current, newFrame, type State } from './state.ts';
import type { Step } from './step.ts';
import { pointer } from './value.ts';
import { widen } from './widen.ts';

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
  /** What the path began with. */
  readonly start: State;

  constructor(rejection: Rejection, at: number, state: State, start: State) {
    super(rejection.message);
    this.name = 'Refused';
    this.rejection = rejection;
    this.at = rejection.at ?? at;
    this.state = state;
    this.start = start;
  }
}

/** What a program finds at entry: its context in r1; on plain memory its address and size in r1 and r2. */
export function initialState({ profile, hook }: VerifierContext): State {
  const frame = newFrame(0, -1, 0);
  frame.registers[1] = pointer({ kind: 'context' });
  if (profile === 'isa' && hook.context?.kind === 'memory') {
    const { size, writable } = hook.context;
    frame.registers[1] = size === 0 ? UNKNOWN : pointer({ kind: 'memory', size, writable, what: 'the memory' });
    frame.registers[2] = constant(BigInt(size));
  }
  return { frames: [frame], references: [], history: undefined, checkpoint: undefined, age: 0, rounds: 0 };
}

/** Slots at which states are compared. */
const JOIN = 1;
/** Slots at which a loop that ends by itself begins its next round: they always are. */
const ROUND = 2;

function comparedAt({ steps, joins }: Flow): Uint8Array {
  const compared = new Uint8Array(steps.length);
  for (const at of joins) compared[at] = JOIN;
  for (const step of steps) {
    const { helper } = step ?? {};
    if (step && (step.kind === 'may_goto' || (helper && (helper.callback || isNext(helper)))))
      compared[step.at] = ROUND;
  }
  return compared;
}

/**
 * Follows every path from a state on, leaving out what an earlier one covered; returns the number of instructions explored.
 * @param before how many were explored already
 * @throws Refused
 */
export function explore(session: Session, start: State, before = 0): number {
  const { flow } = session;
  const compared = comparedAt(flow);
  const seen = new Map<number, Seen>();
  const pending: Fork[] = [{ state: copyState(start), to: flow.functions[start.frames[0]!.function]! }];
  let explored = before;
  for (let path = pending.pop(); path; path = pending.pop()) {
    const { state } = path;
    let at = path.to;
    try {
      while (at >= 0) {
        if (compared[at] !== 0 && arrive(session, seen, state, at, compared[at] === ROUND)) break;
        if (++explored > MAX_EXPLORED) throw new Rejection(tooComplex);
        const step = flow.steps[at]!;
        state.age++;
        if (step.kind === 'branch') {
          const { taken, next } = branch(state, step, session.context.profile !== 'isa');
          if (taken) jumped(taken, at, step.target);
          if (taken && next) {
            if (state.checkpoint) state.checkpoint.open++;
            pending.push({ state: taken, to: step.target });
            if (pending.length > MAX_WAITING) throw new Rejection(tooManyJumps);
          }
          at = next ? step.next : step.target;
        } else {
          const to = execute(session, state, step);
          const { fork } = session;
          if (fork) {
            session.fork = undefined;
            jumped(fork.state, at, fork.to);
            if (state.checkpoint) state.checkpoint.open++;
            pending.push(fork);
            if (pending.length > MAX_WAITING) throw new Rejection(tooManyJumps);
          }
          if (to >= 0 && to !== step.next) jumped(state, at, to);
          at = to;
        }
      }
    } catch (error) {
      if (error instanceof Rejection) throw new Refused(error, at, state, start);
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
    case 'packet':
      loadPacket(state, step);
      return step.next;
    case 'helper':
    case 'kfunc':
      callHelper(session, state, step);
      return step.next;
    case 'callx':
      callRegister(session, state, step);
      return step.next;
    case 'call':
      return callFunction(session, state, step);
    case 'may_goto': {
      const round = copyState(state);
      round.rounds++;
      session.fork = { state: round, to: step.next };
      return step.target;
    }
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

/**
 * Compares with the states that were here before, and remembers this one; true where there is nothing new to explore. Where a loop
 * that ends by itself begins a round, a state of the same loop will do whose paths are not yet explored: they are being.
 * @throws Rejection for a loop that changes nothing
 */
function arrive(session: Session, seen: Map<number, Seen>, state: State, at: number, isRound: boolean): boolean {
  const { live } = session;
  forgetDead(state, at, live);
  const here = seen.get(at) ?? { states: [], likely: { place: -1 }, added: 0, hits: 0 };
  if (here.states.length === 0) seen.set(at, here);
  const loop = isRound ? loopAt(session, state, at) : 0;
  if (isCovered(session, here, state, at, loop)) return true;
  if (loop !== 0 && session.mayWiden && widen(state, at, loop, session.changing)) {
    session.widened = true;
    if (isCovered(session, here, state, at, loop)) return true;
  }
  if (!isRound && state.age < MIN_AGE && here.added > TRIALS + ADDED_PER_HIT * here.hits) return false;
  here.added++;
  state.age = 0;
  const checkpoint = newCheckpoint(state, at, loop);
  here.states.push(checkpoint);
  state.checkpoint = checkpoint;
  return false;
}

function isCovered({ live }: Session, here: Seen, state: State, at: number, loop: number): boolean {
  const { states, likely } = here;
  for (let n = states.length - 1; n >= 0; n--) {
    const old = states[n]!;
    if (covers(old, state, at, live, likely)) {
      const goesRound = old.open > 0 && loop !== 0 && old.loop === loop;
      if (goesRound || (old.open === 0 && (!old.within || isWithin(state, old.within)))) {
        goRound(state.checkpoint, goesRound ? [loop] : (old.within ?? []));
        old.hits++;
        here.hits++;
        return true;
      }
      if (old.open > 0 && old.rounds === state.rounds && covers(state, old, at, live, likely)) {
        throw new Rejection('an endless loop: the way leads back here and nothing has changed');
      }
    }
    if (++old.misses > MISSES_AT_FIRST + MISSES_PER_HIT * old.hits && (loop === 0 || old.loop !== loop)) {
      states.splice(n, 1);
      forget(old);
    }
  }
  return false;
}

/** A number for the loop that begins a round at a slot, the same in all its rounds; 0 where there is none. */
function loopAt(session: Session, state: State, at: number): number {
  const step = session.flow.steps[at]!;
  const frame = current(state);
  if (step.kind === 'may_goto') return -1 - frame.instance;
  if (!step.helper?.callback) return iteratorIn(state, 1)?.id ?? 0;
  frame.calling ??= { id: session.nextId(), rounds: 0 };
  return frame.calling.id;
}
