import type { Segment } from './segment.ts';

/** How much of a log is kept. */
export interface RetentionLimits {
  /** Bytes of all segments together. */
  readonly keepBytes: number;
  /** Milliseconds since its last entry after which a segment may go. */
  readonly keepMs: number;
  /** The same for a segment with entries that a server has yet to acknowledge. */
  readonly keepUnacknowledgedMs: number;
}

/** 1 GiB; 30 days; 120 days. */
export const DEFAULT_LIMITS: RetentionLimits = {
  keepBytes: 2 ** 30,
  keepMs: 30 * 24 * 3_600_000,
  keepUnacknowledgedMs: 120 * 24 * 3_600_000,
};

/** A segment that nothing is written to any more. */
export interface ClosedSegment extends Segment {
  readonly lastSeq: number;
  readonly bytes: number;
  /** When its last entry was made, in milliseconds since 1970, as the wall clock was then; undefined where that can't be read. */
  readonly newest: number | undefined;
}

/** Why a segment goes. */
export type RemovalReason = 'size' | 'age';

/** A segment that goes, and why. */
export interface Removal {
  readonly segment: ClosedSegment;
  readonly reason: RemovalReason;
}

/**
 * Since when each segment has been closed, going by the wall clock's times of a log in its order: a time in the future is none, one that is earlier than one
 * before it was set back, and what has no time is as old as what came after it.
 */
const closedSince = (closed: readonly ClosedSegment[], now: number): readonly number[] => {
  let latest = Number.NEGATIVE_INFINITY;
  const known = closed.map(({ newest }) => {
    if (newest === undefined || newest > now) return undefined;
    latest = Math.max(latest, newest);
    return latest;
  });
  let following = now;
  return known
    .toReversed()
    .map((time) => {
      following = time ?? following;
      return following;
    })
    .toReversed();
};

/** What keeps segments from going. */
export interface Held {
  /** The last entry that servers have all before of; undefined where nobody publishes. */
  readonly acknowledged?: number | undefined;
  /** The last entry that is signed; what comes behind it stays. Undefined where nobody signs. */
  readonly sealed?: number | undefined;
}

/**
 * The oldest segments that have to go, oldest first.
 * @param openBytes of the segment that is written to
 * @param now milliseconds since 1970
 */
export const dueForRemoval = (
  closed: readonly ClosedSegment[],
  openBytes: number,
  limits: RetentionLimits,
  now: number,
  { acknowledged, sealed }: Held = {},
): readonly Removal[] => {
  let bytes = closed.reduce((sum, segment) => sum + segment.bytes, openBytes);
  const since = closedSince(closed, now);
  const due: Removal[] = [];
  for (const [index, segment] of closed.entries()) {
    if (sealed !== undefined && segment.lastSeq > sealed) break;
    const age = now - since[index]!;
    const isAcknowledged = acknowledged === undefined || acknowledged >= segment.lastSeq;
    const isOver = bytes > limits.keepBytes;
    if (!isOver && age <= (isAcknowledged ? limits.keepMs : limits.keepUnacknowledgedMs)) break;
    due.push({ segment, reason: isOver ? 'size' : 'age' });
    bytes -= segment.bytes;
  }
  return due;
};
