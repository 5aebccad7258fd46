import { crc32c } from './crc32c.ts';

/** The file that says how far a log was committed. */
export const MARK_FILE = 'committed';

/** A commit: what was on disk for certain. */
export interface Mark {
  /** The last entry. */
  readonly seq: number;
  /** The first entry of its segment. */
  readonly segment: number;
  /** Where the segment ended. */
  readonly bytes: number;
}

const DIGITS = 16;
const MARK = /^(\d{16}) (\d{16}) (\d{16}) ([0-9a-f]{8})\n$/;

const encoder = new TextEncoder();

const checksumOf = (text: string): string => crc32c(encoder.encode(text)).toString(16).padStart(8, '0');

/**
 * A mark as its file has it: 60 bytes, always as many. It is written after each commit and never synced: after a power failure it may be an older
 * one, or none, but what it says is true.
 */
export const encodeMark = ({ seq, segment, bytes }: Mark): Uint8Array => {
  const text = [seq, segment, bytes].map((number) => String(number).padStart(DIGITS, '0')).join(' ');
  return encoder.encode(`${text} ${checksumOf(text)}\n`);
};

/** Reads a mark; undefined where the file has none, or a torn one. */
export const decodeMark = (content: Uint8Array): Mark | undefined => {
  const found = MARK.exec(String.fromCharCode(...content.subarray(0, 64)));
  if (found === null || checksumOf(found[0].slice(0, 3 * DIGITS + 2)) !== found[4]) return undefined;
  return { seq: Number(found[1]), segment: Number(found[2]), bytes: Number(found[3]) };
};
