import { join } from 'node:path';
import type { Checkpoint, FoundCheckpoint } from '../transparency/checkpoint.ts';
import { leafHash, sameHash } from '../transparency/hash.ts';
import type { Verifier } from '../transparency/key.ts';
import { isConsistent, rootOfInclusion } from '../transparency/proof.ts';
import { formatGrowthProof, formatTlogProof } from '../transparency/proof-file.ts';
import { readTiles } from '../transparency/tile-folder.ts';
import { rootOfFirst, treeOf } from '../transparency/tree.ts';
import { readCheckpoint } from './checkpoint-file.ts';
import { readAuditLog } from './read.ts';
import { listSegments } from './segment.ts';

/** A proof, and what it shows. */
export interface Proof {
  /** What goes into a file. */
  readonly text: string;
  readonly checkpoint: FoundCheckpoint;
}

const lineOf = async (folder: string, seq: number): Promise<Uint8Array> => {
  for await (const { entry, bytes } of readAuditLog(folder, { from: seq })) if (entry.seq === seq) return bytes;
  throw new Error(`entry ${seq} is missing from ${folder}: "shrike audit verify" says what is there`);
};

const changed = (folder: string): Error =>
  new Error(
    `the tiles in ${join(folder, 'tile')} don't lead to the root that was signed: "shrike audit verify" says what was changed`,
  );

/** A proof that an entry is in the log, with its line (C2SP tlog-proof). @throws Error where it isn't signed, not kept any more, or not what was signed */
export const proveEntry = async (folder: string, seq: number, key: Verifier): Promise<Proof> => {
  const checkpoint = readCheckpoint(folder, key);
  const { size, root, text } = checkpoint;
  if (seq > size)
    throw new Error(
      `entry ${seq} is not signed: the checkpoint is of ${size} entries; an agent that runs signs what is new each second`,
    );
  const firstKept = listSegments(folder)[0]?.firstSeq ?? 1;
  if (seq < firstKept)
    throw new Error(
      `entry ${seq} is not kept any more: the log begins with entry ${firstKept}; its hash is, its line is gone`,
    );
  const tree = treeOf(size, readTiles(folder));
  const line = await lineOf(folder, seq);
  const leaf = leafHash(line);
  if (!sameHash(leaf, tree.leaf(seq - 1)))
    throw new Error(`entry ${seq} is not the one that was signed: "shrike audit verify" says what was changed`);
  const index = seq - 1;
  const path = tree.inclusion(index);
  const leadsTo = rootOfInclusion({ index, size, leaf, path });
  if (leadsTo === undefined || !sameHash(leadsTo, root)) throw changed(folder);
  return { text: formatTlogProof({ index, path, checkpoint: text, extra: line }), checkpoint };
};

/** A proof that the log has only grown from what it was: a checkpoint that was kept, or its size alone. @throws Error where it has not */
export const proveGrowth = (folder: string, from: number | Checkpoint, key: Verifier): Proof => {
  const checkpoint = readCheckpoint(folder, key);
  const { origin, size, root, text } = checkpoint;
  const read = readTiles(folder);
  const seen = typeof from === 'number' ? undefined : from;
  const fromSize = typeof from === 'number' ? from : from.size;
  if (seen !== undefined && seen.origin !== origin)
    throw new Error(`the log is ${origin}, the checkpoint is of ${seen.origin}: another log lies in its place`);
  if (fromSize > size) throw new Error(`the log has ${size} entries, fewer than the ${fromSize} to begin from`);
  const fromRoot = rootOfFirst(fromSize, size, read);
  if (seen !== undefined && !sameHash(fromRoot, seen.root))
    throw new Error(
      `the log has not grown from that checkpoint: its first ${fromSize} entries are not those that were signed then; "shrike audit verify --before" says more`,
    );
  const path = treeOf(size, read).consistency(fromSize);
  if (!isConsistent({ from: fromSize, fromRoot, to: size, toRoot: root, path })) throw changed(folder);
  return { text: formatGrowthProof({ from: fromSize, fromRoot, path, checkpoint: text }), checkpoint };
};
