import { type Checkpoint, type FoundCheckpoint, openCheckpoint } from '../transparency/checkpoint.ts';
import { leafHash, sameHash } from '../transparency/hash.ts';
import type { Verifier } from '../transparency/key.ts';
import { isConsistent, rootOfInclusion } from '../transparency/proof.ts';
import { parseProofFile } from '../transparency/proof-file.ts';
import { type AuditEntry, decodeLine } from './line.ts';

/** What a proof shows. */
export type Shown =
  | {
      readonly kind: 'inclusion';
      readonly checkpoint: FoundCheckpoint;
      readonly entry: AuditEntry;
      /** The line as it stands in the log. */
      readonly line: string;
    }
  | {
      readonly kind: 'growth';
      readonly checkpoint: FoundCheckpoint;
      readonly from: number;
      readonly fromRoot: Uint8Array;
    };

/** A proof that is one, and shows nothing: it was changed, or is of something else. */
export class ProofError extends Error {}

const refuse = (sentence: string): never => {
  throw new ProofError(sentence);
};

const signedBy = (text: string, key: Verifier): FoundCheckpoint => {
  try {
    return openCheckpoint(text, key);
  } catch (error) {
    return refuse((error as Error).message);
  }
};

/**
 * Checks a proof with nothing but a log's public key.
 * @param before for a proof of growth: the checkpoint that it must begin from @throws ProofError where it doesn't hold, Error where it is no proof
 */
export const checkProof = (text: string, key: Verifier, before?: Checkpoint): Shown => {
  const proof = parseProofFile(text);
  const checkpoint = signedBy(proof.checkpoint, key);
  const { size, root, origin } = checkpoint;
  if (proof.kind === 'growth') {
    const { from, fromRoot, path } = proof;
    if (before !== undefined && (before.origin !== origin || before.size !== from || !sameHash(before.root, fromRoot)))
      refuse(
        `the proof begins from another state than the checkpoint: from ${from} entries of ${origin}, not the ${before.size} of ${before.origin} with that root`,
      );
    if (!isConsistent({ from, fromRoot, to: size, toRoot: root, path }))
      refuse(
        `the proof does not lead from ${from} entries to the ${size} that were signed: it was changed, or the log was`,
      );
    return { kind: 'growth', checkpoint, from, fromRoot };
  }
  const { index, path, extra } = proof;
  if (extra === undefined) return refuse('the proof has no line of the log with it, so that it says nothing about any');
  const leadsTo = rootOfInclusion({ index, size, leaf: leafHash(extra), path });
  if (leadsTo === undefined || !sameHash(leadsTo, root))
    return refuse(
      `the proof does not lead from the line to the root that was signed for ${size} entries: the line is not entry ${index + 1} of ${origin}, or the proof was changed`,
    );
  const decoded = decodeLine(extra);
  if (!decoded.ok || decoded.entry.seq !== index + 1)
    return refuse(
      `entry ${index + 1} is as it was signed, but ${decoded.ok ? `says that it is entry ${decoded.entry.seq}` : 'is no entry'}: whoever has the log's key wrote it so`,
    );
  return { kind: 'inclusion', checkpoint, entry: decoded.entry, line: Buffer.from(extra).toString() };
};
