import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSigner, parseSigner, parseVerifier, type Signer, type Verifier } from '../transparency/key.ts';
import { isMissing, withRemedy } from './remedy.ts';
import { replaceFile } from './replace-file.ts';
import { type Rotation, readRotations } from './rotations.ts';
import { CHECKPOINT_FILE } from './seal.ts';

/** The file of a log's private key, mode 0600. */
export const KEY_FILE = 'log.key';
/** The file of a log's public key: one line, as people hand it on (C2SP signed-note). */
export const PUBLIC_KEY_FILE = 'log.pub';

const OTHERS = 0o077;

/** A new log's name: who signs it, and what its checkpoints are of. Blanks and plus signs of the host's name become `_`. */
const newOrigin = (host: string): string =>
  `${host.replace(/[^\p{L}\p{N}._-]+/gu, '_')}/shrike/${randomBytes(4).toString('hex')}`;

/** A file's text; undefined where there is none. @throws Error with a remedy */
const textOf = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new Error(withRemedy(error));
  }
};

/** Reads a key's file. @throws Error that names the file and what is wrong with it */
export const parsedFrom = <Key>(path: string, text: string, parse: (text: string) => Key): Key => {
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
};

/** A log's public key; undefined where its folder has none. @throws Error where it is none */
export const readPublicKey = (folder: string): Verifier | undefined => {
  const path = join(folder, PUBLIC_KEY_FILE);
  const text = textOf(path);
  return text === undefined ? undefined : parsedFrom(path, text, parseVerifier);
};

const readPrivateKey = (path: string): Signer | undefined => {
  const text = textOf(path);
  if (text === undefined) return undefined;
  const { mode } = lstatSync(path);
  if ((mode & OTHERS) !== 0)
    throw new Error(
      `${path} is open to other users (mode ${(mode & 0o777).toString(8)}), and who reads it can sign another log in this one's place: chmod 600 it, and rotate it ("shrike audit rotate-key") if anybody may have read it`,
    );
  return parsedFrom(path, text, parseSigner);
};

/** Writes a log's key, the private part first. */
export const writeLogKey = async (folder: string, { secret, verifier }: Signer): Promise<void> => {
  await replaceFile(folder, KEY_FILE, `${secret}\n`);
  await replaceFile(folder, PUBLIC_KEY_FILE, `${verifier.text}\n`);
};

/**
 * The key that signs the log in a folder: made, with a name for the log, where nothing was signed there yet. @throws Error with a remedy where it can't be
 * read, is open to others, is gone, or is not the one that belongs to the log
 */
export const openLogKey = async (folder: string, host: string): Promise<Signer> => {
  const path = join(folder, KEY_FILE);
  const signer = readPrivateKey(path);
  const known = readPublicKey(folder);
  if (signer === undefined) {
    const left = [PUBLIC_KEY_FILE, CHECKPOINT_FILE, 'tile'].find((name) => readdirSync(folder).includes(name));
    if (left !== undefined)
      throw new Error(
        `${path} is missing, but ${join(folder, left)} is there, so that this log was signed before: put its key back, or give the agent another folder`,
      );
    const made = createSigner(newOrigin(host));
    await writeLogKey(folder, made);
    return made;
  }
  if (known?.text === signer.verifier.text) return signer;
  const isRotated = ({ from, to }: Rotation): boolean => from.text === known?.text && to.text === signer.verifier.text;
  if (known !== undefined && !readRotations(folder).rotations.some(isRotated))
    throw new Error(
      `${path} is not the key of ${join(folder, PUBLIC_KEY_FILE)}: it is of ${signer.verifier.name} (${Buffer.from(signer.verifier.id).toString('hex')}), not ${known.name} (${Buffer.from(known.id).toString('hex')}); put the right one there`,
    );
  await replaceFile(folder, PUBLIC_KEY_FILE, `${signer.verifier.text}\n`);
  return signer;
};
