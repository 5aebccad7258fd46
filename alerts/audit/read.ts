import { createReadStream } from 'node:fs';
import { type AuditEntry, decodeLine } from './line.ts';
import { checkSequence, describeProblem, listSegments, segmentsFrom, wasRemoved } from './segment.ts';

const NEWLINE = 0x0a;

/** An entry of the audit log and where it stands. */
export interface ReadEntry {
  readonly entry: AuditEntry;
  readonly path: string;
  /** From 1. */
  readonly line: number;
  /** The line without its newline. */
  readonly bytes: Uint8Array;
}

export interface ReadOptions {
  /** The first sequence number wanted; default the oldest there is. */
  readonly from?: number;
  /** Whether a torn line at the very end is an error; default false, since a writer may be at it. */
  readonly strict?: boolean;
}

interface RawLine {
  readonly bytes: Uint8Array;
  readonly line: number;
  readonly hasNewline: boolean;
}

async function* linesOf(path: string): AsyncGenerator<RawLine> {
  let rest: Uint8Array = new Uint8Array(0);
  let line = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
    const bytes = rest.length === 0 ? (chunk as Uint8Array) : Buffer.concat([rest, chunk as Uint8Array]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      yield { bytes: bytes.subarray(start, end), line: ++line, hasNewline: true };
      start = end + 1;
    }
    rest = bytes.subarray(start);
  }
  if (rest.length > 0) yield { bytes: rest, line: line + 1, hasNewline: false };
}

/**
 * Reads an audit log in order and checks every line; fails with file, line and byte at the first that is wrong or missing. It begins where the log does, which
 * need not be entry 1; oldest segments that go meanwhile are passed over.
 */
export async function* readAuditLog(folder: string, options: ReadOptions = {}): AsyncGenerator<ReadEntry> {
  const from = options.from ?? 1;
  const segments = segmentsFrom(listSegments(folder), from);
  let expected = segments[0]?.firstSeq ?? 1;
  for (const { path, firstSeq } of segments) {
    if (firstSeq !== expected) {
      throw new Error(
        `${path}: begins with entry ${firstSeq}, but the segment before it ends with entry ${expected - 1}`,
      );
    }
    const isLast = path === segments.at(-1)?.path;
    try {
      for await (const { bytes, line, hasNewline } of linesOf(path)) {
        const decoded = decodeLine(bytes);
        if (!decoded.ok) {
          if (isLast && !hasNewline && options.strict !== true) return;
          throw new Error(describeProblem({ path, line, byte: decoded.byte, problem: decoded.problem }));
        }
        const wrong = checkSequence(decoded.entry, expected, path, line);
        if (wrong !== undefined) throw new Error(describeProblem(wrong));
        expected++;
        if (decoded.entry.seq >= from) yield { entry: decoded.entry, path, line, bytes };
      }
    } catch (error) {
      if (expected !== firstSeq || !wasRemoved(error, folder, firstSeq)) throw error;
      expected = segments[segments.findIndex((each) => each.path === path) + 1]?.firstSeq ?? expected;
    }
  }
}
