import { CRITICAL_PRIORITIES } from '../../rules/index.ts';
import { createLatencyRecorder, type Histogram } from '../latency.ts';
import { isoNow } from '../time.ts';
import { batchOf, committedEntry, joined, type Waiting } from './batch.ts';
import { type AgeClock, type ClockSources, createAgeClock } from './clock.ts';
import { type Disk, type DiskFile, openDisk } from './disk.ts';
import { type AuditEntry, type AuditKind, createLineSpace, entryOf } from './line.ts';
import { encodeMark, MARK_FILE } from './mark.ts';
import { type About, createOmissions, type OmissionReason } from './omissions.ts';
import { type RecoveredLog, recover, repairs } from './recovery.ts';
import { codeOf, isFull, withRemedy } from './remedy.ts';
import { removalRecord } from './removal.ts';
import { createReserve } from './reserve.ts';
import { type ClosedSegment, DEFAULT_LIMITS, dueForRemoval, type RetentionLimits } from './retention.ts';
import { BATCH_BYTES, segmentsOf } from './segment.ts';
import { createWriter } from './writer.ts';

const RETRY_MS = 1_000;
const UPKEEP_MS = 1_000;
/** How often what was shed is recorded while the disk is full: the records take room, too. */
const RECORD_EVERY_MS = 5_000;
/** How often it is looked for segments to remove, beside each rotation. */
const RETAIN_EVERY_MS = 60_000;
/** An open segment's first entry may be as old as this part of what is kept, so that what is removed at once is little. */
const SEGMENT_SHARE = 8;
/** Lines are written into pieces of memory of this size. */
const SPACE_BYTES = 256 * 1024;
/** The part of the memory for what waits that entries of low priority may take. */
const LOW_SHARE = 0.75;

export interface AuditLogOptions extends Partial<RetentionLimits> {
  /** Made with mode 0700 where it is missing; one agent a folder. Another disk than the file system's can be given. */
  readonly folder: string | Disk;
  readonly host: string;
  /** How long an entry may wait for others to share its fdatasync; default 2 ms. */
  readonly commitEveryMs?: number;
  /** A segment that is longer is followed by a new one; default 64 MiB, or an eighth of `keepBytes` where that is less. */
  readonly segmentBytes?: number;
  /** How many bytes may wait for a disk that refuses them; what is more is counted and recorded later. Default 64 MiB. */
  readonly maxWaitingBytes?: number;
  /** Room that is kept for critical alerts and all that is no alert, for when the disk is full; default 16 MiB, 0: none. */
  readonly reserveBytes?: number;
  /** Takes sentences about what was repaired and what the disk refuses. */
  readonly warn?: (sentence: string) => void;
  /** How often the log looks after itself; 0: only when it is told to. Default every second. */
  readonly upkeepEveryMs?: number;
  /** Other clocks than this machine's, for what is measured by age. */
  readonly clocks?: ClockSources;
}

/** What became of an entry: its number; undefined where there was no room for it, which is counted and recorded. */
export interface Appended {
  readonly seq: number | undefined;
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
  /**
   * Queues an entry; the body may be made from its sequence number, and then `about` says of an alert what it is about. On a full disk, and where too much
   * waits for it, an alert below critical gets no number, and where no memory is left no entry does: that is counted, and recorded as `shed` or `loss`.
   * Fails when the log is closed.
   */
  append(kind: AuditKind, body: (seq: number) => unknown, about?: About): Appended;
  append(kind: AuditKind, body: unknown, about?: About): Appended;
  /** Calls `listener` with entries once they are committed, in order; returns how to stop. */
  onCommit(listener: (entries: readonly AuditEntry[]) => void): () => void;
  /**
   * A publisher says that servers have every alert up to this entry, 0 for none yet. From the first call on, what they don't have is kept longer. It may go back.
   */
  acknowledged(seq: number): void;
  /** Waits until what was appended before is committed; fails when the disk refuses it. */
  flush(): Promise<void>;
  /** Commits what waits and releases the folder; fails when the disk refuses it. */
  close(): Promise<void>;
}

