import * as crypto from 'node:crypto';
import { createHash } from 'node:crypto';

/** Bytes of a hash. */
export const HASH_BYTES = 32;

/**
 * A hash as text of 32 characters from U+0000 to U+00FF, one a byte (Latin-1). Node hands over text in a third of the time that bytes take, which is most of
 * what the hash of something short costs.
 */
export type HashText = string;

/** SHA-256 in one call where Node has it (from 20.12 on). */
const sha256: (bytes: Uint8Array) => HashText =
  typeof crypto.hash === 'function'
    ? (bytes) => crypto.hash('sha256', bytes, 'binary')
    : (bytes) => createHash('sha256').update(bytes).digest('binary');

const bytesOf = (hash: HashText): Uint8Array => Buffer.from(hash, 'latin1');

/** The hash of an empty tree (RFC 6962, section 2.1). */
export const EMPTY_ROOT: Uint8Array = bytesOf(sha256(new Uint8Array(0)));

const LEAF = 0;
const NODE = 1;

let leafSpace = new Uint8Array(4096);
const nodeSpace = new Uint8Array(1 + 2 * HASH_BYTES);
nodeSpace[0] = NODE;

/** The hash of a leaf: SHA-256 of 0x00 and its bytes (RFC 6962, section 2.1). */
export const leafHash = (leaf: Uint8Array): Uint8Array => {
  if (leafSpace.length <= leaf.length) leafSpace = new Uint8Array(2 * (leaf.length + 1));
  leafSpace[0] = LEAF;
  leafSpace.set(leaf, 1);
  return bytesOf(sha256(leafSpace.subarray(0, leaf.length + 1)));
};

/** The hash of the leaf that lies in `bytes` from `from`, at least 1, up to `to`; the byte before it is written over. */
export const leafHashIn = (bytes: Uint8Array, from: number, to: number): HashText => {
  bytes[from - 1] = LEAF;
  return sha256(bytes.subarray(from - 1, to));
};

/** The hash of a node: SHA-256 of 0x01 and the hashes of its two children (RFC 6962, section 2.1). */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => {
  nodeSpace.set(left, 1);
  nodeSpace.set(right, 1 + HASH_BYTES);
  return bytesOf(sha256(nodeSpace));
};

/** Computes the root over rows of up to `most` hashes, a power of two, where they lie, without an allocation a node. */
export const createRowRoot = (most: number): ((hashes: Uint8Array) => Uint8Array) => {
  /** The row behind one byte: the byte before each pair is free for the prefix, as the pair before it is done with. */
  const space = Buffer.alloc(1 + most * HASH_BYTES);
  const pairs = Array.from({ length: most / 2 }, (_, at) =>
    space.subarray(2 * at * HASH_BYTES, 1 + 2 * (at + 1) * HASH_BYTES),
  );
  return (hashes) => {
    space.set(hashes, 1);
    for (let left = hashes.length / HASH_BYTES / 2; left >= 1; left /= 2) {
      for (let at = 0; at < left; at++) {
        const pair = pairs[at]!;
        pair[0] = NODE;
        space.write(sha256(pair), 1 + at * HASH_BYTES, 'latin1');
      }
    }
    return Uint8Array.from(space.subarray(1, 1 + HASH_BYTES));
  };
};

export const sameHash = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;
