import { type Compiled, countedRules, lastInWindow, MAX_WINDOWS, WINDOW_MAPS, windowLife } from '../rules/index.ts';
import type { KernelMap } from '../sensors/index.ts';
import { FIRST, mapOf } from './load.ts';

/** Keeps room in the map where programs count matches. */
export interface WindowSweep {
  /** Looks now and then; `now` is in nanoseconds since boot. */
  check(now: bigint): void;
}

/** Looks that are left out between two. */
const PAUSE = 10;
/** Windows at which those that are over are taken away. */
const MANY = MAX_WINDOWS / 2;

const NOTHING: WindowSweep = { check: () => undefined };

/**
 * Takes windows away whose time is over. A program may be at one just then, so that they are first told to leave the windows alone and to hand
 * every match over; by the next look, a second later, they have done so.
 */
export const createWindowSweep = (compiled: Compiled, maps: ReadonlyMap<string, KernelMap>): WindowSweep => {
  const life = countedRules(compiled.plan).reduce(
    (most, rule) => (windowLife(rule) > most ? windowLife(rule) : most),
    0n,
  );
  if (life === 0n) return NOTHING;
  const windows = mapOf(maps, WINDOW_MAPS.windows);
  let left = PAUSE;
  let paused = false;
  const sweep = (now: bigint): void => {
    for (const key of [...windows.keys()]) {
      const value = windows.lookup(key);
      if (value !== undefined && now - lastInWindow(value) > life) windows.delete(key);
    }
  };
  return {
    check: (now) => {
      if (paused) {
        sweep(now);
        pauseWindows(maps, false);
        paused = false;
        return;
      }
      left--;
      if (left > 0) return;
      left = PAUSE;
      paused = [...windows.keys()].length >= MANY;
      if (paused) pauseWindows(maps, true);
    },
  };
};

/** Lets programs leave the windows alone, or count again; where no rule is counted it does nothing. */
export const pauseWindows = (maps: ReadonlyMap<string, KernelMap>, pause: boolean): void => {
  const map = maps.get(WINDOW_MAPS.paused);
  const value = new Uint8Array(8);
  value[0] = pause ? 1 : 0;
  map?.update(FIRST, value);
};
