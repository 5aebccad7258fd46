import type { Alert } from '../alert.ts';
import type { AuditEntry } from '../audit/line.ts';
import type { AuditLog } from '../audit/log.ts';
import { type ReadEntry, readAuditLog } from '../audit/read.ts';
import { listSegments } from '../audit/segment.ts';
import { messageId } from './stream.ts';
import { alertSubject } from './subject.ts';

/** An alert on its way to NATS. */
export interface OutgoingAlert {
  readonly seq: number;
  /** Checksum of its line in the audit log. */
  readonly crc32c: string;
  readonly messageId: string;
  readonly subject: string;
  /** The alert's JSON as it stands in the audit log. */
  readonly payload: string;
  /** When it was committed, in `performance.now()`'s milliseconds; undefined where it was read from disk. */
  readonly committedAt: number | undefined;
}

/** The committed alerts of an audit log: the latest in memory, all others on disk. */
export interface Outbox {
  /** Sequence number of the last alert committed since the log was opened; 0 for none. */
  readonly lastAlert: number;
  /** The oldest entry that the log still has; 1 where it never had any. */
  readonly first: number;
  /** Up to `limit` alerts after `seq`, in order. */
  take(seq: number, limit: number): Promise<readonly OutgoingAlert[]>;
  /** Lets alerts up to `seq` leave the memory. */
  release(seq: number): void;
  /** How many committed alerts there are after `seq`. */
  countAfter(seq: number): Promise<number>;
  /** The checksum of entry `seq`, undefined where the log has no such committed entry. */
  checksumOf(seq: number): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Gives the same rule of the same host its subject without making it anew. */
const createSubjects = (): ((alert: Alert) => string) => {
  const known = new Map<string, string>();
  return ({ host, priority, rule }) => {
    const key = `${priority} ${host} ${rule}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const subject = alertSubject(host, priority, rule);
    if (known.size < MOST_SUBJECTS) known.set(key, subject);
    return subject;
  };
};
const MOST_SUBJECTS = 1_000;
/** So many that left the memory are taken out of the list together. */
const COMPACT_AT = 1_024;

/** Reads a log from disk. */
interface Reader {
  entries: AsyncGenerator<ReadEntry>;
  /** The last alert that was taken. */
  after: number;
  /** The last entry that was read, of any kind. */
  readTo: number;
}

/** Follows a log's commits, keeping at most `memory` alerts at hand; `onAlert` is called when there are new ones. */
export const openOutbox = (log: AuditLog, memory: number, onAlert: () => void): Outbox => {
  const subjectOf = createSubjects();
  /** Every committed alert after `inMemoryAfter`, from index `head` on. */
  let recent: OutgoingAlert[] = [];
  let head = 0;
  let inMemoryAfter = log.committed;
  let lastAlert = 0;
  let reader: Reader | undefined;

  const toOutgoing = (entry: AuditEntry, committedAt: number | undefined): OutgoingAlert => {
    const alert = entry.body as Alert;
    const { seq, crc32c, bodyText: payload } = entry;
    return { seq, crc32c, messageId: messageId(alert.id, crc32c), subject: subjectOf(alert), payload, committedAt };
  };

  const forget = (count: number): void => {
    if (count <= 0) return;
    head += count;
    inMemoryAfter = recent[head - 1]!.seq;
    if (head < COMPACT_AT && head < recent.length) return;
    recent = recent.slice(head);
    head = 0;
  };

  /** Index of the first alert in memory after `seq`. */
  const indexAfter = (seq: number): number => {
    let [low, high] = [head, recent.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (recent[middle]!.seq > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  };

  const stop = log.onCommit((entries) => {
    const now = performance.now();
    const before = lastAlert;
    for (const entry of entries) {
      if (entry.kind !== 'alert') continue;
      recent.push(toOutgoing(entry, now));
      lastAlert = entry.seq;
    }
    if (lastAlert === before) return;
    forget(recent.length - head - memory);
    onAlert();
  });

  const closeReader = async (): Promise<void> => {
    await reader?.entries.return(undefined);
    reader = undefined;
  };

  /** The entry behind the last one read; a file ends for a reader where it ended when it was opened, so that it is opened again. */
  const nextEntry = async (from: Reader): Promise<AuditEntry> => {
    const next = await from.entries.next();
    if (next.done !== true) return next.value.entry;
    from.entries = readAuditLog(log.folder, { from: from.readTo + 1 });
    const again = await from.entries.next();
    if (again.done !== true) return again.value.entry;
    throw new Error(`the audit log in ${log.folder} lacks entry ${from.readTo + 1}, which was committed`);
  };

  const takeFromDisk = async (seq: number, limit: number): Promise<readonly OutgoingAlert[]> => {
    if (reader?.after !== seq) {
      await closeReader();
      reader = { entries: readAuditLog(log.folder, { from: seq + 1 }), after: seq, readTo: seq };
    }
    const bound = inMemoryAfter;
    const taken: OutgoingAlert[] = [];
    while (reader.readTo < bound && taken.length < limit) {
      const entry = await nextEntry(reader);
      reader.readTo = entry.seq;
      if (entry.kind === 'alert') taken.push(toOutgoing(entry, undefined));
    }
    reader.after = taken.at(-1)?.seq ?? seq;
    return taken;
  };

  return {
    get lastAlert() {
      return lastAlert;
    },
    get first() {
      return listSegments(log.folder)[0]?.firstSeq ?? 1;
    },
    async take(seq, limit) {
      const taken = seq < inMemoryAfter ? await takeFromDisk(seq, limit) : [];
      if (taken.length > 0) return taken;
      if (reader !== undefined) await closeReader();
      const from = indexAfter(seq);
      return recent.slice(from, from + limit);
    },
    release: (seq) => forget(indexAfter(seq) - head),
    async countAfter(seq) {
      if (seq >= inMemoryAfter) return recent.length - indexAfter(seq);
      let count = 0;
      for await (const { entry } of readAuditLog(log.folder, { from: seq + 1 })) {
        if (entry.seq > log.committed) break;
        if (entry.kind === 'alert') count++;
      }
      return count;
    },
    async checksumOf(seq) {
      if (seq > log.committed) return undefined;
      for await (const { entry } of readAuditLog(log.folder, { from: seq })) {
        return entry.seq === seq ? entry.crc32c : undefined;
      }
      return undefined;
    },
    async close() {
      stop();
      await closeReader();
    },
  };
};
