import type { FoundCheckpoint } from './checkpoint.ts';
import type { Signer, Verifier } from './key.ts';
import { signatureLine, signaturesOf } from './note.ts';

const TIME_BYTES = 8;

/** What a witness signs (C2SP tlog-cosignature, cosignature/v1). @param time seconds since 1970 */
const message = (time: number | bigint, text: string): Uint8Array =>
  Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);

/** The line by which a witness says that it has seen a checkpoint and nothing against it. @param time seconds since 1970 */
export const cosign = ({ note }: FoundCheckpoint, signer: Signer, time: number): string => {
  const stamp = Buffer.alloc(TIME_BYTES);
  stamp.writeBigUInt64BE(BigInt(time));
  return signatureLine(signer.verifier, Buffer.concat([stamp, signer.sign(message(time, note.text))]));
};

/** When a witness has cosigned a checkpoint, in seconds since 1970; undefined where it has not. */
export const cosignedAt = ({ note }: FoundCheckpoint, witness: Verifier): number | undefined => {
  for (const { signature } of signaturesOf(note, witness)) {
    if (signature.length <= TIME_BYTES) continue;
    const time = Buffer.from(signature).readBigUInt64BE();
    if (witness.verify(message(time, note.text), signature.subarray(TIME_BYTES))) return Number(time);
  }
  return undefined;
};
