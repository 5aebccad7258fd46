import { isoNow } from '../time.ts';
import { type Disk, type DiskFile, openDisk } from './disk.ts';
import { type AuditEntry, type AuditKind, createLineSpace, decodeLine, entryOf } from './line.ts';
import { decodeMark, encodeMark, MARK_FILE, type Mark } from './mark.ts';
import {
  BATCH_BYTES,
  checkSegment,
  describeProblem,
  type LineProblem,
  type Segment,
  segmentOf,
  segmentsOf,
} from './segment.ts';

const RETRY_MS = 1_000;
/** Lines are written into pieces of memory of this size. */
const SPACE_BYTES = 256 * 1024;
const NEWLINE = new Uint8Array([0x0a]);

export interface AuditLogOptions {
  /** Made with mode 0700 where it is missing; one agent a folder. Another disk than the file system's can be given. */
  readonly folder: string | Disk;
  readonly host: string;
  /** How long an entry may wait for others to share its fdatasync; default 2 ms. */
  readonly commitEveryMs?: number;
  /** A segment that is longer is followed by a new one; default 64 MiB. */
  readonly segmentBytes?: number;
  /** How many bytes may wait for a disk that refuses them before `append` fails; default 64 MiB. */
  readonly maxWaitingBytes?: number;
  /** Takes sentences about what was repaired and what the disk refuses. */
  readonly warn?: (sentence: string) => void;
}

/** An append-only log of one agent: in memory at once, on disk within a few milliseconds. */
export interface AuditLog {
  readonly folder: string;
  readonly host: string;
  /** The last entry there was when the log was opened; 0 for none. */
  readonly openedAt: number;
  /** The last entry appended. */
  readonly last: number;
  /** The last entry that is on disk for certain (fdatasync has returned). */
  readonly committed: number;
  /** The file that is being written. */
  readonly path: string;
  /** Queues an entry; the body may be made from its sequence number. Fails when the log is closed or its disk has refused too much. */
  append(kind: AuditKind, body: (seq: number) => unknown): { readonly seq: number };
  append(kind: AuditKind, body: unknown): { readonly seq: number };
  /** Calls `listener` with entries once they are committed, in order; returns how to stop. */
  onCommit(listener: (entries: readonly AuditEntry[]) => void): () => void;
  /** Waits until what was appended before is committed; fails when the disk refuses it. */
  flush(): Promise<void>;
  /** Commits what waits and releases the folder; fails when the disk refuses it. */
  close(): Promise<void>;
}

interface Waiting {
  readonly seq: number;
  /** The line; its newline is behind it in memory. */
  readonly bytes: Uint8Array;
  /** Left out where nobody listened when it was appended. */
  readonly entry: AuditEntry | undefined;
}

const committedEntry = ({ bytes, entry }: Waiting): AuditEntry => {
  if (entry !== undefined) return entry;
  const line = decodeLine(bytes);
  if (!line.ok) throw new Error(line.problem);
  return line.entry;
};

/** A segment open for writing, and how long it is with whole committed lines only. */
interface OpenSegment extends Segment {
  readonly file: DiskFile;
  bytes: number;
}

/** What an opened log is made of. */
interface FoundLog {
  readonly disk: Disk;
  readonly segment: OpenSegment;
  readonly mark: DiskFile;
  readonly lastSeq: number;
  /** What a crash left behind the last whole line, and how many bytes were cut off. */
  readonly torn?: LineProblem & { readonly bytes: number };
  /** Entries that had been committed and are not there any more. */
  readonly missing: number;
}

/** Opens an audit log, repairing a tail that a crash left; fails where the folder is in use or the log is corrupt before its end. */
export const openAuditLog = async (options: AuditLogOptions): Promise<AuditLog> => {
  const disk = typeof options.folder === 'string' ? openDisk(options.folder) : options.folder;
  const unlock = disk.lock();
  try {
    const found = await findLog(disk);
    const { torn, missing, lastSeq } = found;
    const log = createLog(options, found, unlock);
    if (torn !== undefined)
      options.warn?.(`${describeProblem(torn)}; cut ${torn.bytes} bytes that a crash left after entry ${lastSeq}`);
    if (missing > 0)
      options.warn?.(
        `${log.path} ends with entry ${lastSeq}, but entry ${lastSeq + missing} had been committed: the disk has not kept what it said it had, or somebody cut the log`,
      );
    if (torn !== undefined || missing > 0) {
      const { path } = log;
      log.append('loss', { path, ...torn, after: lastSeq, ...(missing > 0 && { missing }) });
      await log.flush();
    }
    return log;
  } catch (error) {
    unlock();
    throw error;
  }
};

const findLog = async (disk: Disk): Promise<FoundLog> => {
  const names = disk.names();
  const known = names.includes(MARK_FILE) ? decodeMark(disk.read(MARK_FILE)) : undefined;
  const last = segmentsOf(disk.folder, names).at(-1);
  const segment = last ?? segmentOf(disk.folder, 1);
  const content = last === undefined ? new Uint8Array(0) : disk.read(segment.name);
  const tail = checkSegment(content, segment, known && committedBytes(known, segment));
  const file = await disk.open(segment.name);
  if (tail.goodBytes < content.length) {
    await file.truncate(tail.goodBytes);
    await file.sync();
  }
  const open: OpenSegment = { ...segment, file, bytes: tail.goodBytes };
  if (tail.lacksNewline) await writeAll(open, NEWLINE);
  const { lastSeq, torn } = tail;
  return {
    disk,
    segment: open,
    mark: await disk.open(MARK_FILE),
    lastSeq,
    ...(torn && { torn: { ...torn, bytes: content.length - tail.goodBytes } }),
    missing: Math.max(0, (known?.seq ?? 0) - lastSeq),
  };
};

