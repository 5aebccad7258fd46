import { readClock } from '../libc.ts';
import { createMerger, type Merger, MOST } from './merger.ts';
import { CONTROL, type OutboxMemory, openOutboxWriter } from './outbox.ts';
import { type RingMapping, viewRing } from './ring.ts';

/** How long a program may run from taking its record's time until the record is in its ring: younger ones wait for others. */
const SLACK_NS = 2_000_000;

/** What drains ring buffers into an outbox, in whichever thread. */
export interface DrainTask {
  readonly rings: readonly RingMapping[];
  readonly timeAt: number;
  readonly outbox: OutboxMemory;
}

export interface Drainer {
  /** Moves what has arrived; whether more is there at once. */
  step(): boolean;
}

export function createDrainer({ rings, timeAt, outbox }: DrainTask): Drainer {
  const state = new Int32Array(outbox.control);
  const origin = Number(readClock('CLOCK_BOOTTIME') >> 32n);
  const since = BigInt(origin) << 32n;
  const merger = createMerger(rings.map(viewRing), timeAt, origin, openOutboxWriter(outbox));
  let wanted: Wanted | undefined;
  return {
    step() {
      const asked = Atomics.load(state, CONTROL.asked);
      if (asked !== Atomics.load(state, CONTROL.met) && wanted?.request !== asked)
        wanted = { request: asked, positions: merger.produced() };
      const now = Number(readClock('CLOCK_BOOTTIME') - since);
      const moved = merger.step(wanted ? Number.POSITIVE_INFINITY : now - SLACK_NS);
      if (wanted && merger.passed(wanted.positions)) {
        Atomics.store(state, CONTROL.met, wanted.request);
        wanted = undefined;
      }
      return moved >= MOST / 2;
    },
  };
}

/** A request to hand over everything that was there at that time. */
interface Wanted {
  readonly request: number;
  readonly positions: ReturnType<Merger['produced']>;
}
