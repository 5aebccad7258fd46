import type { Disk, DiskFile } from './disk.ts';
import { codeOf, isFull, withRemedy } from './remedy.ts';
import type { ClosedSegment } from './retention.ts';
import { type Segment, segmentOf } from './segment.ts';

/** The segment that is written to, with what it holds for certain. */
export interface OpenSegment extends Segment {
  /** The last entry that is on disk; `firstSeq - 1` where there is none. */
  readonly lastSeq: number;
  readonly bytes: number;
  /** When its first and its last entry were made, in milliseconds since 1970. */
  readonly oldest: number | undefined;
  readonly newest: number | undefined;
}

/** Lines that are written together. */
export interface Batch {
  readonly bytes: Uint8Array;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** When the last of them was made. */
  readonly time: number;
}

/** Writes batches of lines into segments, each on disk before the next. */
export interface SegmentWriter {
  readonly open: OpenSegment;
  /** Writes and syncs a batch, in a new segment where the open one is full or not where it was; where it fails nothing of the batch counts. */
  write(batch: Batch): Promise<void>;
  /** Goes on in a new segment with the entry `firstSeq`. Nothing else may be under way. */
  rotate(firstSeq: number): Promise<void>;
  /** Whether the open segment is still the file of its name, and as long as it was; where not, the next batch makes a new one. */
  isInPlace(): Promise<boolean>;
  close(): Promise<void>;
}

export interface WriterOptions {
  readonly disk: Disk;
  readonly segmentBytes: number;
  readonly onClosed: (segment: ClosedSegment) => void;
  readonly warn: (sentence: string) => void;
}

const CANT_OPEN = ['EMFILE', 'ENFILE'];

/** Goes on writing to a segment that was found, and open. */
export const createWriter = (found: OpenSegment, opened: DiskFile, options: WriterOptions): SegmentWriter => {
  const { disk, warn } = options;
  let open = found;
  let file: DiskFile | undefined = opened;
  /** A write or sync failed: what the file has behind its good bytes, and whether they will reach the disk, isn't known. */
  let isSuspect = false;
  let isDisplaced = false;
  /** Bytes from which a segment is followed by another; more where that could not be made. */
  let limit = options.segmentBytes;

  const closeFile = async (): Promise<void> => {
    const closing = file;
    file = undefined;
    await closing?.close().catch(() => undefined);
  };

  const isInPlace = async (): Promise<boolean> => {
    if (isDisplaced || file === undefined) return !isDisplaced;
    const isThere = (await file.isInPlace()) && (await file.size()) >= open.bytes;
    if (!isThere) isDisplaced = true;
    return isThere;
  };

  const openFollowing = async (firstSeq: number): Promise<void> => {
    const next = segmentOf(disk.folder, firstSeq);
    const following = await disk.open(next.name);
    if ((await following.size()) > 0) {
      await following.close();
      throw new Error(`${next.path} is there already, and the log has not written it; move it away`);
    }
    const before = open;
    const wasInPlace = !isDisplaced;
    await closeFile();
    file = following;
    open = { ...next, lastSeq: firstSeq - 1, bytes: 0, oldest: undefined, newest: undefined };
    limit = options.segmentBytes;
    isSuspect = false;
    isDisplaced = false;
    if (wasInPlace) options.onClosed(before);
  };

  /** A new segment costs an inode and a descriptor; where there is none the old one goes on for a while. */
  const tryFollowing = async (firstSeq: number): Promise<void> => {
    try {
      if (await isInPlace()) await openFollowing(firstSeq);
    } catch (error) {
      if (!isFull(error) && !CANT_OPEN.includes(codeOf(error))) throw error;
      await disk.remove(segmentOf(disk.folder, firstSeq).name);
      limit = open.bytes + Math.ceil(options.segmentBytes / 8);
      warn(`no segment can be made after ${open.path}, which goes on: ${withRemedy(error)}`);
    }
  };

  /**
   * After a failed sync the kernel may take pages for clean that never reached the disk: the file is opened anew, cut where its good bytes end, and all
   * that came behind is written again.
   */
  const repair = async (): Promise<void> => {
    await closeFile();
    file = await disk.reopen(open.name);
    if ((await file.size()) < open.bytes) isDisplaced = true;
    else await file.truncate(open.bytes);
  };

  const write = async (batch: Batch): Promise<void> => {
    if (isSuspect && !isDisplaced)
      await repair().catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
        isDisplaced = true;
      });
    if (isDisplaced) await openFollowing(batch.firstSeq);
    else if (open.bytes >= limit) await tryFollowing(batch.firstSeq);
    if (isDisplaced) throw new Error(`${open.path} was removed`);
    isSuspect = true;
    if (file === undefined) throw new Error(`${open.path} is not open`);
    try {
      await file.write(batch.bytes, open.bytes);
      await file.sync();
    } catch (error) {
      await file.truncate(open.bytes).catch(() => undefined);
      throw error;
    }
    isSuspect = false;
    open = {
      ...open,
      lastSeq: batch.lastSeq,
      bytes: open.bytes + batch.bytes.length,
      oldest: open.oldest ?? batch.time,
      newest: batch.time,
    };
  };

  return {
    get open() {
      return open;
    },
    write,
    rotate: async (firstSeq) => {
      if (isSuspect || isDisplaced || open.lastSeq < open.firstSeq) return;
      await tryFollowing(firstSeq);
    },
    isInPlace,
    close: closeFile,
  };
};
