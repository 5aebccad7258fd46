import type { Checkpoint } from './checkpoint.ts';
import { scalarContains, UNKNOWN } from './scalar.ts';
import { bytesOnly, isNumbers, type Slot } from './stack.ts';
import { copyFrames, type State } from './state.ts';
import type { Value } from './value.ts';

/** States that are remembered between two rounds of a loop, at most; further back no round is looked for. */
const MOST_BETWEEN = 256;

/** A register or stack slot of a frame: 100 a frame, registers from 0, slots from 10. */
type Place = number;
const FRAME = 100;
const SLOTS = 10;

/** Places whose numbers changed from round to round, by the slot at which rounds begin. */
export type Changing = Map<number, Set<Place>>;

/**
 * Forgets the numbers that rounds of a loop change, so that its rounds become alike (widen_imprecise_scalars of
 * kernel/bpf/verifier.c); false where nothing was forgotten, and before its second round.
 */
export function widen(state: State, at: number, loop: number, changing: Changing): boolean {
  const last = lastRound(state, at, loop);
  if (!last || last.frames.length !== state.frames.length) return false;
  const places = changing.get(at) ?? new Set();
  changing.set(at, places);
  noteChanges(state, last, places);
  let changed = false;
  for (const place of places) {
    const { registers, stack } = state.frames[Math.floor(place / FRAME)] ?? {};
    const index = (place % FRAME) - SLOTS;
    if (!registers || !stack) continue;
    if (index < 0) {
      const value = registers[place % FRAME]!;
      if (value.kind !== 'scalar' || value === UNKNOWN) continue;
      registers[place % FRAME] = UNKNOWN;
      changed = true;
      continue;
    }
    const slot = stack[index];
    if (!slot || !isNumbers(slot) || (slot.spill === undefined && slot.zero === 0)) continue;
    stack[index] = bytesOnly(slot);
    changed = true;
  }
  if (changed) state.history = { from: at, to: at, before: state.history, frames: copyFrames(state.frames) };
  return changed;
}

/** The newest state on the way here in which the same loop began a round at the slot. */
function lastRound(state: State, at: number, loop: number): Checkpoint | undefined {
  let left = MOST_BETWEEN;
  for (let each = state.checkpoint; each && left > 0; each = each.before, left--) {
    if (each.at === at && each.loop === loop) return each;
  }
  return undefined;
}

function noteChanges(state: State, { frames }: Checkpoint, places: Set<Place>): void {
  state.frames.forEach(({ registers, stack }, depth) => {
    const old = frames[depth]!;
    for (let r = 0; r < SLOTS; r++) {
      if (isChanged(old.registers[r], registers[r])) places.add(FRAME * depth + r);
    }
    stack.forEach((slot, index) => {
      const before = old.stack[index];
      if (before && slot && isNumbers(before) && isNumbers(slot) && isOther(before, slot)) {
        places.add(FRAME * depth + SLOTS + index);
      }
    });
  });
}

const isOther = (old: Slot, now: Slot): boolean =>
  old.size !== now.size || (old.zero & ~now.zero) !== 0 || (old.spill !== undefined && isChanged(old.spill, now.spill));

const isChanged = (old: Value | undefined, now: Value | undefined): boolean =>
  old?.kind === 'scalar' && now?.kind === 'scalar' && !scalarContains(old, now);
