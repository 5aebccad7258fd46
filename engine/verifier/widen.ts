import type { Checkpoint } from './checkpoint.ts';
import { scalarContains, UNKNOWN, zeroExtend } from './scalar.ts';
import type { Slot } from './stack.ts';
import { copyFrames, type State } from './state.ts';
import type { Value } from './value.ts';

/** Rounds of a loop that are looked at one by one before numbers that change from round to round are forgotten. */
const ROUNDS = 2;

/**
 * Forgets the numbers that the last round of a loop changed, so that its rounds become alike (widen_imprecise_scalars of
 * kernel/bpf/verifier.c); false where nothing was forgotten.
 */
export function widen(state: State, at: number, loop: number): boolean {
  let last: Checkpoint | undefined;
  let rounds = 0;
  for (let each = state.checkpoint; each && rounds < ROUNDS; each = each.before) {
    if (each.at !== at || each.loop !== loop) continue;
    last ??= each;
    rounds++;
  }
  if (!last || rounds < ROUNDS || last.frames.length !== state.frames.length) return false;
  let changed = false;
  state.frames.forEach(({ registers, stack }, depth) => {
    const old = last.frames[depth]!;
    for (let r = 0; r < 10; r++) {
      const widened = widenValue(old.registers[r]!, registers[r]!);
      if (!widened) continue;
      registers[r] = widened;
      changed = true;
    }
    stack.forEach((slot, index) => {
      const widened = slot && widenSlot(old.stack[index], slot);
      if (!widened) return;
      stack[index] = widened;
      changed = true;
    });
  });
  if (changed) state.history = { from: at, to: at, before: state.history, frames: copyFrames(state.frames) };
  return changed;
}

function widenValue(old: Value, now: Value): Value | undefined {
  if (old.kind !== 'scalar' || now.kind !== 'scalar' || scalarContains(old, now)) return undefined;
  return now === UNKNOWN ? undefined : UNKNOWN;
}

function widenSlot(old: Slot | undefined, now: Slot): Slot | undefined {
  if (!now.spill || !old?.spill || old.size !== now.size) return undefined;
  const spill = widenValue(old.spill, now.spill);
  return spill?.kind === 'scalar' ? { ...now, spill: zeroExtend(spill, 8 * now.size) } : undefined;
}
