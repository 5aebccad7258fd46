/** How long an event waits for facts of its container, and how many events may at once. */
export interface WaitLimits {
  /** Milliseconds; default 2000. */
  readonly time?: number;
  /** Default 1000; events beyond it don't wait. */
  readonly events?: number;
}

const TIME = 2000;
const EVENTS = 1000;

/**
 * Raises an event, or drops it: false where it wants to wait for what isn't known yet. Where it is `final`, it doesn't.
 * Called until it is true; does not throw.
 */
export type Attempt = (final: boolean) => boolean;

/** Events that wait for facts of their containers, in order of their coming for each container. */
export interface Waiting {
  /** Whether events of this container wait, so that the next must, too. */
  holds(container: string): boolean;
  /** Waits; at once final where too many do. */
  add(container: string, attempt: Attempt): void;
  /** Tries again those that may be ready: when facts have come. */
  check(): void;
  /** Ends when nothing waits any longer: after the time limit at the latest, at once where `signal` is aborted. */
  settle(signal: AbortSignal): Promise<void>;
  /** How many events wait. */
  readonly size: number;
}

interface Entry {
  readonly attempt: Attempt;
  /** Milliseconds of performance.now(). */
  readonly deadline: number;
}

/** Nothing waits at first. */
export const createWaiting = ({ time = TIME, events = EVENTS }: WaitLimits = {}): Waiting => {
  const queues = new Map<string, Entry[]>();
  let size = 0;
  let timer: NodeJS.Timeout | undefined;
  let emptied: (() => void) | undefined;

  /** The oldest come first, and what follows is ready with them; nobody is let past. */
  const release = (isFinal: (entry: Entry) => boolean): void => {
    for (const [container, queue] of queues) {
      let first = queue[0];
      while (first?.attempt(isFinal(first)) === true) {
        queue.shift();
        size--;
        [first] = queue;
      }
      if (first === undefined) queues.delete(container);
    }
  };
  const arm = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const next = Math.min(...[...queues.values()].map(([first]) => first?.deadline ?? Number.POSITIVE_INFINITY));
    if (Number.isFinite(next)) timer = setTimeout(check, Math.max(0, next - performance.now()));
    else emptied?.();
  };
  const check = (): void => {
    const now = performance.now();
    release(({ deadline }) => deadline <= now);
    arm();
  };
  return {
    holds: (container) => queues.has(container),
    add: (container, attempt) => {
      if (size >= events) {
        attempt(true);
        return;
      }
      const entry = { attempt, deadline: performance.now() + time };
      const queue = queues.get(container);
      if (queue === undefined) queues.set(container, [entry]);
      else queue.push(entry);
      size++;
      if (timer === undefined) arm();
    },
    check,
    settle: async (signal) => {
      if (size > 0 && !signal.aborted) {
        await new Promise<void>((resolve) => {
          emptied = resolve;
          arm();
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
        emptied = undefined;
      }
      clearTimeout(timer);
      timer = undefined;
      release(() => true);
    },
    get size() {
      return size;
    },
  };
};
