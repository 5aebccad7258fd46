import { HASH_BYTES } from './hash.ts';
import type { Signer, Verifier } from './key.ts';
import { checkSignature, type Note, parseNote, signNote } from './note.ts';

/** What a log says of itself at a moment: so many entries, with this root (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Which log. */
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

export const checkpointText = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`;

/** A checkpoint as a note that the log signs, in the name of its origin. */
export const signCheckpoint = (checkpoint: Omit<Checkpoint, 'origin'>, signer: Signer): string =>
  signNote(checkpointText({ ...checkpoint, origin: signer.verifier.name }), signer);

const SIZE = /^(0|[1-9][0-9]{0,15})$/;

const bodyOf = (text: string): Checkpoint | undefined => {
  const [origin = '', size = '', encoded = '', ...rest] = text.slice(0, -1).split('\n');
  const root = Buffer.from(encoded, 'base64');
  const isWhole = origin !== '' && SIZE.test(size) && root.length === HASH_BYTES && root.toString('base64') === encoded;
  if (!isWhole || !Number.isSafeInteger(Number(size)) || rest.includes('')) return undefined;
  return { origin, size: Number(size), root };
};

/** A checkpoint as it was found: its note, for those who look at its signatures. */
export interface FoundCheckpoint extends Checkpoint {
  readonly note: Note;
}

/** Reads a checkpoint, whoever signed it. @throws Error that says what is wrong */
export const parseCheckpoint = (text: string): FoundCheckpoint => {
  const note = parseNote(text);
  const body = bodyOf(note.text);
  if (body === undefined)
    throw new Error('not a checkpoint: expected the lines of an origin, a size and a root hash of 32 bytes in base64');
  return { ...body, note };
};

/** Reads a checkpoint that the given key must have signed in the name of its origin. @throws Error that says what is wrong */
export const openCheckpoint = (text: string, verifier: Verifier): FoundCheckpoint => {
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== verifier.name)
    throw new Error(`the checkpoint is of the log ${checkpoint.origin}, the key of ${verifier.name}`);
  const found = checkSignature(checkpoint.note, verifier);
  if (found === 'unsigned')
    throw new Error(`no signature of the checkpoint is of the key ${verifier.text}: another key has signed it`);
  if (found === 'forged')
    throw new Error(`the checkpoint's signature in the name of ${verifier.name} is not of its key: it was changed`);
  return checkpoint;
};