/** How much of a segment a mark says was committed. */
const committedBytes = ({ segment, bytes }: Mark, { firstSeq }: Segment): number =>
  segment === firstSeq ? bytes : segment > firstSeq ? Number.POSITIVE_INFINITY : 0;

const writeAll = async (segment: OpenSegment, bytes: Uint8Array): Promise<void> => {
  await segment.file.write(bytes, segment.bytes);
  await segment.file.sync();
  segment.bytes += bytes.length;
};

/** How many of those that wait are written together: as many as a batch holds, one at least. */
const batchOf = (waiting: readonly Waiting[]): number => {
  let bytes = 0;
  const over = waiting.findIndex((each) => {
    bytes += each.bytes.length + 1;
    return bytes > BATCH_BYTES;
  });
  return over < 0 ? waiting.length : Math.max(1, over);
};

/** The lines with their newlines in one piece; most follow one another in memory already. */
const joined = (batch: readonly Waiting[]): Uint8Array => {
  const [first] = batch;
  let end = first?.bytes.byteOffset ?? 0;
  const isOnePiece = batch.every(({ bytes }) => {
    const follows = bytes.buffer === first?.bytes.buffer && bytes.byteOffset === end;
    end = bytes.byteOffset + bytes.length + 1;
    return follows;
  });
  if (first === undefined || !isOnePiece) return Buffer.concat(batch.flatMap(({ bytes }) => [bytes, NEWLINE]));
  const from = first.bytes.byteOffset;
  return new Uint8Array(first.bytes.buffer, from, end - from);
};

const createLog = (options: AuditLogOptions, found: FoundLog, unlock: () => void): AuditLog => {
  const { host } = options;
  const { disk, mark, lastSeq: openedAt } = found;
  const { folder } = disk;
  const commitEveryMs = options.commitEveryMs ?? 2;
  const segmentBytes = options.segmentBytes ?? 64 << 20;
  const maxWaitingBytes = options.maxWaitingBytes ?? 64 << 20;
  const listeners = new Set<(entries: readonly AuditEntry[]) => void>();
  const space = createLineSpace(SPACE_BYTES);
  let segment = found.segment;
  let last = openedAt;
  let committed = openedAt;
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let timer: NodeJS.Timeout | undefined;
  let committing: Promise<void> | undefined;
  let refusal: string | undefined;
  let closed = false;

  /** Writes what waits, until nothing does; stops at the first refusal with everything still waiting. */
  const commit = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchOf(waiting));
      try {
        if (segment.bytes >= segmentBytes) segment = await followingSegment(segment, batch[0]!.seq);
        await writeAll(segment, joined(batch));
      } catch (error) {
        await segment.file.truncate(segment.bytes).catch(() => undefined);
        throw error;
      }
      waiting = waiting.slice(batch.length);
      refusal = undefined;
      for (const { bytes } of batch) waitingBytes -= bytes.length;
      committed = batch.at(-1)!.seq;
      if (listeners.size > 0) {
        const entries = batch.map(committedEntry);
        for (const listener of listeners) listener(entries);
      }
      await markCommit();
    }
  };

  /** Nothing depends on it: where it can't be written it says less than is true. */
  const markCommit = async (): Promise<void> => {
    const written = encodeMark({ seq: committed, segment: segment.firstSeq, bytes: segment.bytes });
    await mark.write(written, 0).catch(() => undefined);
  };

  const followingSegment = async (full: OpenSegment, firstSeq: number): Promise<OpenSegment> => {
    const next = segmentOf(folder, firstSeq);
    const following = { ...next, file: await disk.open(next.name), bytes: 0 };
    await full.file.close();
    return following;
  };

  const commitNow = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    committing ??= commit()
      .catch((error: Error) => {
        if (refusal === undefined) options.warn?.(`${segment.path} can't be written, trying again: ${error.message}`);
        refusal = `${segment.path} can't be written: ${error.message}; entries from ${committed + 1} on wait in memory`;
        if (!closed) schedule(RETRY_MS);
      })
      .finally(() => {
        committing = undefined;
        if (waiting.length > 0 && !closed) schedule(commitEveryMs);
      });
    return committing;
  };

  const schedule = (delay: number): void => {
    timer ??= setTimeout(() => void commitNow(), delay);
  };

  const flush = async (): Promise<void> => {
    const wanted = last;
    while (committed < wanted) {
      await commitNow();
      if (refusal !== undefined) throw new Error(refusal);
    }
  };

  return {
    folder,
    host,
    openedAt,
    get last() {
      return last;
    },
    get committed() {
      return committed;
    },
    get path() {
      return segment.path;
    },
    append(kind: AuditKind, body: unknown) {
      if (closed) throw new Error(`the audit log in ${folder} is closed`);
      if (waitingBytes > maxWaitingBytes) throw new Error(refusal ?? `${segment.path} takes entries too slowly`);
      const seq = last + 1;
      const record = { v: 1, seq, time: isoNow(), kind, body: typeof body === 'function' ? body(seq) : body } as const;
      const line = space.write(record);
      last = seq;
      waiting.push({ seq, bytes: line.bytes, entry: listeners.size > 0 ? entryOf(record, line) : undefined });
      waitingBytes += line.bytes.length;
      if (committing === undefined) schedule(commitEveryMs);
      return { seq };
    },
    onCommit(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    flush,
    async close() {
      if (closed) return;
      closed = true;
      try {
        await flush();
      } finally {
        clearTimeout(timer);
        await segment.file.close();
        await mark.close();
        unlock();
      }
    },
  };
};
