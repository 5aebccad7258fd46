import type { OutboxWriter } from './outbox.ts';
import { BUSY, DISCARD, HEADER_BYTES, placeIn, type RingPages, recordBytes } from './ring.ts';

/** Records of one ring that were looked at and not passed on: as many at most, the others stay in the ring unseen. */
export const MOST = 1 << 16;
const HIGH = 2 ** 32;
const TIME_BYTES = 8;
/** How many bytes are copied at once where records follow each other in time as they do in the ring. */
const RUN_BYTES = 1 << 16;

/** Passes records of several ring buffers on in the order of their times. */
export interface Merger {
  /**
   * Passes on what there is with a time up to `horizon`, as far as there is room; gives how many records. What was passed on is
   * free for the kernel again. Times count nanoseconds from `origin` on.
   */
  step(horizon: number): number;
  /** Up to where each ring has been written. */
  produced(): readonly number[];
  /** Whether everything in front of those positions was passed on. */
  passed(positions: readonly number[]): boolean;
}

/** A ring's records in the order of time, from `first` up to `end`: times, positions, and lengths with the header. */
interface Waiting {
  readonly ring: RingPages;
  readonly times: Float64Array;
  readonly positions: Float64Array;
  readonly lengths: Uint32Array;
  first: number;
  end: number;
  /** Up to where records were looked at, and up to where they were given back. */
  seen: number;
  released: number;
}

const waitingOf = (ring: RingPages): Waiting => ({
  ring,
  times: new Float64Array(2 * MOST),
  positions: new Float64Array(2 * MOST),
  lengths: new Uint32Array(2 * MOST),
  first: 0,
  end: 0,
  seen: ring.consumed(),
  released: ring.consumed(),
});

/**
 * Records lie in a ring in the order in which room was reserved for them, a little beside the order of their times: programs on two
 * CPUs overlap. A record that another depends on is older, and was in its ring before the other's program began; hence all that is
 * older than a moment is there once every program that ran then has ended, and passing it on in the order of time keeps causes in
 * front of effects across rings too.
 * @param timeAt where in a record its time is, a u64; a multiple of 8. A shorter record has the time of the one in front of it.
 * @param origin from when on times are counted, in units of 2^32 nanoseconds since boot: differences stay exact.
 */
export function createMerger(rings: readonly RingPages[], timeAt: number, origin: number, out: OutboxWriter): Merger {
  const lists = rings.map(waitingOf);
  return {
    step(horizon) {
      for (const list of lists) look(list, timeAt, origin);
      const passed = passOn(lists, horizon, out);
      if (passed > 0) out.publish();
      for (const list of lists) release(list);
      return passed;
    },
    produced: () => rings.map((ring) => ring.produced()),
    passed: (positions) => lists.every(({ released }, index) => released >= (positions[index] ?? 0)),
  };
}

/** Takes in what was finished since, each record in its place in time; most come at the end. */
function look(list: Waiting, timeAt: number, origin: number): void {
  compact(list);
  const { ring, times, positions, lengths, first } = list;
  const { words, size } = ring;
  const produced = ring.produced();
  const limit = first + MOST;
  let { end, seen } = list;
  while (seen < produced && end < limit) {
    const word = ring.header(seen);
    if (word >= BUSY) break;
    const length = word & (DISCARD - 1);
    const total = recordBytes(length);
    if ((word & DISCARD) === 0) {
      const at = (placeIn(seen, size) + HEADER_BYTES + timeAt) >>> 2;
      let time = end > 0 ? (times[end - 1] as number) : 0;
      if (length >= timeAt + TIME_BYTES) time = ((words[at + 1] as number) - origin) * HIGH + (words[at] as number);
      let i = end;
      for (; i > first && (times[i - 1] as number) > time; i--) {
        times[i] = times[i - 1] as number;
        positions[i] = positions[i - 1] as number;
        lengths[i] = lengths[i - 1] as number;
      }
      times[i] = time;
      positions[i] = seen;
      lengths[i] = total;
      end++;
    }
    seen += total;
  }
  list.end = end;
  list.seen = seen;
}

function compact(list: Waiting): void {
  const { times, positions, lengths, first, end } = list;
  if (first < end && first < MOST) return;
  for (const array of [times, positions, lengths]) array.copyWithin(0, first, end);
  list.end = end - first;
  list.first = 0;
}

/** The time of a list's first record; later than any where it has none. */
const firstTime = ({ times, first, end }: Waiting): number =>
  first === end ? Number.POSITIVE_INFINITY : (times[first] as number);

/** Copies in runs: records of one ring that follow each other there too, and are older than what other rings have. */
function passOn(lists: readonly Waiting[], horizon: number, out: OutboxWriter): number {
  const runBytes = Math.min(RUN_BYTES, out.most / 2);
  let passed = 0;
  for (;;) {
    let list: Waiting | undefined;
    let [time, next] = [Number.POSITIVE_INFINITY, horizon];
    for (const one of lists) {
      const its = firstTime(one);
      if (one.first !== one.end && (list === undefined || its < time)) {
        if (time < next) next = time;
        [list, time] = [one, its];
      } else if (its < next) next = its;
    }
    if (list === undefined || time > horizon) return passed;
    const { ring, times, positions, lengths, first, end } = list;
    const start = positions[first] as number;
    let bytes = lengths[first] as number;
    let behind = first + 1;
    while (behind < end && bytes < runBytes && positions[behind] === start + bytes && (times[behind] as number) <= next)
      bytes += lengths[behind++] as number;
    if (bytes > out.most)
      throw new Error(`a record of ${bytes} bytes is larger than what the threads share; ${out.most} fit`);
    if (!out.write(ring.data, ring.words, placeIn(start, ring.size), bytes)) return passed;
    list.first = behind;
    passed += behind - first;
  }
}

/** Gives the ring back up to its first record that was not passed on. */
function release(list: Waiting): void {
  let free = list.seen;
  for (let i = list.first; i < list.end; i++) free = Math.min(free, list.positions[i] as number);
  if (free === list.released) return;
  list.released = free;
  list.ring.release(free);
}
