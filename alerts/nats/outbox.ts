import type { Alert } from '../alert.ts';
import type { AuditEntry } from '../audit/line.ts';
import type { AuditLog } from '../audit/log.ts';
import { type ReadEntry, readAuditLog } from '../audit/read.ts';
import { messageId } from './stream.ts';
import { alertSubject } from './subject.ts';

/** An alert on its way to NATS. */
export interface OutgoingAlert {
  readonly seq: number;
  readonly messageId: string;
  readonly subject: string;
  /** The alert's JSON as it stands in the audit log. */
  readonly payload: string;
}

/** The committed alerts of an audit log: the latest in memory, all others on disk. */
export interface Outbox {
  /** Sequence number of the last alert committed since the log was opened; 0 for none. */
  readonly lastAlert: number;
  /** Up to `limit` alerts after `seq`, in order; alerts up to `seq` leave the memory. */
  take(seq: number, limit: number): Promise<readonly OutgoingAlert[]>;
  /** How many committed alerts there are after `seq`. */
  countAfter(seq: number): Promise<number>;
  /** The checksum of entry `seq`, undefined where the log has no such committed entry. */
  checksumOf(seq: number): Promise<string | undefined>;
  close(): Promise<void>;
}

const toOutgoing = (entry: AuditEntry): OutgoingAlert => {
  const { id, host, priority, rule } = entry.body as Alert;
  return {
    seq: entry.seq,
    messageId: messageId(id, entry.crc32c),
    subject: alertSubject(host, priority, rule),
    payload: entry.bodyText,
  };
};

/** Follows a log's commits, keeping at most `memory` alerts at hand; `onAlert` is called when there are new ones. */
export const openOutbox = (log: AuditLog, memory: number, onAlert: () => void): Outbox => {
  /** Every committed alert after `inMemoryAfter`. */
  let recent: readonly OutgoingAlert[] = [];
  let inMemoryAfter = log.committed;
  let lastAlert = 0;
  let reader: { readonly entries: AsyncGenerator<ReadEntry>; after: number } | undefined;

  const forget = (count: number): void => {
    if (count <= 0) return;
    inMemoryAfter = recent[count - 1]!.seq;
    recent = recent.slice(count);
  };

  const stop = log.onCommit((entries) => {
    const alerts = entries.filter((entry) => entry.kind === 'alert').map(toOutgoing);
    if (alerts.length === 0) return;
    recent = recent.concat(alerts);
    lastAlert = alerts.at(-1)!.seq;
    forget(recent.length - memory);
    onAlert();
  });

  const closeReader = async (): Promise<void> => {
    await reader?.entries.return(undefined);
    reader = undefined;
  };

  const takeFromDisk = async (seq: number, limit: number): Promise<readonly OutgoingAlert[]> => {
    if (reader?.after !== seq) {
      await closeReader();
      reader = { entries: readAuditLog(log.folder, { from: seq + 1 }), after: seq };
    }
    const bound = inMemoryAfter;
    const taken: OutgoingAlert[] = [];
    for (let isWithin = seq < bound; isWithin && taken.length < limit; ) {
      const { value, done } = await reader.entries.next();
      if (done === true) break;
      if (value.entry.kind === 'alert') taken.push(toOutgoing(value.entry));
      isWithin = value.entry.seq < bound;
    }
    reader.after = taken.at(-1)?.seq ?? seq;
    return taken;
  };

  return {
    get lastAlert() {
      return lastAlert;
    },
    async take(seq, limit) {
      const taken = seq < inMemoryAfter ? await takeFromDisk(seq, limit) : [];
      if (taken.length > 0) return taken;
      await closeReader();
      const unsent = recent.findIndex((alert) => alert.seq > seq);
      forget(unsent < 0 ? recent.length : unsent);
      return recent.slice(0, limit);
    },
    async countAfter(seq) {
      if (seq >= inMemoryAfter) return recent.filter((alert) => alert.seq > seq).length;
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
