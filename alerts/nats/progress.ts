import type { AuditLog } from '../audit/log.ts';
import type { Outbox, OutgoingAlert } from './outbox.ts';
import { type Place, type Position, readPosition, withPlace, writePosition } from './position.ts';
import type { LastAlert, Resume } from './resume.ts';
import type { AlertStream } from './stream.ts';

const SAVE_MS = 1_000;

/** How far a log was published, in memory and in its folder. */
export interface Progress {
  /** Undefined where nothing is known to have been published from this log. */
  readonly position: Position | undefined;
  /** Takes where to go on for granted; on disk when this returns where the server went back. */
  begin(
    stream: AlertStream,
    resume: Resume,
    last: (LastAlert & { readonly crc32c: string }) | undefined,
  ): Promise<void>;
  stored(alert: OutgoingAlert, streamSeq: number): void;
  /** An alert that no server takes is passed over, and the log says so. */
  refused(alert: OutgoingAlert, bytes: number, limit: number): Promise<void>;
  /** Records entries that the log has no more and the stream lacks; false where that is on record. */
  gone(from: number, to: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Reads a log's position and keeps it; a position of another log than this is none. */
export const openProgress = async (log: AuditLog, outbox: Outbox): Promise<Progress> => {
  const found = readPosition(log.folder);
  const { stored } = found ?? {};
  const isOfThisLog =
    found !== undefined &&
    found.done <= log.committed &&
    (stored === undefined || stored.seq < outbox.first || (await outbox.checksumOf(stored.seq)) === stored.crc32c);
  let position = isOfThisLog ? found : undefined;
  let saving: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  /** What can't be written is written with the next change; until then a restart knows less. */
  const save = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    await saving;
    if (position === undefined) return;
    const { stored: last, earlier } = position;
    const isNew = last !== undefined && last.seq > (earlier.at(-1)?.seq ?? 0);
    position = isNew ? { ...position, earlier: withPlace(earlier, last) } : position;
    saving = writePosition(log.folder, position).catch(() => undefined);
    await saving;
  };

  const change = (changed: Position): void => {
    position = changed;
    timer ??= setTimeout(() => void save(), SAVE_MS).unref();
  };

  const record = async (body: object): Promise<void> => {
    try {
      log.append('loss', body);
      await log.flush();
    } catch {
      // A disk that takes nothing has been told of by the log itself, and the count says it too.
    }
  };

  return {
    get position() {
      return position;
    },
    async begin({ name: stream, created, firstSeq }, { after: done, rewind }, last) {
      const place: Place | undefined =
        last?.seq === undefined ? undefined : { seq: last.seq, crc32c: last.crc32c, streamSeq: last.streamSeq };
      const kept = rewind === undefined ? position : undefined;
      const bound = last?.streamSeq ?? firstSeq;
      const earlier =
        rewind === 'another stream'
          ? []
          : (position?.earlier ?? []).filter(({ streamSeq }) => rewind === undefined || streamSeq < bound);
      const isLater = place !== undefined && place.seq > (kept?.stored?.seq ?? 0);
      change({
        v: 1,
        stream,
        created,
        done,
        recordedTo: position?.recordedTo ?? 0,
        stored: isLater ? place : kept?.stored,
        earlier,
      });
      if (rewind !== undefined) await save();
    },
    stored({ seq, crc32c }, streamSeq) {
      if (position !== undefined) change({ ...position, done: seq, stored: { seq, crc32c, streamSeq } });
    },
    async refused({ seq }, bytes, limit) {
      if (position === undefined) return;
      if (seq > position.recordedTo) {
        await record({ unpublished: { from: seq, to: seq }, reason: 'larger than the server takes', bytes, limit });
      }
      change({ ...position, done: seq, recordedTo: Math.max(seq, position.recordedTo) });
    },
    async gone(from, to) {
      if (position === undefined || to <= position.recordedTo) return false;
      await record({ unpublished: { from, to }, reason: 'the stream lost them when they were no longer in this log' });
      change({ ...position, recordedTo: to });
      return true;
    },
    async close() {
      if (timer !== undefined) await save();
      await saving;
    },
  };
};
