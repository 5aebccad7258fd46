import type { HostState } from './arrivals.ts';
import { type Checkpoint, type Position, withCheckpoint } from './position.ts';

/** What handing something over changes of a position. */
export interface Advance {
  /** Which reading of the stream its numbers are of. */
  readonly generation: number;
  /** All messages up to this one are done with. */
  readonly sequence?: number;
  readonly checkpoint?: Checkpoint;
  readonly host?: readonly [name: string, state: HostState];
}

/** How far has been handed over. */
export interface Ledger {
  readonly position: Position;
  apply(advance: Advance): void;
  /** The stream is another one from here on: its numbers count from the checkpoint, or from its beginning. @returns the new generation */
  rewind(checkpoint: Checkpoint | undefined): number;
}

export const createLedger = (start: Position | undefined): Ledger => {
  let { sequence, checkpoints } = start ?? { sequence: 0, checkpoints: [] as readonly Checkpoint[] };
  const hosts = new Map<string, HostState>(Object.entries(start?.hosts ?? {}));
  let generation = 0;
  return {
    get position(): Position {
      return { v: 1, sequence, checkpoints, hosts: Object.fromEntries(hosts) };
    },
    apply(advance) {
      if (advance.host !== undefined) hosts.set(...advance.host);
      if (advance.generation !== generation) return;
      if (advance.sequence !== undefined) sequence = Math.max(sequence, advance.sequence);
      if (advance.checkpoint !== undefined && advance.checkpoint[0] > (checkpoints.at(-1)?.[0] ?? 0))
        checkpoints = withCheckpoint(checkpoints, advance.checkpoint);
    },
    rewind(checkpoint) {
      checkpoints = checkpoint === undefined ? [] : checkpoints.filter(([at]) => at <= checkpoint[0]);
      sequence = checkpoint?.[0] ?? 0;
      return ++generation;
    },
  };
};
