import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Checkpoint, type FoundCheckpoint, openCheckpoint } from '../transparency/checkpoint.ts';
import { HASH_BYTES, leafHash, sameHash } from '../transparency/hash.ts';
import type { Verifier } from '../transparency/key.ts';
import { TILE_WIDTH } from '../transparency/tile.ts';
import { readTiles } from '../transparency/tile-folder.ts';
import { rootOfFirst } from '../transparency/tree.ts';
import { type VerifiedTiles, verifyTiles } from '../transparency/verified-tiles.ts';
import { decodeLine } from './line.ts';
import { CHECKPOINT_FILE } from './seal.ts';
import { listSegments } from './segment.ts';

/** What is wrong with a log, in a sentence that names entries and places. */
export interface AuditFinding {
  readonly code: 'checkpoint' | 'tile' | 'shrunk' | 'forked' | 'changed' | 'missing' | 'moved' | 'extra';
  /** The first entry that it is about, and the last; left out where it is about the log as a whole. */
  readonly first?: number;
  readonly last?: number;
  readonly message: string;
}

/** What checking a log came to. */
export interface AuditVerification {
  /** The checkpoint that the entries were checked against; undefined where there is none that holds. */
  readonly checkpoint: FoundCheckpoint | undefined;
  /** Entries whose lines were found to be those that were signed. */
  readonly verified: number;
  /** Entries before this one are not kept any more; their hashes are. */
  readonly firstKept: number;
  /** Entries behind the checkpoint, which nobody has signed yet. */
  readonly unsigned: number;
  /** In the order of the log; empty where nothing is wrong. At most {@link MOST_FINDINGS}. */
  readonly findings: readonly AuditFinding[];
}

export const MOST_FINDINGS = 20;

export interface VerifyOptions {
  readonly folder: string;
  /** The log's key, from a source that whoever could change the log could not change. */
  readonly key: Verifier;
  /** Checkpoints of the log that were seen before and kept elsewhere, of any size: the log must have grown from each. */
  readonly before?: readonly Checkpoint[];
  /** Called now and then with how many bytes of how many were read. */
  readonly onProgress?: (done: number, all: number) => void;
}

const CHUNK_BYTES = 4 << 20;
const NEWLINE = 0x0a;

interface Line {
  readonly bytes: Uint8Array;
  readonly path: string;
  /** From 1. */
  readonly number: number;
  readonly isWhole: boolean;
}

/** The lines of a file; what is yielded is valid until the next one. */
async function* linesOf(path: string, onRead: (bytes: number) => void): AsyncGenerator<readonly Line[]> {
  const handle = await open(path, 'r');
  try {
    let rest = Buffer.alloc(0);
    let number = 0;
    for (;;) {
      const chunk = Buffer.allocUnsafe(rest.length + CHUNK_BYTES);
      rest.copy(chunk);
      const { bytesRead } = await handle.read(chunk, rest.length, CHUNK_BYTES);
      onRead(bytesRead);
      const bytes = chunk.subarray(0, rest.length + bytesRead);
      const lines: Line[] = [];
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        lines.push({ bytes: bytes.subarray(start, end), path, number: ++number, isWhole: true });
        start = end + 1;
      }
      rest = bytes.subarray(start);
      if (bytesRead === 0 && rest.length > 0) lines.push({ bytes: rest, path, number: number + 1, isWhole: false });
      if (lines.length > 0) yield lines;
      if (bytesRead === 0) return;
    }
  } finally {
    await handle.close();
  }
}

const placeOf = ({ path, number }: Line): string => `${path}:${number}`;

const inWords = (first: number, last: number): string =>
  first === last ? `entry ${first} is` : `entries ${first} to ${last} are`;

