import { endRound } from './callbacks.ts';
import { Rejection } from './error.ts';
import { MAX_FRAMES } from './flow.ts';
import { callGlobal } from './globals.ts';
import { read, type Session } from './session.ts';
import { current, newFrame, type State } from './state.ts';
import type { Step } from './step.ts';
import { UNINITIALISED } from './value.ts';

/** A call of a function of the program: its frame gets r1 to r5; returns the slot to go on at. @throws Rejection */
export function callFunction(session: Session, state: State, step: Step): number {
  const index = session.flow.functionOf[step.target]!;
  if (session.globals.has(index)) {
    callGlobal(session, state, index);
    return step.next;
  }
  if (state.frames.length === MAX_FRAMES) throw new Rejection(`calls nest deeper than ${MAX_FRAMES} functions`);
  const { registers } = current(state);
  const frame = newFrame(index, step.next, state.frames.length, session.nextId());
  for (let r = 1; r <= 5; r++) frame.registers[r] = registers[r]!;
  registers.fill(UNINITIALISED, 0, 6);
  state.frames.push(frame);
  return step.target;
}

/** The end of a function: returns the slot to go on at, or -1 where the program ends. @throws Rejection */
export function leave(session: Session, state: State): number {
  const frame = current(state);
  if (state.frames.length > 1) {
    if (frame.callback) return endRound(session, state);
    const result = frame.registers[0]!;
    if (result.kind === 'pointer' && result.target.kind === 'stack') {
      throw new Rejection('r0 points into the stack; a function may not return it');
    }
    state.frames.pop();
    current(state).registers[0] = result;
    return frame.returnTo;
  }
  if (frame.function === 0) checkResult(session, state);
  else if (read(state, 0).kind !== 'scalar') {
    throw new Rejection('r0 is a pointer; a global function must return a number');
  }
  const [kept] = state.references;
  if (kept) throw new Rejection(kept.leak);
  return -1;
}

function checkResult(session: Session, state: State): void {
  const { profile, hook } = session.context;
  const { min, max } = hook.returns;
  const value = read(state, 0);
  if (profile === 'isa' || isAny(min, max)) return;
  const allowed = min === max ? `${min}` : `${min} to ${max}`;
  if (value.kind !== 'scalar') throw new Rejection(`r0 is a pointer; the program must return ${allowed}`);
  const { smin, smax } = hook.programType === 'lsm' ? value.low : value.wide;
  if (smin >= BigInt(min) && smax <= BigInt(max)) return;
  const found = smin === smax ? `${smin}` : `${smin} to ${smax}`;
  throw new Rejection(`r0 is ${found} at exit; the program must return ${allowed}`);
}

/** Whether any number of 32 bits will do, and then whatever is in the register. */
export const isAny = (min: number, max: number): boolean => min <= -0x8000_0000 && max >= 0x7fff_ffff;
