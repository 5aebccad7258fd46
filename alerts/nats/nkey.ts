import { natsClient } from './client.ts';

/** A user's key pair: whoever has the seed is the user; a server's configuration names the public key. */
export interface UserKey {
  /** 58 characters, `SU...`. */
  readonly seed: string;
  /** 56 characters, `U...`. */
  readonly publicKey: string;
}

/** A new ed25519 key pair of a user. */
export const createUserKey = (): UserKey => {
  const pair = natsClient().nkeys.createUser();
  return { seed: new TextDecoder().decode(pair.getSeed()), publicKey: pair.getPublicKey() };
};

/** The public key of a user's seed, undefined for what is no such seed. */
export const publicKeyOf = (seed: string): string | undefined => {
  try {
    const key = natsClient().nkeys.fromSeed(new TextEncoder().encode(seed)).getPublicKey();
    return key.startsWith('U') ? key : undefined;
  } catch {
    return undefined;
  }
};

/** Whether a text is the public key of a user, its checksum included. */
export const isUserPublicKey = (text: string): boolean => {
  try {
    return text.startsWith('U') && natsClient().nkeys.fromPublic(text).getPublicKey() === text;
  } catch {
    return false;
  }
};

/** Where answers for a user are sent; no other user may listen there. */
export const inboxPrefixOf = (publicKey: string): string => `_INBOX.${publicKey}`;
