import { setTimeout as delay } from 'node:timers/promises';

export interface SilenceOptions {
  /** How often agents show their checkpoints, in milliseconds. */
  readonly intervalMs: number;
  /** So many intervals without a word are too many. */
  readonly silentAfter: number;
  /** Whether the server answers at once: what agents have said by then has arrived. */
  readonly probe: () => Promise<boolean>;
  /** Called once for a log that has been silent too long; it is not watched any more until it is heard again. */
  readonly onSilent: (origin: string, quietMs: number) => void;
}

/** Knows how long logs have said nothing, while they could have been heard. */
export interface SilenceWatch {
  /** A log was heard, and is to be heard again. */
  heard(origin: string): void;
  /** Nothing is expected of a log. */
  release(origin: string): void;
  close(): Promise<void>;
}

/** How often in an interval the server is asked whether it answers. */
const PROBES = 4;

/**
 * Counts a log's silence by a clock that never jumps, and only over stretches in which this process ran and its server answered: what was lost, suspended or
 * slow in between makes all logs' silence begin anew.
 */
export const createSilenceWatch = ({ intervalMs, silentAfter, probe, onSilent }: SilenceOptions): SilenceWatch => {
  const quiet = new Map<string, number>();
  const closing = new AbortController();

  const run = async (): Promise<void> => {
    let wasThere = false;
    let before = performance.now();
    while (!closing.signal.aborted) {
      const isThere = await probe();
      const now = performance.now();
      const passed = now - before;
      const isGapless = isThere && wasThere && passed < intervalMs;
      for (const [origin, ms] of quiet) {
        quiet.set(origin, isGapless ? ms + passed : 0);
        if (!isGapless || ms + passed <= silentAfter * intervalMs) continue;
        quiet.delete(origin);
        onSilent(origin, ms + passed);
      }
      [wasThere, before] = [isThere, now];
      await delay(intervalMs / PROBES, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  };
  const running = run();

  return {
    heard: (origin) => void quiet.set(origin, 0),
    release: (origin) => void quiet.delete(origin),
    async close() {
      closing.abort();
      await running;
    },
  };
};
