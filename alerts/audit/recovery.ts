import { join } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';
import { type AuditEntry, headerOf, type LineHeader, millisecondsOf } from './line.ts';
import { decodeMark, MARK_FILE, type Mark } from './mark.ts';
import { lastHeaderOf } from './removal.ts';
import { RESERVE_FILE } from './reserve.ts';
import type { ClosedSegment } from './retention.ts';
import { checkSegment, describeProblem, type LineProblem, type Segment, segmentOf, segmentsOf } from './segment.ts';
import type { OpenSegment } from './writer.ts';

/** A log as it was found, put right where a crash left it. */
export interface RecoveredLog {
  readonly open: OpenSegment;
  readonly file: DiskFile;
  readonly mark: DiskFile;
  readonly closed: readonly ClosedSegment[];
  /** What a crash left behind the last whole line, and how many bytes were cut off. */
  readonly torn?: LineProblem & { readonly bytes: number };
  /** Entries that had been committed and are not there any more. */
  readonly missing: number;
  /** Segments whose removal is recorded, and which are still there. */
  readonly removed: readonly string[];
}

const NEWLINE = new Uint8Array([0x0a]);
const OTHERS = 0o077;

/** Names what is in the folder and can't be this log's, or is open to others. @throws Error where a file of the log is none */
const checkFolder = async (disk: Disk, names: readonly string[], warn: (sentence: string) => void): Promise<void> => {
  const { folder } = disk;
  const segments = segmentsOf(folder, names).map(({ name }) => name);
  for (const name of names)
    if (name.endsWith('.jsonl') && !segments.includes(name))
      warn(`${join(folder, name)} is no segment of the audit log: it is left alone; move it away`);
  const uid = process.getuid?.();
  const ours = [...segments, ...[MARK_FILE, RESERVE_FILE].filter((name) => names.includes(name))];
  for (const name of ['.', ...ours]) {
    const { kind, mode, uid: owner } = await disk.facts(name);
    const path = join(folder, name);
    if (name !== '.' && kind !== 'file')
      throw new Error(`${path} is a ${kind}, but has the name of a file of the audit log; move it away`);
    if (kind !== 'symbolic link' && (mode & OTHERS) !== 0)
      warn(
        `${path} is open to other users (mode ${mode.toString(8)}); chmod ${name === '.' ? '700' : '600'} makes it the agent's alone`,
      );
    if (uid !== undefined && owner !== uid)
      warn(`${path} belongs to user ${owner}, and the agent is user ${uid}: who owns it can change it; chown ${uid}`);
  }
};

const timeOf = (header: LineHeader | undefined): number | undefined => header && millisecondsOf(header.time);

const closedOf = async (
  disk: Disk,
  segment: Segment,
  next: Segment,
  warn: (sentence: string) => void,
): Promise<ClosedSegment> => {
  const { bytes } = await disk.facts(segment.name);
  const last = lastHeaderOf(disk, segment.name, bytes);
  if (last?.seq !== next.firstSeq - 1)
    warn(
      `${next.path} begins with entry ${next.firstSeq}, but the segment before it ends with ${last === undefined ? 'no entry' : `entry ${last.seq}`}: a segment is missing, damaged or another log's; put the right one there`,
    );
  return { ...segment, bytes, lastSeq: next.firstSeq - 1, newest: timeOf(last) };
};

/** The host that an entry says it is of. */
const hostOf = ({ kind, body }: AuditEntry): string | undefined => {
  if ((kind !== 'start' && kind !== 'alert') || typeof body !== 'object' || body === null) return undefined;
  const { host } = body as { readonly host?: unknown };
  return typeof host === 'string' ? host : undefined;
};

/** The segment whose removal an entry records. */
const removedBy = ({ kind, body }: AuditEntry): string | undefined => {
  if (kind !== 'shed' || typeof body !== 'object' || body === null) return undefined;
  const { segment } = body as { readonly segment?: unknown };
  return typeof segment === 'string' ? segment : undefined;
};

/** How much of a segment a mark says was committed. */
const committedBytes = ({ segment, bytes }: Mark, { firstSeq }: Segment): number =>
  segment === firstSeq ? bytes : segment > firstSeq ? Number.POSITIVE_INFINITY : 0;

/** Finds a log's end and repairs it. @throws Error where the log is damaged before its end, or another host's */
export const recover = async (disk: Disk, host: string, warn: (sentence: string) => void): Promise<RecoveredLog> => {
  const names = disk.names();
  await checkFolder(disk, names, warn);
  const known = names.includes(MARK_FILE) ? decodeMark(disk.read(MARK_FILE)) : undefined;
  const segments = segmentsOf(disk.folder, names);
  const last = segments.at(-1);
  const segment = last ?? segmentOf(disk.folder, 1);
  const content = last === undefined ? new Uint8Array(0) : disk.read(segment.name);
  let its: string | undefined;
  let lastTime: string | undefined;
  const removed: string[] = [];
  const tail = checkSegment(content, segment, known && committedBytes(known, segment), (entry) => {
    its = hostOf(entry) ?? its;
    lastTime = entry.time;
    const name = removedBy(entry);
    if (name !== undefined) removed.push(name);
  });
  if (its !== undefined && its !== host)
    throw new Error(
      `${segment.path} is the log of the host "${its}", and this agent is "${host}"; give it a folder of its own, or that host's name`,
    );
  const closed: ClosedSegment[] = [];
  for (const [index, each] of segments.entries())
    if (each !== last) closed.push(await closedOf(disk, each, segments[index + 1]!, warn));
  const file = await disk.open(segment.name);
  if (tail.goodBytes < content.length) {
    await file.truncate(tail.goodBytes);
    await file.sync();
  }
  let bytes = tail.goodBytes;
  if (tail.lacksNewline) {
    await file.write(NEWLINE, bytes);
    await file.sync();
    bytes += NEWLINE.length;
  }
  const { lastSeq, torn } = tail;
  return {
    open: {
      ...segment,
      lastSeq,
      bytes,
      oldest: timeOf(headerOf(content)),
      newest: lastTime === undefined ? undefined : millisecondsOf(lastTime),
    },
    file,
    mark: await disk.open(MARK_FILE),
    closed,
    ...(torn && { torn: { ...torn, bytes: content.length - tail.goodBytes } }),
    missing: Math.max(0, (known?.seq ?? 0) - lastSeq),
    removed: removed.filter((name) => closed.some((each) => each.name === name)),
  };
};

/** What was found wrong at a log's end, in sentences. */
export const repairs = ({ open, torn, missing }: RecoveredLog): readonly string[] => [
  ...(torn === undefined
    ? []
    : [`${describeProblem(torn)}; cut ${torn.bytes} bytes that a crash left after entry ${open.lastSeq}`]),
  ...(missing === 0
    ? []
    : [
        `${open.path} ends with entry ${open.lastSeq}, but entry ${open.lastSeq + missing} had been committed: the disk has not kept what it said it had, or somebody cut the log`,
      ]),
];
