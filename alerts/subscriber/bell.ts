import { setTimeout as delay } from 'node:timers/promises';

/** Ends somebody's wait. */
export interface Bell {
  ring(): void;
  /** Waits until it rings, at most so many milliseconds. */
  wait(ms: number): Promise<void>;
}

/** A bell for one who waits at a time; it is not heard by those who come later. */
export const createBell = (): Bell => {
  let timer = new AbortController();
  return {
    ring: () => timer.abort(),
    async wait(ms) {
      timer = new AbortController();
      await delay(ms, undefined, { signal: timer.signal }).catch(() => undefined);
    },
  };
};
