import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsedFrom } from '../audit/log-key.ts';
import { isMissing } from '../audit/remedy.ts';
import { replaceFile } from '../audit/replace-file.ts';
import {
  createSigner,
  parseSigner,
  parseVerifier,
  SIGNATURE,
  type Signer,
  type Verifier,
} from '../transparency/key.ts';

/** The file of a witness's private key, mode 0600. */
const KEY_FILE = 'witness.key';
/** The file of its public key: one line, as people hand it on (C2SP tlog-cosignature). */
export const WITNESS_PUBLIC_KEY_FILE = 'witness.pub';

const OTHERS = 0o077;

/** Reads a witness's public key. @throws Error that says what is expected */
export const parseWitnessKey = (text: string): Verifier => {
  const key = parseVerifier(text);
  if (key.type !== SIGNATURE.cosignature)
    throw new Error(
      `this is the key of ${key.name}, not of a witness: expected the line in its ${WITNESS_PUBLIC_KEY_FILE}`,
    );
  return key;
};

/** What follows a witness's name in that of its key. */
const SUFFIX = '/shrike/witness';

/** The name of a witness's key, made of the witness's own. */
export const witnessKeyName = (name: string): string => `${name.replace(/[^\p{L}\p{N}._-]+/gu, '_')}${SUFFIX}`;

/** A witness's key, and whether it was made just now. */
export interface WitnessKey {
  readonly signer: Signer;
  readonly isNew: boolean;
}

/** The key in a witness's folder, made where there is none. @throws Error that names the file and the remedy */
export const openWitnessKey = async (folder: string, name: string): Promise<WitnessKey> => {
  const path = join(folder, KEY_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (!isMissing(error)) throw new Error(`${path} can't be read: ${(error as Error).message}`);
    const signer = createSigner(witnessKeyName(name), SIGNATURE.cosignature);
    await replaceFile(folder, KEY_FILE, `${signer.secret}\n`);
    await replaceFile(folder, WITNESS_PUBLIC_KEY_FILE, `${signer.verifier.text}\n`);
    return { signer, isNew: true };
  }
  const { mode } = lstatSync(path);
  if ((mode & OTHERS) !== 0)
    throw new Error(
      `${path} is open to other users (mode ${(mode & 0o777).toString(8)}): "chmod 600 ${path}", and begin in a new folder if anybody may have read it`,
    );
  const signer = parsedFrom(path, text, parseSigner);
  if (signer.verifier.type !== SIGNATURE.cosignature || signer.verifier.name !== witnessKeyName(name))
    throw new Error(
      `${path} is the key of ${signer.verifier.name}, and this witness would be ${witnessKeyName(name)}: give the name with --name, or another folder with --state`,
    );
  await replaceFile(folder, WITNESS_PUBLIC_KEY_FILE, `${signer.verifier.text}\n`);
  return { signer, isNew: false };
};
