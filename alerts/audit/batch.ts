import { type AuditEntry, decodeLine } from './line.ts';

/** An entry that waits to be written. */
export interface Waiting {
  readonly seq: number;
  /** When it was made, in milliseconds since 1970, and of performance.now(). */
  readonly time: number;
  readonly since: number;
  /** The line; its newline is behind it in memory. */
  readonly bytes: Uint8Array;
  /** Left out where nobody listened when it was appended. */
  readonly entry: AuditEntry | undefined;
}

/** The entry, from its line where nobody wanted it before. */
export const committedEntry = ({ bytes, entry }: Waiting): AuditEntry => {
  if (entry !== undefined) return entry;
  const line = decodeLine(bytes);
  if (!line.ok) throw new Error(line.problem);
  return line.entry;
};

/** How many of those that wait are written together: as many as so many bytes hold, one at least. */
export const batchOf = (waiting: readonly Waiting[], most: number): number => {
  let bytes = 0;
  const over = waiting.findIndex((each) => {
    bytes += each.bytes.length + 1;
    return bytes > most;
  });
  return over < 0 ? waiting.length : Math.max(1, over);
};

/** The lines with their newlines in one piece; most follow one another in memory already. */
export const joined = (batch: readonly Waiting[]): Uint8Array => {
  const pieces: Uint8Array[] = [];
  let from = 0;
  let end = 0;
  let buffer: ArrayBufferLike | undefined;
  for (const { bytes } of batch) {
    if (bytes.buffer !== buffer || bytes.byteOffset !== end) {
      if (buffer !== undefined) pieces.push(new Uint8Array(buffer, from, end - from));
      ({ buffer, byteOffset: from } = bytes);
    }
    end = bytes.byteOffset + bytes.length + 1;
  }
  if (buffer !== undefined) pieces.push(new Uint8Array(buffer, from, end - from));
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
};