/** How a log stands. */
export interface AuditLogState {
  /** `reserve`: the disk is full and the log goes on in what it had kept; `none`: that is used up, too. */
  readonly room: 'enough' | 'reserve' | 'none';
  /** Entries and bytes that wait to be written. */
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Entries that found no room since the log was opened. */
  readonly omitted: number;
  /** Bytes of all segments. */
  readonly bytes: number;
  /** From entries being appended to their being on disk. */
  readonly latency: Histogram;
  /** What the disk says, in a sentence; undefined where it takes everything. */
  readonly refusal: string | undefined;
}

/** A log on a disk, which looks after itself every second. */
export interface StoredLog extends AuditLog {
  readonly state: AuditLogState;
  /** Looks at once whether the folder is in place, makes the reserve again, records what was shed, and removes what is too old or too much. */
  upkeep(): Promise<void>;
  /** Calls `listener` with lines (without newlines, valid for good) and the number of their first once they are committed, in order; returns how to stop. */
  onLines(listener: (firstSeq: number, lines: readonly Uint8Array[]) => void): () => void;
  /**
   * Who seals the log says that all up to this entry is signed. From the first call on, nothing is removed that isn't, nor before the entry that records it is;
   * undefined: nobody seals it any more.
   */
  sealed(seq: number | undefined): void;
  /**
   * Calls `listener` when the log is closed, once everything is committed and while the folder is still this process's; it is waited for. It is given what
   * still appends.
   */
  onClosing(listener: (append: (kind: AuditKind, body: unknown) => void) => Promise<void>): void;
}

/**
 * Opens an audit log, repairing a tail that a crash left; fails where the folder is in use, can't be written or holds what is no log's, and where the log is
 * corrupt before its end or another host's.
 */
export const openAuditLog = async (options: AuditLogOptions): Promise<StoredLog> => {
  const { folder, host, warn = () => undefined } = options;
  const disk = typeof folder === 'string' ? openDisk(folder) : folder;
  try {
    const unlock = disk.lock();
    try {
      const found = await recover(disk, host, warn);
      const log = await createLog({ ...options, warn }, disk, found, unlock);
      for (const sentence of repairs(found)) warn(sentence);
      const { torn, missing, open } = found;
      if (torn !== undefined || missing > 0) {
        log.append('loss', { path: log.path, ...torn, after: open.lastSeq, ...(missing > 0 && { missing }) });
        await log.flush();
      }
      return log;
    } catch (error) {
      unlock();
      throw error;
    }
  } catch (error) {
    throw codeOf(error) === '' ? error : new Error(withRemedy(error));
  }
};

/** What an alert's body says it is about, where nobody said it. */
const aboutOf = (body: unknown): About | undefined => {
  if (typeof body !== 'object' || body === null) return undefined;
  const { rule, priority } = body as Partial<About>;
  return rule === undefined || priority === undefined ? undefined : { rule, priority };
};

const OWN_CLOCKS: ClockSources = { wall: () => Date.now(), steady: () => performance.now() };

