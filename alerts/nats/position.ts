import { readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { crc32c } from '../audit/crc32c.ts';

/** The file in a log's folder that says how far the log was published. */
export const POSITION_FILE = 'published';
/** How many earlier places a position keeps; older ones get further apart. */
const MOST_PLACES = 32;

const PLACE = z.object({
  /** The alert's entry in the log. */
  seq: z.number().int().nonnegative(),
  crc32c: z.string(),
  /** The message's number in the stream. */
  streamSeq: z.number().int().nonnegative(),
});
const POSITION = z.object({
  v: z.literal(1),
  stream: z.string(),
  created: z.string(),
  done: z.number().int().nonnegative(),
  recordedTo: z.number().int().nonnegative(),
  stored: PLACE.optional(),
  earlier: z.array(PLACE).max(MOST_PLACES),
});

/** Where an alert of the log stands in the stream. */
export type Place = Readonly<z.infer<typeof PLACE>>;

/** How far a log was published, and to which stream. */
export interface Position {
  readonly v: 1;
  readonly stream: string;
  /** When the stream was made. */
  readonly created: string;
  /** The last alert that was seen to: stored, or refused as too large; so were all before it. */
  readonly done: number;
  /** The last entry of which the log says why it was not published. */
  readonly recordedTo: number;
  /** The last alert that the stream took; left out where it took none. */
  readonly stored?: Place | undefined;
  /** Some that it took before, oldest first. */
  readonly earlier: readonly Place[];
}

const encoder = new TextEncoder();
const checksumOf = (json: string): string => crc32c(encoder.encode(json)).toString(16).padStart(8, '0');

/** Reads the position that a log's folder keeps; undefined where there is none, or none that is whole. */
export const readPosition = (folder: string): Position | undefined => {
  try {
    const text = readFileSync(join(folder, POSITION_FILE), 'utf8');
    const [json = '', checksum] = text.split('\n');
    return checksum === checksumOf(json) ? POSITION.parse(JSON.parse(json)) : undefined;
  } catch {
    return undefined;
  }
};

/** Puts a position in the place of the one before, on disk when this returns; whoever reads finds one of the two, whole. */
export const writePosition = async (folder: string, position: Position): Promise<void> => {
  const path = join(folder, POSITION_FILE);
  const json = JSON.stringify(position);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(`${json}\n${checksumOf(json)}\n`);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
};

/** Earlier places with one more; where there are too many every second of the older half goes. */
export const withPlace = (earlier: readonly Place[], place: Place): readonly Place[] => {
  const all = [...earlier, place];
  return all.length <= MOST_PLACES ? all : all.filter((_, index) => index >= MOST_PLACES / 2 || index % 2 === 1);
};
