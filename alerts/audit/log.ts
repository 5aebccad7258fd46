import { mkdirSync, readFileSync } from 'node:fs';
import { type FileHandle, open, truncate } from 'node:fs/promises';
import { isoNow } from '../time.ts';
import { type AuditEntry, type AuditKind, decodeLine, encodeLine } from './line.ts';
import { lockFolder } from './lock.ts';
import { checkSegment, describeProblem, type LineProblem, listSegments, type Segment, segmentOf } from './segment.ts';

const RETRY_MS = 1_000;
const NEWLINE = new Uint8Array([0x0a]);

export interface AuditLogOptions {
  /** Made with mode 0700 where it is missing; one agent a folder. */
  readonly folder: string;
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
  readonly bytes: Uint8Array;
  /** Left out where nobody listened when it was appended. */
  readonly entry: AuditEntry | undefined;
}

const entryOf = ({ bytes, entry }: Waiting): AuditEntry => {
  if (entry !== undefined) return entry;
  const line = decodeLine(bytes);
  if (!line.ok) throw new Error(line.problem);
  return line.entry;
};

/** A segment open for appending, and how long it is with whole committed lines only. */
interface OpenSegment extends Segment {
  readonly handle: FileHandle;
  bytes: number;
}

/** Opens an audit log, repairing a tail that a crash left; fails where the folder is in use or the log is corrupt before its end. */
export const openAuditLog = async (options: AuditLogOptions): Promise<AuditLog> => {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const unlock = lockFolder(options.folder);
  try {
    const found = await openLastSegment(options.folder);
    const log = createLog(options, found.segment, found.lastSeq, unlock);
    if (found.torn !== undefined) {
      const { torn, bytes } = found;
      options.warn?.(`${describeProblem(torn)}; cut ${bytes} bytes that a crash left after entry ${found.lastSeq}`);
      log.append('loss', { ...torn, bytes, after: found.lastSeq });
      await log.flush();
    }
    return log;
  } catch (error) {
    unlock();
    throw error;
  }
};

interface FoundLog {
  readonly segment: OpenSegment;
  readonly lastSeq: number;
  readonly torn?: LineProblem;
  /** How many bytes were cut off. */
  readonly bytes: number;
}

const openLastSegment = async (folder: string): Promise<FoundLog> => {
  const last = listSegments(folder).at(-1);
  if (last === undefined) return { segment: await openSegment(segmentOf(folder, 1), 0), lastSeq: 0, bytes: 0 };
  const content = readFileSync(last.path);
  const tail = checkSegment(content, last);
  const segment = await openSegment(last, tail.goodBytes);
  if (tail.goodBytes < content.length) await truncate(last.path, tail.goodBytes);
  if (tail.lacksNewline) await writeAll(segment, NEWLINE);
  const found = { segment, lastSeq: tail.lastSeq, bytes: content.length - tail.goodBytes };
  return tail.torn === undefined ? found : { ...found, torn: tail.torn };
};

/** Opens or makes a segment; a new one's directory entry is synced as well. */
const openSegment = async (segment: Segment, bytes: number): Promise<OpenSegment> => {
  const handle = await open(segment.path, 'a', 0o600);
  const folder = await open(segment.path.slice(0, segment.path.lastIndexOf('/')), 'r');
  await folder.sync();
  await folder.close();
  return { ...segment, handle, bytes };
};

const writeAll = async (segment: OpenSegment, bytes: Uint8Array): Promise<void> => {
  for (let written = 0; written < bytes.length; ) {
    written += (await segment.handle.write(bytes, written)).bytesWritten;
  }
  await segment.handle.datasync();
  segment.bytes += bytes.length;
};

const joined = (batch: readonly Waiting[]): Uint8Array => Buffer.concat(batch.flatMap(({ bytes }) => [bytes, NEWLINE]));

const createLog = (options: AuditLogOptions, first: OpenSegment, openedAt: number, unlock: () => void): AuditLog => {
  const { folder, host } = options;
  const commitEveryMs = options.commitEveryMs ?? 2;
  const segmentBytes = options.segmentBytes ?? 64 << 20;
  const maxWaitingBytes = options.maxWaitingBytes ?? 64 << 20;
  const listeners = new Set<(entries: readonly AuditEntry[]) => void>();
  let segment = first;
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
      const batch = waiting;
      waiting = [];
      try {
        if (segment.bytes >= segmentBytes) segment = await followingSegment(segment, batch[0]!.seq);
        await writeAll(segment, joined(batch));
      } catch (error) {
        waiting = [...batch, ...waiting];
        await segment.handle.truncate(segment.bytes).catch(() => undefined);
        throw error;
      }
      refusal = undefined;
      for (const { bytes } of batch) waitingBytes -= bytes.length;
      committed = batch.at(-1)!.seq;
      if (listeners.size === 0) continue;
      const entries = batch.map(entryOf);
      for (const listener of listeners) listener(entries);
    }
  };

  const followingSegment = async (full: OpenSegment, firstSeq: number): Promise<OpenSegment> => {
    const following = await openSegment(segmentOf(folder, firstSeq), 0);
    await full.handle.close();
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
      const line = encodeLine(record);
      last = seq;
      waiting.push({ seq, bytes: line.bytes, entry: listeners.size > 0 ? line.entry : undefined });
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
        await segment.handle.close();
        unlock();
      }
    },
  };
};
