import { decodeLine } from '../audit/line.ts';
import { readRawLines } from '../audit/raw-lines.ts';
import { listSegments, type Segment, segmentBytes, wasRemoved } from '../audit/segment.ts';

/** A line of an audit log, looked at as little as its reader needs. */
export interface LogLine {
  readonly seq: number;
  /** When it was recorded: ISO 8601, nanoseconds, UTC. */
  readonly time: string;
  readonly kind: string;
  /** The whole line, without its newline. */
  readonly text: string;
  /** Where its body begins in the text. */
  readonly bodyAt: number;
}

/** A line that is none of an audit log's. */
export interface BadLine {
  readonly path: string;
  /** From 1. */
  readonly number: number;
  readonly problem: string;
}

export interface LineReader {
  line(line: LogLine): void;
  bad(line: BadLine): void;
}

export interface LinesOptions {
  /** Lines of entries from this one on have their checksum checked; default all. */
  readonly checkFrom?: number;
  /** Called now and then with how many bytes of how many were read. */
  readonly onProgress?: (done: number, all: number) => void;
}

const HEADER =
  /^\{"v":1,"seq":([1-9][0-9]{0,15}),"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)","kind":"([a-z]+)","body":/;
/** `,"crc32c":"01234567"}` */
const TRAILER_LENGTH = 21;

/** The body's JSON of a line. */
export const bodyTextOf = ({ text, bodyAt }: LogLine): string => text.slice(bodyAt, -TRAILER_LENGTH);

/**
 * Reads all lines of an audit log once, in order, also where some are damaged, missing or still being written; changes nothing. A torn line at the very end is passed
 * over: a writer may be at it. Segments that retention removes meanwhile are passed over.
 */
export const readLines = async (folder: string, reader: LineReader, options: LinesOptions = {}): Promise<void> => {
  const { checkFrom = 1, onProgress } = options;
  const segments = listSegments(folder);
  const all = segmentBytes(segments);
  let done = 0;

  const take = (bytes: Buffer, from: number, to: number, path: string, number: number, isTail: boolean): void => {
    const text = bytes.toString('utf8', from, to);
    const header = HEADER.exec(text);
    if (header !== null && Number(header[1]) < checkFrom && text.endsWith('"}')) {
      reader.line({ seq: Number(header[1]), time: header[2]!, kind: header[3]!, text, bodyAt: header[0].length });
      return;
    }
    const decoded = decodeLine(bytes.subarray(from, to));
    if (decoded.ok) {
      const { seq, time, kind } = decoded.entry;
      reader.line({ seq, time, kind, text, bodyAt: header?.[0].length ?? 0 });
    } else if (!isTail) {
      reader.bad({ path, number, problem: `${decoded.problem} at byte ${decoded.byte}` });
    }
  };

  const readSegment = ({ path }: Segment, isLast: boolean): Promise<void> =>
    readRawLines(
      path,
      (bytes, from, to, number, isWhole) => take(bytes, from, to, path, number, isLast && !isWhole),
      (read) => {
        done += read;
        onProgress?.(done, all);
      },
    );

  for (const [index, segment] of segments.entries()) {
    await readSegment(segment, index === segments.length - 1).catch((error: unknown) => {
      if (!wasRemoved(error, folder, segment.firstSeq)) throw error;
    });
  }
};
