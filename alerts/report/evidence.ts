import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { readPublicKey } from '../audit/log-key.ts';
import { isMissing } from '../audit/remedy.ts';
import { currentKey } from '../audit/rotations.ts';
import { CHECKPOINT_FILE } from '../audit/seal.ts';
import { listSegments } from '../audit/segment.ts';
import { type AuditVerification, verifyAuditLog } from '../audit/verify.ts';
import { type Checkpoint, type FoundCheckpoint, parseCheckpoint } from '../transparency/checkpoint.ts';
import { cosignedAt } from '../transparency/cosignature.ts';
import type { Verifier } from '../transparency/key.ts';
import { signaturesOf } from '../transparency/note.ts';
import { formatTlogProof } from '../transparency/proof-file.ts';
import { readTiles } from '../transparency/tile-folder.ts';
import { treeOf } from '../transparency/tree.ts';

/** Somebody else's signature under a checkpoint. */
export interface Cosignature {
  readonly name: string;
  /** 8 hex digits. */
  readonly id: string;
  /** When, in seconds since 1970, as far as the signature says it. */
  readonly time: number | undefined;
  /** `holds`, `forged`, or `unchecked` where the witness's key wasn't given. */
  readonly state: 'holds' | 'forged' | 'unchecked';
}

/** What shows that a log is what was written, and how far. */
export interface Evidence {
  /**
   * `verified`; `changed`: findings say what is wrong; `unsealed`: there is no checkpoint; `unkeyed`: there is one, and no key to check it with;
   * `unchecked`: checking failed for another reason, which `problem` says.
   */
  readonly state: 'verified' | 'changed' | 'unsealed' | 'unkeyed' | 'unchecked';
  readonly key: Verifier | undefined;
  /** Whether the key was given, or lies where the log does. */
  readonly keyFrom: 'given' | 'folder';
  readonly checkpoint: FoundCheckpoint | undefined;
  /** The checkpoint as its file has it. */
  readonly checkpointText: string | undefined;
  /** Entries by which the key was changed since the one that was given. */
  readonly rotations: readonly number[];
  readonly cosignatures: readonly Cosignature[];
  readonly verification: AuditVerification | undefined;
  readonly problem: string | undefined;
}

export interface EvidenceOptions {
  readonly folder: string;
  /** The log's public key from elsewhere; left out: the one in the log's folder. */
  readonly key?: Verifier;
  /** Public keys of witnesses. */
  readonly witnesses?: readonly Verifier[];
  /** Checkpoints of the log that were kept elsewhere: it must have grown from each. */
  readonly before?: readonly Checkpoint[];
  readonly onProgress?: (done: number, all: number) => void;
}

/** Bytes from which on checking gets a thread of its own. */
const LARGE = 4 << 20;
/** Seconds in a cosignature's first bytes (C2SP tlog-cosignature). */
const TIME_BYTES = 8;
const SIGNATURE_BYTES = 64;

/** What a thread that checks is told, and says. */
export interface VerifyTask {
  readonly folder: string;
  readonly key: string;
  readonly before: readonly Checkpoint[];
}
export type VerifyAnswer =
  | { readonly type: 'progress'; readonly done: number; readonly all: number }
  | { readonly type: 'done'; readonly verification: AuditVerification }
  | { readonly type: 'failed'; readonly message: string };

const verifyInThread = (
  task: VerifyTask,
  file: URL,
  onProgress: EvidenceOptions['onProgress'],
): Promise<AuditVerification> =>
  new Promise((resolve, reject) => {
    const workerData = task;
    const worker = new Worker(file, { workerData, name: 'shrike-verify', execArgv: [] });
    worker.on('message', (answer: VerifyAnswer) => {
      if (answer.type === 'progress') onProgress?.(answer.done, answer.all);
      else if (answer.type === 'done') resolve(answer.verification);
      else reject(new Error(answer.message));
    });
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the thread that verifies the log has ended')));
  });

const verify = (
  { folder, onProgress }: EvidenceOptions,
  key: Verifier,
  before: readonly Checkpoint[],
): Promise<AuditVerification> => {
  const bytes = listSegments(folder).reduce((sum, { path }) => sum + statSync(path).size, 0);
  if (!import.meta.url.endsWith('.js') || bytes < LARGE)
    return verifyAuditLog({ folder, key, before, ...(onProgress && { onProgress }) });
  const plain = before.map(({ origin, size, root }) => ({ origin, size, root }));
  const task = { folder, key: key.text, before: plain };
  return verifyInThread(task, new URL('./verify-worker.js', import.meta.url), onProgress);
};

