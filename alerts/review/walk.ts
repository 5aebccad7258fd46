import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type AuditEntry, decodeLine } from '../audit/line.ts';
import { isMissing } from '../audit/remedy.ts';
import { describeProblem, listSegments, type Segment, segmentBytes, segmentsFrom } from '../audit/segment.ts';
import { logSegments } from './snapshot.ts';

/** What stands in a log, in order: entries, and what is wrong between them. */
export type Walked =
  | { readonly type: 'entry'; readonly entry: AuditEntry }
  /** A line that is no entry, or not the one that comes next. */
  | { readonly type: 'damaged'; readonly message: string }
  /** Entries that no segment has, though it has some on both sides. */
  | { readonly type: 'missing'; readonly first: number; readonly last: number }
  /** What stands behind the last whole line: it is being written, or a crash tore it. */
  | { readonly type: 'torn'; readonly path: string; readonly bytes: number };

export interface WalkOptions {
  /** The first entry wanted, and the last; default all. */
  readonly from?: number;
  readonly to?: number;
  /** Goes on with what is appended, until `signal` is aborted. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  /** Called now and then with how many bytes of how many were read. */
  readonly onProgress?: (done: number, all: number) => void;
}

const CHUNK_BYTES = 1 << 20;
const FOLLOW_MS = 250;
const NEWLINE = 0x0a;

/** Waits a moment; false where the walk was ended meanwhile. */
const waited = async (signal: AbortSignal | undefined): Promise<boolean> => {
  try {
    await delay(FOLLOW_MS, undefined, signal && { signal });
    return signal?.aborted !== true;
  } catch {
    return false;
  }
};

/**
 * Reads a log from one end to the other and checks the checksum and number of every line; goes on behind what is wrong. Never changes anything.
 * @throws Error a sentence, where there is no log
 */
export async function* walkAuditLog(folder: string, options: WalkOptions = {}): AsyncGenerator<Walked> {
  const { from = 1, to = Number.POSITIVE_INFINITY, follow = false, signal, onProgress } = options;
  let segments = segmentsFrom(logSegments(folder), from).filter(({ firstSeq }) => firstSeq <= to);
  const all = onProgress === undefined ? 0 : segmentBytes(segments);
  let done = 0;
  let expected = segments[0]?.firstSeq ?? from;
  /** Lines that are no entries since the last one that is: each may stand for an entry, or for none. */
  let unclear = 0;

  const judge = function* (bytes: Uint8Array, path: string, line: number): Generator<Walked> {
    const decoded = decodeLine(bytes);
    if (!decoded.ok) {
      yield { type: 'damaged', message: describeProblem({ path, line, byte: decoded.byte, problem: decoded.problem }) };
      expected++;
      unclear++;
      return;
    }
    const { entry } = decoded;
    if (entry.seq < expected - unclear) {
      yield {
        type: 'damaged',
        message: `${path}:${line}: entry ${entry.seq} stands where entry ${expected} should be`,
      };
      return;
    }
    if (entry.seq > expected) yield { type: 'missing', first: expected, last: entry.seq - 1 };
    expected = entry.seq + 1;
    unclear = 0;
    if (entry.seq >= from && entry.seq <= to) yield { type: 'entry', entry };
  };

  /** The lines of a segment; where the log is followed and none comes after it, those that are still appended. */
  const read = async function* (handle: FileHandle, { path, firstSeq }: Segment): AsyncGenerator<Walked> {
    let rest = new Uint8Array(0);
    let at = 0;
    let line = 0;
    for (;;) {
      const chunk = Buffer.allocUnsafe(rest.length + CHUNK_BYTES);
      chunk.set(rest);
      const { bytesRead } = await handle.read(chunk, rest.length, CHUNK_BYTES, at);
      at += bytesRead;
      done += bytesRead;
      onProgress?.(Math.min(done, all), all);
      const bytes = chunk.subarray(0, rest.length + bytesRead);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        yield* judge(bytes.subarray(start, end), path, ++line);
        start = end + 1;
        if (expected > to) return;
      }
      rest = bytes.subarray(start);
      if (bytesRead > 0) continue;
      const isLast = !listSegments(folder).some((each) => each.firstSeq > firstSeq);
      if (!isLast || !follow) {
        if (rest.length === 0) return;
        if (isLast && !decodeLine(rest).ok) yield { type: 'torn', path, bytes: rest.length };
        else yield* judge(rest, path, line + 1);
        return;
      }
      if ((await handle.stat()).size < at) {
        yield { type: 'damaged', message: `${path}: it became shorter while it was read` };
        return;
      }
      if (!(await waited(signal))) return;
    }
  };

  for (;;) {
    for (const segment of segments) {
      if (segment.firstSeq > expected) yield { type: 'missing', first: expected, last: segment.firstSeq - 1 };
      expected = Math.max(expected, segment.firstSeq);
      let handle: FileHandle;
      try {
        handle = await open(segment.path, 'r');
      } catch (error) {
        if (isMissing(error)) continue;
        throw error;
      }
      try {
        yield* read(handle, segment);
      } finally {
        await handle.close();
      }
      if (expected > to) return;
    }
    if (!follow || signal?.aborted) return;
    const last = segments.at(-1)?.firstSeq ?? 0;
    segments = listSegments(folder).filter(({ firstSeq }) => firstSeq > last);
    if (segments.length === 0 && !(await waited(signal))) return;
  }
}
