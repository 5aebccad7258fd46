import { createSigner, type Verifier } from '../transparency/key.ts';
import { parseNote, signatureLine } from '../transparency/note.ts';
import { openAuditLog } from './log.ts';
import { openLogKey, writeLogKey } from './log-key.ts';
import { proveEntry } from './prove.ts';
import { readAuditLog } from './read.ts';
import { replaceFile } from './replace-file.ts';
import { type RotationRecord, rotationFile } from './rotations.ts';
import { openSealer } from './sealer.ts';
import { listSegments } from './segment.ts';

/** A log's key was changed. */
export interface Rotated {
  readonly from: Verifier;
  readonly to: Verifier;
  /** The entry that records it. */
  readonly seq: number;
  /** The file that proves it, by the old key. */
  readonly proof: string;
}

/** The host whose log it is, as the last segment says; undefined where no entry does. */
const hostIn = async (folder: string): Promise<string | undefined> => {
  const last = listSegments(folder).at(-1);
  if (last === undefined)
    throw new Error(`${folder} has no audit log: give the folder that "shrike run --audit" names`);
  let found: string | undefined;
  for await (const { entry } of readAuditLog(folder, { from: last.firstSeq })) {
    const { host } = entry.body as { readonly host?: unknown };
    if ((entry.kind === 'start' || entry.kind === 'alert') && typeof host === 'string') found = host;
  }
  return found;
};

/**
 * Gives a log a new key. An entry names it, the old key signs that entry and what came before it, and both sign the checkpoint. After a crash the log has one of
 * the two keys, and goes on. @throws Error where an agent has the folder, or the log isn't what was signed
 */
export const rotateLogKey = async (folder: string, warn: (sentence: string) => void): Promise<Rotated> => {
  const host = (await hostIn(folder)) ?? '';
  const log = await openAuditLog({ folder, host, warn, reserveBytes: 0, upkeepEveryMs: 0 });
  try {
    const before = await openLogKey(folder, host);
    const sealer = await openSealer({ log, everyMs: 0 });
    await sealer.seal();
    const refusal = (): string | undefined => sealer.state.refusal ?? sealer.state.trouble;
    if (refusal() !== undefined) throw new Error(`the key is not changed: ${refusal()}`);
    const after = createSigner(before.verifier.name);
    const rotated: RotationRecord = { from: before.verifier.text, to: after.verifier.text };
    const seq = log.append('policy', { rotated }).seq ?? 0;
    await sealer.seal();
    if (refusal() !== undefined) throw new Error(`the key is not changed: ${refusal()}`);
    const proof = rotationFile(seq);
    await replaceFile(folder, proof, (await proveEntry(folder, seq, before.verifier)).text);
    const checkpoint = sealer.checkpoint ?? '';
    const signature = after.sign(Buffer.from(parseNote(checkpoint).text));
    await sealer.addSignatures(checkpoint, signatureLine(after.verifier, signature));
    await writeLogKey(folder, after);
    return { from: before.verifier, to: after.verifier, seq, proof };
  } finally {
    await log.close();
  }
};