const checkpointTextIn = (folder: string): string | undefined => {
  try {
    return readFileSync(join(folder, CHECKPOINT_FILE), 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
};

/** The signatures of a checkpoint that are not the log's own. */
const cosignaturesOf = (
  checkpoint: FoundCheckpoint,
  key: Verifier | undefined,
  witnesses: readonly Verifier[],
): readonly Cosignature[] => {
  const own = key === undefined ? [] : signaturesOf(checkpoint.note, key);
  return checkpoint.note.signatures
    .filter((each) => !own.includes(each) && each.name !== checkpoint.origin)
    .map(({ name, id, signature }) => {
      const hex = Buffer.from(id).toString('hex');
      const isTimed = signature.length === TIME_BYTES + SIGNATURE_BYTES;
      const said = isTimed ? Number(Buffer.from(signature).readBigUInt64BE()) : undefined;
      const witness = witnesses.find((each) => each.name === name && Buffer.compare(each.id, id) === 0);
      if (witness === undefined) return { name, id: hex, time: said, state: 'unchecked' as const };
      const time = cosignedAt(checkpoint, witness);
      return {
        name,
        id: hex,
        time: time ?? said,
        state: time === undefined ? ('forged' as const) : ('holds' as const),
      };
    });
};

const tryOr = <T>(work: () => T): { readonly value?: T; readonly problem?: string } => {
  try {
    return { value: work() };
  } catch (error) {
    return { problem: (error as Error).message };
  }
};

/** Up to which entry `gatherEvidence` checks the lines' hashes, so that nobody else has to check their sums; 0 where it can't. */
export const sealedSize = (folder: string, key: Verifier | undefined): number => {
  const found = tryOr(() => key ?? readPublicKey(folder)).value;
  return found === undefined ? 0 : (tryOr(() => parseCheckpoint(checkpointTextIn(folder) ?? '').size).value ?? 0);
};

/** Looks for what shows that a log is what was written, and checks all of it. Changes nothing. */
export const gatherEvidence = async (options: EvidenceOptions): Promise<Evidence> => {
  const { folder, witnesses = [], before = [] } = options;
  const keyFrom = options.key === undefined ? 'folder' : 'given';
  const found = options.key === undefined ? tryOr(() => readPublicKey(folder)) : { value: options.key };
  const trusted = found.value;
  const read = tryOr(() => checkpointTextIn(folder));
  const text = read.value;
  const parsed = text === undefined ? {} : tryOr(() => parseCheckpoint(text));
  const checkpoint = parsed.value;
  const current =
    trusted === undefined ? undefined : (tryOr(() => currentKey(folder, trusted)).value ?? { key: trusted, by: [] });
  const base = {
    key: current?.key,
    keyFrom,
    rotations: current?.by.map(({ seq }) => seq) ?? [],
    checkpoint,
    checkpointText: text,
    cosignatures: checkpoint === undefined ? [] : cosignaturesOf(checkpoint, current?.key, witnesses),
    verification: undefined,
    problem: found.problem ?? read.problem ?? parsed.problem,
  } as const;
  if (text === undefined && read.problem === undefined && keyFrom === 'folder' && before.length === 0)
    return { ...base, state: 'unsealed' };
  if (current === undefined) return { ...base, state: found.problem === undefined ? 'unkeyed' : 'unchecked' };
  try {
    const rotated = current.by.map((each) => each.checkpoint);
    const verification = await verify(options, current.key, [...before, ...rotated]);
    if (verification.findings.length > 0) return { ...base, verification, state: 'changed' };
    const unwitnessed = witnesses.find(
      (each) => checkpoint === undefined || cosignedAt(checkpoint, each) === undefined,
    );
    if (unwitnessed === undefined) return { ...base, verification, state: 'verified' };
    const problem = `the newest checkpoint has no cosignature of ${unwitnessed.name}`;
    return { ...base, verification, state: 'unchecked', problem };
  } catch (error) {
    return { ...base, state: 'unchecked', problem: (error as Error).message };
  }
};

/** A proof that a line is an entry of the log (C2SP tlog-proof, as "shrike audit prove" writes it); undefined where its hashes can't be read. */
export type ProofOf = (seq: number, line: string) => string | undefined;

/** Proofs for entries of a log that was verified. */
export const proofsOf = (folder: string, { checkpoint, checkpointText }: Evidence): ProofOf => {
  if (checkpoint === undefined || checkpointText === undefined) return () => undefined;
  const tree = treeOf(checkpoint.size, readTiles(folder));
  return (seq, line) => {
    if (seq > checkpoint.size) return undefined;
    const path = tryOr(() => tree.inclusion(seq - 1)).value;
    if (path === undefined) return undefined;
    return formatTlogProof({ index: seq - 1, path, checkpoint: checkpointText, extra: Buffer.from(line) });
  };
};
