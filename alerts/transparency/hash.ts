import * as crypto from 'node:crypto';
import { createHash } from 'node:crypto';

/** Bytes of a hash. */
export const HASH_BYTES = 32;

/** SHA-256 in one call where Node has it (from 20.12 on), which is twice as fast for what is short. */
const sha256: (bytes: Uint8Array) => Uint8Array =
  typeof crypto.hash === 'function'
    ? (bytes) => crypto.hash('sha256', bytes, 'buffer')
    : (bytes) => createHash('sha256').update(bytes).digest();

/** The hash of an empty tree (RFC 6962, section 2.1). */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0));

let leafSpace = new Uint8Array(4096);
const nodeSpace = new Uint8Array(1 + 2 * HASH_BYTES);
nodeSpace[0] = 1;

/** The hash of a leaf: SHA-256 of 0x00 and its bytes (RFC 6962, section 2.1). */
export const leafHash = (leaf: Uint8Array): Uint8Array => {
  if (leafSpace.length <= leaf.length) leafSpace = new Uint8Array(2 * (leaf.length + 1));
  leafSpace.set(leaf, 1);
  return sha256(leafSpace.subarray(0, leaf.length + 1));
};

/** The hash of a node: SHA-256 of 0x01 and the hashes of its two children (RFC 6962, section 2.1). */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => {
  nodeSpace.set(left, 1);
  nodeSpace.set(right, 1 + HASH_BYTES);
  return sha256(nodeSpace);
};

export const sameHash = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;
