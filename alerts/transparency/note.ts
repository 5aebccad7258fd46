import { isKeyName, type Signer, type Verifier } from './key.ts';

/** A line of a note that signs its text. */
export interface NoteSignature {
  readonly name: string;
  /** Of the key: 4 bytes. */
  readonly id: Uint8Array;
  readonly signature: Uint8Array;
}

/** A text with its signatures (C2SP signed-note), which nobody has checked yet. */
export interface Note {
  /** With its last newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Notes that are longer are refused. */
const MOST_BYTES = 1_000_000;
const MOST_SIGNATURES = 100;
const SIGNATURE_LINE = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u;

/** A line that signs; `signature` is what the key's type wants. */
export const signatureLine = ({ name, id }: Verifier, signature: Uint8Array): string =>
  `— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`;

/** A text, which must end in a newline, with signatures of the given. */
export const signNote = (text: string, ...signers: readonly Signer[]): string => {
  const message = Buffer.from(text);
  return `${text}\n${signers.map(({ verifier, sign }) => signatureLine(verifier, sign(message))).join('')}`;
};

/** Whose signature a line has: name and id of the key, as text. */
const signerOf = (line: string): string => {
  const [, name = '', encoded = ''] = SIGNATURE_LINE.exec(line) ?? [];
  return `${name} ${Buffer.from(encoded, 'base64').toString('hex', 0, 4)}`;
};

/** A note with further lines of {@link signatureLine}, in the place of those that the same keys have there already. */
export const withSignature = (note: string, lines: string): string => {
  const added = new Set(lines.trimEnd().split('\n').map(signerOf));
  const start = note.lastIndexOf('\n\n') + 2;
  const kept = note
    .slice(start)
    .split('\n')
    .filter((line) => line !== '' && !added.has(signerOf(line)));
  return `${note.slice(0, start)}${kept.map((line) => `${line}\n`).join('')}${lines}`;
};

const isPlain = (text: string): boolean =>
  [...text].every(
    (character) => character === '\n' || (character >= ' ' && character !== '\x7f' && character !== '\ufffd'),
  );

/** Takes a note apart. @throws Error that says what is wrong with it */
export const parseNote = (note: string): Note => {
  if (note.length > MOST_BYTES) throw new Error(`not a signed note: it is longer than ${MOST_BYTES} bytes`);
  if (!isPlain(note)) throw new Error('not a signed note: it has control characters, or is not UTF-8');
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n'))
    throw new Error('not a signed note: expected a text, an empty line and signatures, each line ended');
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MOST_SIGNATURES) throw new Error(`not a signed note: more than ${MOST_SIGNATURES} signatures`);
  const signatures = lines.map((line): NoteSignature => {
    const [, name = '', encoded = ''] = SIGNATURE_LINE.exec(line) ?? [];
    const bytes = Buffer.from(encoded, 'base64');
    if (!isKeyName(name) || bytes.length < 5 || bytes.toString('base64') !== encoded)
      throw new Error(`not a signed note: ${JSON.stringify(line)} is no signature`);
    return { name, id: bytes.subarray(0, 4), signature: bytes.subarray(4) };
  });
  return { text: note.slice(0, split + 1), signatures };
};

/** The signatures of a note that are said to be a verifier's. */
export const signaturesOf = ({ signatures }: Note, { name, id }: Verifier): readonly NoteSignature[] =>
  signatures.filter((signature) => signature.name === name && Buffer.compare(signature.id, id) === 0);

/** `signed`, `unsigned` where none claims to be the verifier's, `forged` where one claims so and isn't. */
export const checkSignature = (note: Note, verifier: Verifier): 'signed' | 'unsigned' | 'forged' => {
  const own = signaturesOf(note, verifier);
  if (own.length === 0) return 'unsigned';
  const message = Buffer.from(note.text);
  return own.every(({ signature }) => verifier.verify(message, signature)) ? 'signed' : 'forged';
};
