import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';

/** Types of signatures (C2SP signed-note and tlog-cosignature). */
export const SIGNATURE = { ed25519: 0x01, cosignature: 0x04 } as const;
export type SignatureType = (typeof SIGNATURE)[keyof typeof SIGNATURE];

const KEY_BYTES = 32;
/** What stands before a key's 32 bytes in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410, section 7 and 4). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** Who signs: checks signatures of one name and key. */
export interface Verifier {
  readonly name: string;
  readonly type: SignatureType;
  /** The first 4 bytes of SHA-256 of name, newline, type and key (C2SP signed-note). */
  readonly id: Uint8Array;
  /** As people hand it on: `<name>+<id>+<base64 of type and key>`. */
  readonly text: string;
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/** Signs in one name, with a key that stays here. */
export interface Signer {
  readonly verifier: Verifier;
  /** As Go's sumdb/note keeps it: `PRIVATE+KEY+<name>+<id>+<base64 of type and seed>`. */
  readonly secret: string;
  sign(message: Uint8Array): Uint8Array;
}

const idOf = (name: string, type: number, key: Uint8Array): Uint8Array =>
  createHash('sha256').update(`${name}\n`).update(Uint8Array.of(type)).update(key).digest().subarray(0, 4);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Names have no blanks and no plus, so that lines and keys can be taken apart. */
export const isKeyName = (name: string): boolean => name !== '' && !/[\s+\p{Z}]/u.test(name);

const verifierOf = (name: string, type: SignatureType, raw: Uint8Array): Verifier => {
  const key = createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' });
  const id = idOf(name, type, raw);
  return {
    name,
    type,
    id,
    text: `${name}+${hex(id)}+${Buffer.concat([Uint8Array.of(type), raw]).toString('base64')}`,
    verify: (message, signature) => signature.length === 64 && verify(null, message, key, signature),
  };
};

const rawPublic = (key: KeyObject): Uint8Array =>
  createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI.length);

const signerOf = (name: string, type: SignatureType, key: KeyObject): Signer => {
  const verifier = verifierOf(name, type, rawPublic(key));
  const seed = key.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8.length);
  const material = Buffer.concat([Uint8Array.of(type), seed]).toString('base64');
  return {
    verifier,
    secret: `PRIVATE+KEY+${name}+${hex(verifier.id)}+${material}`,
    sign: (message) => sign(null, message, key),
  };
};

/** Makes a new key. @throws Error on a name that has blanks or a plus */
export const createSigner = (name: string, type: SignatureType = SIGNATURE.ed25519): Signer => {
  if (!isKeyName(name)) throw new Error(`a key's name has no blanks and no "+": ${JSON.stringify(name)} won't do`);
  return signerOf(name, type, generateKeyPairSync('ed25519').privateKey);
};

interface KeyText {
  readonly name: string;
  readonly id: string;
  readonly type: SignatureType;
  readonly material: Uint8Array;
}

const takeApart = (text: string): KeyText | undefined => {
  const parts = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text);
  const [, name = '', id = '', encoded = ''] = parts ?? [];
  const [type, ...material] = Buffer.from(encoded, 'base64');
  const known = Object.values(SIGNATURE).find((each) => each === type);
  if (!isKeyName(name) || known === undefined || material.length !== KEY_BYTES) return undefined;
  return { name, id, type: known, material: Uint8Array.from(material) };
};

/** Reads a public key as people hand it on. @throws Error that says what is expected */
export const parseVerifier = (text: string): Verifier => {
  const key = takeApart(text.trim());
  const verifier = key && verifierOf(key.name, key.type, key.material);
  if (verifier === undefined || hex(verifier.id) !== key?.id)
    throw new Error('not a public key: expected NAME+ID+BASE64, as the file of a public key has it, copied whole');
  return verifier;
};

const PRIVATE = 'PRIVATE+KEY+';

/** Reads a private key. @throws Error that says what is expected, without the key */
export const parseSigner = (text: string): Signer => {
  const trimmed = text.trim();
  const key = trimmed.startsWith(PRIVATE) ? takeApart(trimmed.slice(PRIVATE.length)) : undefined;
  const signer =
    key &&
    signerOf(
      key.name,
      key.type,
      createPrivateKey({ key: Buffer.concat([PKCS8, key.material]), format: 'der', type: 'pkcs8' }),
    );
  if (signer === undefined || hex(signer.verifier.id) !== key?.id)
    throw new Error('not a private key: expected PRIVATE+KEY+NAME+ID+BASE64 with the ID that fits');
  return signer;
};