const createLog = async (
  options: AuditLogOptions & { readonly warn: (sentence: string) => void },
  disk: Disk,
  found: RecoveredLog,
  unlockFirst: () => void,
): Promise<StoredLog> => {
  const { host, warn } = options;
  const { folder } = disk;
  const commitEveryMs = options.commitEveryMs ?? 2;
  const limits: RetentionLimits = { ...DEFAULT_LIMITS, ...options };
  const segmentBytes = options.segmentBytes ?? Math.min(64 << 20, Math.ceil(limits.keepBytes / SEGMENT_SHARE));
  const maxWaitingBytes = options.maxWaitingBytes ?? 64 << 20;
  const reserveBytes = options.reserveBytes ?? 16 << 20;
  const upkeepEveryMs = options.upkeepEveryMs ?? UPKEEP_MS;
  const clocks = options.clocks ?? OWN_CLOCKS;
  const openedAt = found.open.lastSeq;
  const clock: AgeClock = createAgeClock(clocks, found.open.newest ?? found.closed.at(-1)?.newest);
  const listeners = new Set<(entries: readonly AuditEntry[]) => void>();
  const lineListeners = new Set<(firstSeq: number, lines: readonly Uint8Array[]) => void>();
  const closingListeners: Parameters<StoredLog['onClosing']>[0][] = [];
  const space = createLineSpace(SPACE_BYTES);
  const omissions = createOmissions();
  const reserve = createReserve(disk, reserveBytes);
  let closedSegments = found.closed;
  let hasRotated = true;
  const writer = createWriter(found.open, found.file, {
    disk,
    segmentBytes,
    onClosed: (segment) => {
      closedSegments = [...closedSegments, segment];
      hasRotated = true;
    },
    warn,
  });
  let unlock = unlockFirst;
  let hasFolder = true;
  let mark: DiskFile = found.mark;
  let last = openedAt;
  const latency = createLatencyRecorder();
  let committed = openedAt;
  let acknowledged: number | undefined;
  let sealed: number | undefined;
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let omitted = 0;
  let room: AuditLogState['room'] = 'enough';
  let timer: NodeJS.Timeout | undefined;
  let busy: Promise<void> | undefined;
  let upkeeping: Promise<void> | undefined;
  let refusal: string | undefined;
  let tries = 0;
  let recordedAt = Number.NEGATIVE_INFINITY;
  let retainedAt = Number.NEGATIVE_INFINITY;
  /** The last entry that records a removal, and how many such entries stand there one behind the other. */
  let removals = { last: 0, count: 0 };
  /** Segments that go once the entry that records it is signed, oldest first. Those before one that was to go when the log ended were to go, too. */
  let leaving: { readonly segment: ClosedSegment; readonly seq: number }[] = found.closed
    .slice(0, 1 + found.closed.findLastIndex(({ name }) => found.removed.includes(name)))
    .map((segment) => ({ segment, seq: openedAt }));
  let closed = false;

  const push = (kind: AuditKind, body: unknown): number => {
    const seq = last + 1;
    const now = Date.now();
    const record = { v: 1, seq, time: isoNow(now), kind, body: typeof body === 'function' ? body(seq) : body } as const;
    const line = space.write(record);
    last = seq;
    waiting.push({
      seq,
      time: now,
      since: performance.now(),
      bytes: line.bytes,
      entry: listeners.size > 0 ? entryOf(record, line) : undefined,
    });
    waitingBytes += line.bytes.length;
    if (busy === undefined) schedule(commitEveryMs);
    return seq;
  };

  const omit = (as: 'shed' | 'loss', reason: OmissionReason, kind: AuditKind, about: About | undefined): Appended => {
    omitted++;
    omissions.count(as, reason, isoNow(), kind, about);
    return { seq: undefined };
  };

  /** Gives the reserve back where the disk is full; whether there is something to try again with. */
  const makeDo = async (error: unknown): Promise<boolean> => {
    const isFirst = room === 'enough';
    const hadReserve = await reserve.release();
    room = hadReserve ? 'reserve' : 'none';
    if (isFirst || hadReserve)
      warn(
        hadReserve
          ? `${withRemedy(error)}; until then only critical alerts and what is no alert are logged, in the ${reserveBytes} bytes that were kept for them; what is left out is counted`
          : `${withRemedy(error)}; there is no reserve, alerts below critical are left out and counted, and all else waits in memory`,
      );
    return hadReserve;
  };

  /** Writes what waits, until nothing does; stops at the first refusal with everything still waiting. */
  const commit = async (): Promise<void> => {
    let most = BATCH_BYTES;
    let hasLooked = false;
    tries++;
    while (waiting.length > 0) {
      if (!hasFolder) throw new Error('another agent may have the folder');
      const batch = waiting.slice(0, batchOf(waiting, most));
      const end = batch.at(-1)!;
      const bytes = joined(batch);
      try {
        await writer.write({ bytes, firstSeq: batch[0]!.seq, lastSeq: end.seq, time: end.time });
      } catch (error) {
        if (!isFull(error)) {
          if (hasLooked || (await writer.isInPlace().catch(() => true))) throw error;
          hasLooked = true;
          await checkPlace();
          continue;
        }
        if (await makeDo(error)) continue;
        if (batch.length === 1) throw error;
        most = Math.floor(bytes.length / 2);
        continue;
      }
      if (room === 'none') room = 'reserve';
      most = BATCH_BYTES;
      waiting = waiting.slice(batch.length);
      refusal = undefined;
      const now = performance.now();
      for (const each of batch) {
        waitingBytes -= each.bytes.length;
        latency.record(now - each.since);
      }
      committed = end.seq;
      if (lineListeners.size > 0) {
        const lines = batch.map((each) => each.bytes);
        for (const listener of lineListeners) listener(batch[0]!.seq, lines);
      }
      if (listeners.size > 0) {
        const entries = batch.map(committedEntry);
        for (const listener of listeners) listener(entries);
      }
      await markCommit();
    }
  };

  /** Nothing depends on it: where it can't be written it says less than is true. */
  const markCommit = async (): Promise<void> => {
    const { firstSeq, bytes } = writer.open;
    await mark.write(encodeMark({ seq: committed, segment: firstSeq, bytes }), 0).catch(() => undefined);
  };

  /** Lets only one at a time work on the open segment. */
  const exclusively = async (act: () => Promise<void>): Promise<void> => {
    while (busy !== undefined) await busy;
    const acting = act();
    busy = acting
      .catch(() => undefined)
      .finally(() => {
        busy = undefined;
        if (waiting.length > 0 && !closed) schedule(commitEveryMs);
      });
    await acting;
  };

  const commitNow = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    busy ??= commit()
      .catch((error: unknown) => {
        const { path } = writer.open;
        const why = withRemedy(error);
        if (refusal === undefined) warn(`${path} can't be written, trying again: ${why}`);
        refusal = `${path} can't be written: ${why}; entries from ${committed + 1} on wait in memory`;
        if (!closed) schedule(RETRY_MS);
      })
      .finally(() => {
        busy = undefined;
        if (waiting.length > 0 && !closed) schedule(commitEveryMs);
        if (hasRotated && !closed && upkeepEveryMs > 0) void upkeep();
      });
    return busy;
  };

  const schedule = (delay: number): void => {
    timer ??= setTimeout(() => void commitNow(), delay);
  };

  const flush = async (): Promise<void> => {
    const wanted = last;
    while (committed < wanted) {
      const before = tries;
      await commitNow();
      if (refusal !== undefined && tries !== before && committed < wanted) throw new Error(refusal);
    }
  };

  /** Where the folder or the open segment is no more, the log goes on in a new one at the same place, and says what is gone with it. */
  const checkPlace = async (): Promise<void> => {
    if (await writer.isInPlace().catch(() => true)) return;
    const { open } = writer;
    try {
      if (hasFolder) unlock();
      hasFolder = false;
      unlock = disk.lock();
      hasFolder = true;
      await mark.close().catch(() => undefined);
      mark = await disk.open(MARK_FILE);
      const left = new Set(segmentsOf(folder, disk.names()).map(({ name }) => name));
      const gone = [...closedSegments, open].filter(({ name }) => !left.has(name));
      closedSegments = closedSegments.filter(({ name }) => left.has(name));
      const missing = gone.reduce((sum, { firstSeq, lastSeq }) => sum + lastSeq - firstSeq + 1, 0);
      warn(`${open.path} was removed, moved or cut while it was written to; the log goes on in a new segment`);
      push('loss', { path: open.path, after: open.lastSeq, missing });
    } catch (error) {
      refusal = `${open.path} was removed, and the folder can't be made again: ${withRemedy(error)}; entries from ${committed + 1} on wait in memory`;
      warn(refusal);
    }
  };

  /** The reserve comes back once there is twice its room, so that one that is full by a little does not come and go. */
  const restoreRoom = async (): Promise<void> => {
    if (reserve.isHeld || reserveBytes === 0) {
      if (room !== 'enough' && (await disk.room()) > BATCH_BYTES) room = 'enough';
      return;
    }
    if (!(await reserve.make()) || room === 'enough') return;
    room = 'enough';
    warn(`${folder} has room again: everything is logged`);
  };

  /** Says in the log what found no room, once that finds some itself. */
  const recordOmissions = (isLast: boolean): void => {
    const now = clocks.steady();
    const isEarly = room !== 'enough' && now - recordedAt < RECORD_EVERY_MS;
    if (omissions.records === 0 || (!isLast && (isEarly || refusal !== undefined || room === 'none'))) return;
    recordedAt = now;
    for (const { as, record } of omissions.take()) push(as, record);
  };

  const drop = async ({ name: dropped }: ClosedSegment): Promise<void> => {
    await disk.remove(dropped);
    closedSegments = closedSegments.filter(({ name }) => name !== dropped);
  };

  const dropLeaving = async (): Promise<void> => {
    for (const { segment, seq } of leaving) {
      if (sealed !== undefined && sealed < seq) return;
      await drop(segment);
      leaving = leaving.slice(1);
    }
  };

  const removeSegments = async (): Promise<void> => {
    await dropLeaving();
    const now = clock.now();
    const { open } = writer;
    const isOnlyRemovals = removals.last === last && open.firstSeq > last - removals.count;
    const isOld = open.oldest !== undefined && now - open.oldest > limits.keepMs / SEGMENT_SHARE;
    if (isOld && !isOnlyRemovals && busy === undefined && waiting.length === 0)
      await exclusively(() => writer.rotate(last + 1));
    const held = { acknowledged, sealed };
    const staying = closedSegments.filter(({ name }) => !leaving.some(({ segment }) => segment.name === name));
    for (const { segment, reason } of dueForRemoval(staying, writer.open.bytes, limits, now, held)) {
      const seq = push('shed', await removalRecord(disk, segment, reason, acknowledged));
      removals = { last: seq, count: removals.last === seq - 1 ? removals.count + 1 : 1 };
      await flush();
      leaving.push({ segment, seq });
    }
    await dropLeaving();
  };

  const retain = async (): Promise<void> => {
    const now = clocks.steady();
    if (!hasRotated && now - retainedAt < RETAIN_EVERY_MS) return;
    hasRotated = false;
    retainedAt = now;
    await removeSegments();
  };

  const upkeepOnce = async (): Promise<void> => {
    if (!closed) await exclusively(checkPlace);
    if (!closed) await restoreRoom();
    recordOmissions(false);
    if (!closed) await retain();
  };
  const upkeep = (): Promise<void> => {
    upkeeping ??= upkeepOnce()
      .catch((error: unknown) => {
        if (refusal === undefined) warn(`${folder}: ${withRemedy(error)}`);
      })
      .finally(() => {
        upkeeping = undefined;
      });
    return upkeeping;
  };

  try {
    if (!(await reserve.make()) && reserveBytes > 0)
      warn(`${folder} has no room for a reserve of ${reserveBytes} bytes, so that a full disk stops the log at once`);
  } catch (error) {
    warn(`${folder}: ${withRemedy(error)}`);
  }
  const interval = upkeepEveryMs === 0 ? undefined : setInterval(() => void upkeep(), upkeepEveryMs).unref();

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
      return writer.open.path;
    },
    get state() {
      const bytes = closedSegments.reduce((sum, segment) => sum + segment.bytes, writer.open.bytes);
      return {
        room,
        waiting: waiting.length,
        waitingBytes,
        omitted,
        bytes,
        latency: latency.histogram(),
        refusal,
      };
    },
    append(kind: AuditKind, body: unknown, about?: About) {
      if (closed) throw new Error(`the audit log in ${folder} is closed`);
      if (room !== 'enough' || waitingBytes > LOW_SHARE * maxWaitingBytes) {
        const its = about ?? aboutOf(body);
        const isLow = kind === 'alert' && its !== undefined && !CRITICAL_PRIORITIES.has(its.priority);
        if (isLow && room !== 'enough') return omit('shed', 'disk full', kind, its);
        if (isLow) return omit('shed', 'memory full', kind, its);
        if (waitingBytes > maxWaitingBytes) return omit('loss', 'memory full', kind, its);
      }
      return { seq: push(kind, body) };
    },
    onCommit(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    acknowledged(seq) {
      acknowledged = seq;
    },
    flush,
    upkeep,
    onLines(listener) {
      lineListeners.add(listener);
      return () => lineListeners.delete(listener);
    },
    sealed(seq) {
      const before = sealed ?? 0;
      sealed = seq;
      const isNew = (each: number): boolean => each > before && each <= (seq ?? each);
      if (closedSegments.some(({ lastSeq }) => isNew(lastSeq)) || leaving.some((each) => isNew(each.seq)))
        hasRotated = true;
    },
    onClosing(listener) {
      closingListeners.push(listener);
    },
    async close() {
      if (closed) return;
      closed = true;
      clearInterval(interval);
      try {
        await upkeeping;
        recordOmissions(true);
        await flush();
        for (const listener of closingListeners) await listener(push);
        await flush();
        await dropLeaving().catch((error: unknown) => warn(`${folder}: ${withRemedy(error)}`));
      } finally {
        clearTimeout(timer);
        await reserve.release().catch(() => undefined);
        await writer.close();
        await mark.close().catch(() => undefined);
        if (hasFolder) unlock();
      }
    },
  };
};
