import { branch } from './branch.ts';
import { execute } from './explore.ts';
import type { Session } from './session.ts';
import { showSlot, showValue } from './show.ts';
import type { Slot } from './stack.ts';
import { copyFrames, copyState, current, type History, type State } from './state.ts';
import type { Step } from './step.ts';
import type { Value } from './value.ts';

/** An instruction on the way to an error, and what it left in registers and stack. */
export interface TraceLine {
  readonly at: number;
  /** `r1=scalar fp-8=0`, empty where nothing changed. */
  readonly changes: string;
}

/** Longer ways are not gone again: what their instructions did isn't noted. */
const MOST_AGAIN = 200_000;

/**
 * Goes the way to a state once more, now noting what each instruction does: the last `limit` before `at`, oldest first.
 * Exploring itself keeps only where the way jumped.
 */
export function traceTo(session: Session, start: State, end: State, at: number, limit: number): readonly TraceLine[] {
  const jumps = jumpsOf(end.history);
  let slot = session.flow.functions[start.frames[0]!.function]!;
  const total = countSteps(session, jumps, slot, at);
  const again = total <= MOST_AGAIN;
  const state = copyState(start);
  const lines: TraceLine[] = [];
  let next = 0;
  for (let done = 0; done < total; done++) {
    const step = session.flow.steps[slot]!;
    const widened = jumps[next];
    if (widened?.frames && widened.from === slot) {
      state.frames = copyFrames(widened.frames);
      next++;
    }
    const jump = jumps[next]?.from === slot && !jumps[next]!.frames ? jumps[next++] : undefined;
    const noted = total - done <= limit;
    const before = noted && again ? snapshot(state) : undefined;
    if (again) follow(session, state, step, jump);
    if (noted) lines.push({ at: slot, changes: before ? changes(before, state) : '' });
    slot = jump ? jump.to : step.next;
  }
  return lines;
}

function jumpsOf(history: History | undefined): readonly History[] {
  const jumps: History[] = [];
  for (let each = history; each; each = each.before) jumps.push(each);
  return jumps.reverse();
}

/** Instructions on the way, without the one at `at`. */
function countSteps({ flow }: Session, jumps: readonly History[], start: number, at: number): number {
  let count = 0;
  let first = start;
  const countBlock = (last: number): void => {
    for (let slot = first; slot <= last; slot++) if (flow.steps[slot]) count++;
  };
  for (const { from, to, frames } of jumps) {
    if (frames) continue;
    countBlock(from);
    first = to;
  }
  countBlock(at - 1);
  return count;
}

function follow(session: Session, state: State, step: Step, jump: History | undefined): void {
  if (step.kind !== 'branch') {
    execute(session, state, step);
    const { fork } = session;
    session.fork = undefined;
    if (jump && fork?.to === jump.to) Object.assign(state, fork.state);
    return;
  }
  const { taken, next } = branch(state, step, session.context.profile !== 'isa');
  const side = jump ? taken : next;
  if (side) Object.assign(state, side);
}

interface Snapshot {
  readonly depth: number;
  readonly registers: readonly Value[];
  readonly stack: readonly (Slot | undefined)[];
}

function snapshot(state: State): Snapshot {
  const { registers, stack } = current(state);
  return { depth: state.frames.length, registers: registers.slice(), stack: stack.slice() };
}

function changes(before: Snapshot, state: State): string {
  const { registers, stack } = current(state);
  const same = before.depth === state.frames.length;
  const parts: string[] = [];
  registers.forEach((value, r) => {
    const changed = same ? value !== before.registers[r] : value.kind !== 'uninitialised';
    if (changed) parts.push(`r${r}=${showValue(value)}`);
  });
  stack.forEach((slot, index) => {
    if (same && slot && slot !== before.stack[index]) parts.push(`fp-${8 * (index + 1)}=${showSlot(slot)}`);
  });
  return parts.join(' ');
}
