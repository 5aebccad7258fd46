import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FoundCheckpoint, parseCheckpoint } from '../transparency/checkpoint.ts';
import { parseVerifier, type Verifier } from '../transparency/key.ts';
import { checkSignature } from '../transparency/note.ts';
import { parseProofFile } from '../transparency/proof-file.ts';
import { checkProof } from './check-proof.ts';
import { checkpointTextIn } from './checkpoint-file.ts';
import { decodeLine } from './line.ts';

/** A change of a log's key, which the key before it has signed. */
export interface Rotation {
  /** The file that proves it. */
  readonly path: string;
  /** The entry that records it. */
  readonly seq: number;
  readonly from: Verifier;
  readonly to: Verifier;
  /** The checkpoint by which the old key signed the entry. */
  readonly checkpoint: FoundCheckpoint;
}

/** What the entry of a rotation says, in `body.rotated` of a `policy` entry: public keys as people hand them on. */
export interface RotationRecord {
  readonly from: string;
  readonly to: string;
}

const NAME = /^rotated-\d{6,16}\.tlog-proof$/;

/** The file that proves the rotation which the entry `seq` records. */
export const rotationFile = (seq: number): string => `rotated-${String(seq).padStart(6, '0')}.tlog-proof`;

const recordIn = (text: string): RotationRecord | undefined => {
  const proof = parseProofFile(text);
  const decoded = decodeLine((proof.kind === 'inclusion' && proof.extra) || new Uint8Array(0));
  if (!decoded.ok || decoded.entry.kind !== 'policy') return undefined;
  const { rotated } = decoded.entry.body as { readonly rotated?: Partial<RotationRecord> };
  return typeof rotated?.from === 'string' && typeof rotated.to === 'string'
    ? { from: rotated.from, to: rotated.to }
    : undefined;
};

/** What the text of a rotation's file proves by the key before. @throws Error that says what is wrong with it */
export const rotationIn = (text: string): Omit<Rotation, 'path'> => {
  const record = recordIn(text);
  if (record === undefined) throw new Error("it is not about an entry that records a change of the log's key");
  const [from, to] = [parseVerifier(record.from), parseVerifier(record.to)];
  const shown = checkProof(text, from);
  if (shown.kind !== 'inclusion') throw new Error('it is not about an entry');
  return { seq: shown.entry.seq, from, to, checkpoint: shown.checkpoint };
};

const readRotation = (path: string): Rotation => {
  try {
    return { path, ...rotationIn(readFileSync(path, 'utf8')) };
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
};

/** The rotations of a log, oldest first, each checked against the key that it begins with; and what is wrong with files that say they are ones. */
export const readRotations = (
  folder: string,
): { readonly rotations: readonly Rotation[]; readonly problems: readonly string[] } => {
  const rotations: Rotation[] = [];
  const problems: string[] = [];
  for (const name of readdirSync(folder).sort()) {
    if (!NAME.test(name)) continue;
    try {
      rotations.push(readRotation(join(folder, name)));
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return { rotations: rotations.sort((one, other) => one.seq - other.seq), problems };
};

/** The key that signs a log now, and how one comes to it. */
export interface CurrentKey {
  readonly key: Verifier;
  /** From the key that was trusted to this one; empty where that is the one. */
  readonly by: readonly Rotation[];
}

/** Rotations that lead from one key to another, in order; undefined where none do. */
const wayOf = (
  from: Verifier,
  isThere: (key: Verifier) => boolean,
  rotations: readonly Rotation[],
): readonly Rotation[] | undefined => {
  if (isThere(from)) return [];
  for (const [index, rotation] of rotations.entries()) {
    if (rotation.from.text !== from.text) continue;
    const rest = wayOf(rotation.to, isThere, rotations.slice(index + 1));
    if (rest !== undefined) return [rotation, ...rest];
  }
  return undefined;
};

/**
 * The key that signed a log's newest checkpoint, from one that is trusted: each rotation between them is signed by the key before. Where none leads there it is the
 * trusted one, whose signature will be missing. @throws Error where the checkpoint can't be read
 */
export const currentKey = (folder: string, trusted: Verifier): CurrentKey => {
  const { note } = parseCheckpoint(checkpointTextIn(folder));
  const hasSigned = (key: Verifier): boolean => checkSignature(note, key) === 'signed';
  const by = wayOf(trusted, hasSigned, readRotations(folder).rotations) ?? [];
  return { key: by.at(-1)?.to ?? trusted, by };
};

/** All keys that belong to a log: that is, its own and those that rotations lead from or to. */
export const keysOf = (folder: string, key: Verifier): readonly Verifier[] => {
  const all = new Map([[key.text, key]]);
  const { rotations } = readRotations(folder);
  for (let size = -1; size !== all.size; ) {
    size = all.size;
    for (const { from, to } of rotations)
      if (all.has(from.text) || all.has(to.text)) all.set(from.text, from).set(to.text, to);
  }
  return [...all.values()];
};
