import type { State } from './state.ts';
import type { Step } from './step.ts';

/** The last slots that were executed on the way to `at`, which is the last of them; oldest first. */
export function lastSlots(
  state: State,
  at: number,
  steps: readonly (Step | undefined)[],
  limit: number,
): readonly number[] {
  const slots: number[] = [];
  let last = at;
  let history = state.history;
  for (;;) {
    const first = history?.to ?? 0;
    for (let slot = last; slot >= first && slots.length < limit; slot--) if (steps[slot]) slots.push(slot);
    if (!history || slots.length >= limit) return slots.reverse();
    last = history.from;
    history = history.before;
  }
}
