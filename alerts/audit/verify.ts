import type { Checkpoint, FoundCheckpoint } from '../transparency/checkpoint.ts';
import { sameHash } from '../transparency/hash.ts';
import type { Verifier } from '../transparency/key.ts';
import { readTiles } from '../transparency/tile-folder.ts';
import { rootOfFirst } from '../transparency/tree.ts';
import { type VerifiedTiles, verifyTiles } from '../transparency/verified-tiles.ts';
import { readCheckpoint } from './checkpoint-file.ts';
import { type AuditFinding, entriesAre, MOST_FINDINGS } from './finding.ts';
import { createLineCheck } from './line-check.ts';
import { readRawLines } from './raw-lines.ts';
import { isMissing } from './remedy.ts';
import { listSegments, segmentBytes, segmentsFrom } from './segment.ts';
import { createSignedHashes } from './signed-hashes.ts';

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

export interface VerifyOptions {
  readonly folder: string;
  /** The log's key, from a source that whoever could change the log could not change. */
  readonly key: Verifier;
  /** Checkpoints of the log that were seen before and kept elsewhere, of any size: the log must have grown from each. */
  readonly before?: readonly Checkpoint[];
  /** Begins with the segment that has this entry: what comes before is not read, its hashes are. Default: all. */
  readonly from?: number;
  /** Called now and then with how many bytes of how many were read. */
  readonly onProgress?: (done: number, all: number) => void;
}

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
      const message = `the log has shrunk: it had ${seen.size} entries, now it has ${size}: ${entriesAre(size + 1, seen.size)} gone`;
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

/** How many entries are still what was seen before, as far as tiles that don't lead to the root can tell; 0 where none are. */
const agreedUpTo = (
  before: readonly Checkpoint[],
  { origin, size }: Checkpoint,
  rootAt: (size: number) => Uint8Array,
): number => {
  const agrees = (seen: Checkpoint): boolean => {
    try {
      return seen.origin === origin && seen.size <= size && sameHash(rootAt(seen.size), seen.root);
    } catch {
      return false;
    }
  };
  return Math.max(0, ...before.filter(agrees).map((seen) => seen.size));
};

const verifyOnce = async ({
  folder,
  key,
  before = [],
  from = 1,
  onProgress,
}: VerifyOptions): Promise<AuditVerification> => {
  const findings: AuditFinding[] = [];
  const found = (finding: AuditFinding): void => {
    if (findings.length < MOST_FINDINGS) findings.push(finding);
  };
  // Before the checkpoint: what retention removed before now, it has signed an entry about.
  const kept = listSegments(folder);
  const segments = segmentsFrom(kept, from);
  const firstKept = kept[0]?.firstSeq ?? 1;
  const firstRead = segments[0]?.firstSeq ?? 1;
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
    const first = 1 + agreedUpTo(before, checkpoint, (wanted) => rootOfFirst(wanted, size, read));
    const message = `${(error as Error).message}; which of entries ${first} to ${size} they are can't be told`;
    return { ...nothing, checkpoint, findings: [{ code: 'tile', first, last: size, message }] };
  }
  const rewritten = grownFrom(before, checkpoint, (wanted) => rootOfFirst(wanted, size, read));
  if (rewritten !== undefined) found(rewritten);
  const signed = createSignedHashes(size, tiles, found);
  signed.checkBefore(firstKept);
  const check = createLineCheck(signed, firstRead, found);
  const all = segmentBytes(segments);
  let done = 0;
  for (const { path, firstSeq } of segments) {
    check.begin(path, firstSeq, path === segments.at(-1)?.path);
    await readRawLines(path, check.take, (bytes) => {
      done += bytes;
      onProgress?.(done, all);
    });
  }
  const { expected, verified, unsigned, removedUpTo } = check;
  if (expected <= size) {
    const message = `${segments.at(-1)?.path ?? folder}: ${entriesAre(expected, size)} missing`;
    found({ code: 'missing', first: expected, last: size, message });
  }
  if (firstRead === firstKept && removedUpTo < firstKept - 1) {
    const first = removedUpTo + 1;
    const message = `${folder}: ${entriesAre(first, firstKept - 1)} missing, and no signed entry says that the log let go of them`;
    findings.unshift({ code: 'missing', first, last: firstKept - 1, message });
  }
  return { checkpoint, verified, firstKept, unsigned, findings: findings.slice(0, MOST_FINDINGS) };
};

/** How often it is begun anew where retention removes what was about to be read. */
const MOST_ATTEMPTS = 3;

/**
 * Checks every line of a log against the hashes that its checkpoint signs. Never changes anything. @throws Error where the folder has no log
 */
export const verifyAuditLog = async (options: VerifyOptions): Promise<AuditVerification> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await verifyOnce(options);
    } catch (error) {
      if (!isMissing(error) || attempt === MOST_ATTEMPTS) throw error;
    }
  }
};