const readCheckpoint = (folder: string, key: Verifier): FoundCheckpoint => {
  const path = join(folder, CHECKPOINT_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(
      `${path} can't be read (${(error as NodeJS.ErrnoException).code}): there is nothing to check the log against`,
    );
  }
  try {
    return openCheckpoint(text, key);
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
};

/** Whether a log whose tiles are verified has grown from what was seen of it before; names the range that was rewritten or is gone. */
const grownFrom = (
  before: readonly Checkpoint[],
  { origin, size }: Checkpoint,
  rootAt: (size: number) => Uint8Array,
): AuditFinding | undefined => {
  let agreed = 0;
  for (const seen of before.toSorted((one, other) => one.size - other.size)) {
    if (seen.origin !== origin) {
      const message = `the log is ${origin}, what was seen before was ${seen.origin}: another log lies in its place`;
      return { code: 'forked', message };
    }
    if (seen.size > size) {
      const message = `the log has shrunk: it had ${seen.size} entries, now it has ${size}: ${inWords(size + 1, seen.size)} gone`;
      return { code: 'shrunk', first: size + 1, last: seen.size, message };
    }
    if (!sameHash(rootAt(seen.size), seen.root)) {
      const message = `the log was rewritten: of its first ${seen.size} entries, those up to ${agreed} are as they were, and at least one from ${agreed + 1} to ${seen.size} is not`;
      return { code: 'forked', first: agreed + 1, last: seen.size, message };
    }
    agreed = seen.size;
  }
  return undefined;
};

/**
 * Checks every line of a log against the hashes that its checkpoint signs. Never changes anything. @throws Error where the folder has no log
 */
export const verifyAuditLog = async ({
  folder,
  key,
  before = [],
  onProgress,
}: VerifyOptions): Promise<AuditVerification> => {
  const findings: AuditFinding[] = [];
  const found = (finding: AuditFinding): void => {
    if (findings.length < MOST_FINDINGS) findings.push(finding);
  };
  const segments = listSegments(folder);
  const firstKept = segments[0]?.firstSeq ?? 1;
  const nothing = { verified: 0, firstKept, unsigned: 0 };
  let checkpoint: FoundCheckpoint | undefined;
  let tiles: VerifiedTiles;
  const read = readTiles(folder);
  try {
    checkpoint = readCheckpoint(folder, key);
  } catch (error) {
    return { ...nothing, checkpoint, findings: [{ code: 'checkpoint', message: (error as Error).message }] };
  }
  const { size, root } = checkpoint;
  try {
    tiles = verifyTiles(size, root, read, folder);
  } catch (error) {
    return { ...nothing, checkpoint, findings: [{ code: 'tile', message: (error as Error).message }] };
  }
  const rewritten = grownFrom(before, checkpoint, (wanted) => rootOfFirst(wanted, size, read));
  if (rewritten !== undefined) found(rewritten);
  const badTiles = new Set<number>();
  /** The signed hash of an entry, by its number; undefined where there is none. */
  const signedHash = (seq: number): Uint8Array | undefined => {
    const tile = Math.floor((seq - 1) / TILE_WIDTH);
    if (seq < 1 || seq > size || badTiles.has(tile)) return undefined;
    try {
      const at = ((seq - 1) % TILE_WIDTH) * HASH_BYTES;
      return tiles.leaves(tile).subarray(at, at + HASH_BYTES);
    } catch (error) {
      badTiles.add(tile);
      const first = tile * TILE_WIDTH + 1;
      const last = Math.min(size, first + TILE_WIDTH - 1);
      found({
        code: 'tile',
        first,
        last,
        message: `${(error as Error).message}; entries ${first} to ${last} can't be checked`,
      });
      return undefined;
    }
  };

  const sizes = await Promise.all(
    segments.map(async ({ path }) => {
      const handle = await open(path, 'r');
      return (await handle.stat().finally(() => handle.close())).size;
    }),
  );
  const all = sizes.reduce((sum, each) => sum + each, 0);
  let done = 0;
  let expected = firstKept;
  let verified = 0;
  let unsigned = 0;
  const missing = (first: number, last: number, where: string): void =>
    found({ code: 'missing', first, last, message: `${where}: ${inWords(first, last)} missing` });

  /** Says what a line is that isn't the one that was signed in its place. */
  const judge = (line: Line): void => {
    const decoded = decodeLine(line.bytes);
    const place = placeOf(line);
    if (!decoded.ok) {
      found({
        code: 'changed',
        first: expected,
        last: expected,
        message: `${place}: entry ${expected} was changed: ${decoded.problem} at byte ${decoded.byte}`,
      });
      expected++;
      return;
    }
    const { seq } = decoded.entry;
    const itsHash = signedHash(seq);
    const isGenuine = itsHash !== undefined && sameHash(leafHash(line.bytes), itsHash);
    if (isGenuine && seq > expected) {
      missing(expected, seq - 1, place);
      verified++;
      expected = seq + 1;
    } else if (isGenuine) {
      found({
        code: 'moved',
        first: seq,
        last: seq,
        message: `${place}: entry ${seq} stands a second time, where entry ${expected} should be`,
      });
    } else {
      const whose = seq === expected ? '' : `, and says that it is entry ${seq}`;
      found({
        code: 'changed',
        first: expected,
        last: expected,
        message: `${place}: entry ${expected} was changed: its checksum holds, its hash is not the one that was signed${whose}`,
      });
      expected++;
    }
  };
  for (const [index, { path, firstSeq }] of segments.entries()) {
    if (firstSeq > expected) {
      missing(expected, Math.min(firstSeq - 1, Math.max(size, expected)), path);
      expected = firstSeq;
    }
    for await (const lines of linesOf(path, (bytes) => {
      done += bytes;
      onProgress?.(done, all);
    })) {
      for (const line of lines) {
        if (expected > size) {
          if (!line.isWhole && index === segments.length - 1) continue;
          const decoded = decodeLine(line.bytes);
          if (decoded.ok && decoded.entry.seq === expected) unsigned++;
          else
            found({
              code: 'extra',
              first: expected,
              last: expected,
              message: `${placeOf(line)}: not the entry ${expected} that comes next${decoded.ok ? `: it is entry ${decoded.entry.seq}` : `: ${decoded.problem} at byte ${decoded.byte}`}`,
            });
          expected++;
          continue;
        }
        const signed = signedHash(expected);
        if (signed === undefined) expected++;
        else if (sameHash(leafHash(line.bytes), signed)) {
          verified++;
          expected++;
          if (!line.isWhole)
            found({
              code: 'changed',
              first: expected - 1,
              last: expected - 1,
              message: `${placeOf(line)}: entry ${expected - 1} has lost its newline`,
            });
        } else judge(line);
      }
    }
  }
  if (expected <= size) missing(expected, size, segments.at(-1)?.path ?? folder);
  return { checkpoint, verified, firstKept, unsigned, findings };
};
