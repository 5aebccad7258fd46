import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Option } from 'commander';
import {
  type FoundCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  parseLogKey,
  parseWitnessKey,
  readPublicKey,
  type Verifier,
} from '../alerts/index.ts';
import { CliError, EXIT, messageOf } from './exit.ts';

/** The folder of a log, if it is one. @throws CliError */
export const logFolder = (folder: string): string => {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return folder;
  throw new CliError(
    `${folder}: there is no such folder; give the folder of an audit log, which "shrike run" prints at its end`,
    EXIT.usage,
  );
};

/** A file's text. @throws CliError */
export const textIn = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`${path} can't be read: ${messageOf(error)}`, EXIT.usage);
  }
};

/** A public key, a log's where nothing else is said: a file that has it, or the key itself. @throws CliError */
export const keyOf = (given: string, parse: (text: string) => Verifier = parseLogKey): Verifier => {
  const isKey = /^[^+]+\+[0-9a-f]{8}\+/.test(given);
  const text = isKey ? given : textIn(given);
  try {
    return parse(text);
  } catch (error) {
    throw new CliError(`${isKey ? 'the key that was given' : given}: ${messageOf(error)}`, EXIT.usage);
  }
};

/** The key that a log is checked with, and whether it came from elsewhere than the log's own folder. @throws CliError */
export const trustedKey = (
  folder: string,
  given: string | undefined,
): { readonly key: Verifier; readonly isOwn: boolean } => {
  if (given !== undefined) return { key: keyOf(given), isOwn: false };
  try {
    const key = readPublicKey(folder);
    if (key !== undefined) return { key, isOwn: true };
  } catch (error) {
    throw new CliError(messageOf(error), EXIT.usage);
  }
  throw new CliError(
    `${join(folder, 'log.pub')} is missing: give the log's public key with --key, from a file or as it is`,
    EXIT.usage,
  );
};

export const keyOption = (): Option =>
  new Option(
    '--key <key>',
    "the log's public key, or a file that has it (default: log.pub in the folder, which proves less)",
  );

/** What was said of the key that a result hangs on. */
export const OWN_KEY =
  "checked with the key in the log's own folder, which whoever rewrites a log can replace: --key with one that is kept elsewhere shows more";

/** A checkpoint that somebody kept, which one of a log's keys must have signed. @throws CliError */
export const keptCheckpoint = (path: string, keys: readonly Verifier[]): FoundCheckpoint => {
  const text = textIn(path);
  const open = (): FoundCheckpoint => {
    const { note } = parseCheckpoint(text);
    const signer = keys.find((key) =>
      note.signatures.some(({ name, id }) => name === key.name && Buffer.compare(id, key.id) === 0),
    );
    return openCheckpoint(text, signer ?? keys[0]!);
  };
  try {
    return open();
  } catch (error) {
    throw new CliError(`${path}: ${messageOf(error)}`, EXIT.usage);
  }
};

/** The public key of a witness. @throws CliError */
export const witnessOf = (given: string): Verifier => keyOf(given, parseWitnessKey);

/** When a witness cosigned, for people. */
export const cosignedText = (seconds: number): string => new Date(1_000 * seconds).toISOString().replace('.000', '');
