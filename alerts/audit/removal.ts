import type { Disk } from './disk.ts';
import { headerOf, type LineHeader } from './line.ts';
import type { ClosedSegment, RemovalReason } from './retention.ts';

const NEWLINE = 0x0a;
const PIECE_BYTES = 1 << 20;

/** What the last line of a segment says; undefined where it has none. */
export const lastHeaderOf = (disk: Disk, name: string, bytes: number): LineHeader | undefined => {
  for (let length = 4_096; ; length *= 16) {
    const from = Math.max(0, bytes - length);
    const end = disk.read(name, from, bytes);
    const before = end.subarray(0, -1).lastIndexOf(NEWLINE);
    if (before >= 0 || from === 0) return headerOf(end.subarray(before + 1));
  }
};

/** Counts the alerts of a segment behind an entry, a piece at a time so that others come between. */
const alertsAfter = async (disk: Disk, { name, bytes }: ClosedSegment, seq: number): Promise<number> => {
  let alerts = 0;
  let start = 0;
  while (start < bytes) {
    const piece = disk.read(name, start, start + PIECE_BYTES);
    if (piece.length === 0) break;
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, from)) {
      const header = headerOf(piece.subarray(from, end));
      if (header !== undefined && header.seq > seq && header.kind === 'alert') alerts++;
      from = end + 1;
    }
    start += from === 0 ? piece.length : from;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return alerts;
};

/** What is said of a segment that goes. */
export interface RemovalRecord {
  readonly reason: RemovalReason;
  /** Its file's name. */
  readonly segment: string;
  /** Its first and last entry. */
  readonly from: number;
  readonly to: number;
  readonly entries: number;
  readonly bytes: number;
  /** When these entries were made; null where that can't be read. */
  readonly first: string | null;
  readonly last: string | null;
  /** Alerts that no server has acknowledged; left out where nobody publishes. */
  readonly unacknowledged?: number;
}

export const removalRecord = async (
  disk: Disk,
  segment: ClosedSegment,
  reason: RemovalReason,
  acknowledged: number | undefined,
): Promise<RemovalRecord> => {
  const { name, firstSeq, lastSeq, bytes } = segment;
  return {
    reason,
    segment: name,
    from: firstSeq,
    to: lastSeq,
    entries: lastSeq - firstSeq + 1,
    bytes,
    first: headerOf(disk.read(name, 0, 4_096))?.time ?? null,
    last: lastHeaderOf(disk, name, bytes)?.time ?? null,
    ...(acknowledged !== undefined && {
      unacknowledged: acknowledged >= lastSeq ? 0 : await alertsAfter(disk, segment, acknowledged),
    }),
  };
};
