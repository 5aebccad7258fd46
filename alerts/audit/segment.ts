import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type AuditEntry, decodeLine } from './line.ts';
import { isMissing } from './remedy.ts';

const NAME = /^audit-(\d{6,16})\.jsonl$/;
const NEWLINE = 0x0a;

/** A file of the audit log; its name holds the sequence number of its first entry. */
export interface Segment {
  readonly name: string;
  readonly path: string;
  readonly firstSeq: number;
}

/** The segment of a folder that begins with `firstSeq`: `audit-000001.jsonl`. */
export const segmentOf = (folder: string, firstSeq: number): Segment => {
  const name = `audit-${String(firstSeq).padStart(6, '0')}.jsonl`;
  return { name, path: join(folder, name), firstSeq };
};

/** The segments among a folder's files, oldest first. */
export const segmentsOf = (folder: string, names: readonly string[]): readonly Segment[] =>
  names
    .flatMap((name) => {
      const digits = NAME.exec(name)?.[1];
      return digits === undefined ? [] : [{ name, path: join(folder, name), firstSeq: Number(digits) }];
    })
    .sort((a, b) => a.firstSeq - b.firstSeq);

/** A folder's segments, oldest first. */
export const listSegments = (folder: string): readonly Segment[] => segmentsOf(folder, readdirSync(folder));

/** Those that hold entries from `from` on. */
export const segmentsFrom = (segments: readonly Segment[], from: number): readonly Segment[] =>
  segments.filter((_, index) => (segments[index + 1]?.firstSeq ?? Number.POSITIVE_INFINITY) > from);

/** Bytes of segments; those that went meanwhile count for nothing. */
export const segmentBytes = (segments: readonly Segment[]): number =>
  segments.reduce((sum, { path }) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);

/** Whether an error means that a segment went because it was among the oldest, and not because somebody took it. */
export const wasRemoved = (error: unknown, folder: string, firstSeq: number): boolean =>
  isMissing(error) && (listSegments(folder)[0]?.firstSeq ?? 0) > firstSeq;

/** What is wrong in a segment, and where; line from 1, byte from the line's start. */
export interface LineProblem {
  readonly path: string;
  readonly line: number;
  readonly byte: number;
  readonly problem: string;
}

/** `audit-000001.jsonl:7: byte 0: ...`. */
export const describeProblem = ({ path, line, byte, problem }: LineProblem): string =>
  `${path}:${line}: byte ${byte}: ${problem}`;

/** Whether an entry is the one that comes next, and if not, what is wrong. */
export const checkSequence = (entry: AuditEntry, seq: number, path: string, line: number): LineProblem | undefined =>
  entry.seq === seq
    ? undefined
    : { path, line, byte: '{"v":1,"seq":'.length, problem: `expected entry ${seq}, found entry ${entry.seq}` };

/** Bytes that are written between two commits at most: nothing before them can be torn by a crash. */
export const BATCH_BYTES = 1 << 20;

/** The end of a segment, as it was found. */
export interface SegmentTail {
  /** Sequence number of the last good entry; `firstSeq - 1` where there is none. */
  readonly lastSeq: number;
  /** Bytes up to the end of the last good line, with its newline where it has one. */
  readonly goodBytes: number;
  /** The last good line lost only its newline. */
  readonly lacksNewline: boolean;
  /** What stands after the last good line: a line that was torn in a crash. */
  readonly torn?: LineProblem;
}

/**
 * Checks a whole segment. What a crash can leave is cut off from the first line that is not whole on, whole lines behind it too, since a disk may write the
 * end of a batch first. Fails where such a line is followed by a whole one and was on disk for certain (`committed` bytes; not known: all but a batch).
 * @param onEntry takes each good entry, in order
 */
export const checkSegment = (
  bytes: Uint8Array,
  { path, firstSeq }: Segment,
  committed: number | undefined,
  onEntry?: (entry: AuditEntry) => void,
): SegmentTail => {
  const certain = committed ?? bytes.length - BATCH_BYTES;
  let lastSeq = firstSeq - 1;
  let goodBytes = 0;
  let lacksNewline = false;
  let torn: LineProblem | undefined;
  let line = 0;
  for (let start = 0; start < bytes.length; ) {
    line++;
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    const decoded = decodeLine(bytes.subarray(start, end));
    start = newline < 0 ? bytes.length : newline + 1;
    if (!decoded.ok) {
      torn ??= { path, line, byte: decoded.byte, problem: decoded.problem };
      continue;
    }
    const wrong = torn ?? checkSequence(decoded.entry, lastSeq + 1, path, line);
    if (wrong !== undefined && goodBytes < certain) throw new Error(describeProblem(wrong));
    if (wrong !== undefined) {
      torn = wrong;
      break;
    }
    lastSeq = decoded.entry.seq;
    onEntry?.(decoded.entry);
    goodBytes = start;
    lacksNewline = newline < 0;
  }
  return { lastSeq, goodBytes, lacksNewline, ...(torn === undefined ? {} : { torn }) };
};
