import { EMPTY_ROOT, nodeHash, sameHash } from './hash.ts';

const isOdd = (number: number): boolean => number % 2 === 1;
const half = (number: number): number => Math.floor(number / 2);

export interface InclusionProof {
  /** From 0. */
  readonly index: number;
  readonly size: number;
  /** The leaf's hash. */
  readonly leaf: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2); undefined where its path has the wrong length. */
export const rootOfInclusion = ({ index, size, leaf, path }: InclusionProof): Uint8Array | undefined => {
  if (index < 0 || index >= size) return undefined;
  let [node, last] = [index, size - 1];
  let root = leaf;
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (isOdd(node) || node === last) {
      root = nodeHash(sibling, root);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      root = nodeHash(root, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 ? root : undefined;
};

/** Two trees of a log by their sizes and roots, the smaller first, and what is said to show that one begins with the other. */
export interface ConsistencyProof {
  readonly from: number;
  readonly fromRoot: Uint8Array;
  readonly to: number;
  readonly toRoot: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** Whether a proof shows that the larger tree begins with the smaller one (RFC 9162, section 2.1.4.2). */
export const isConsistent = ({ from, fromRoot, to, toRoot, path }: ConsistencyProof): boolean => {
  if (from < 0 || from > to) return false;
  if (from === to) return path.length === 0 && sameHash(fromRoot, toRoot);
  if (from === 0) return path.length === 0 && sameHash(fromRoot, EMPTY_ROOT);
  const isComplete = Number.isInteger(Math.log2(from));
  const [first, ...rest] = isComplete ? [fromRoot, ...path] : path;
  if (first === undefined) return false;
  let [node, last] = [from - 1, to - 1];
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  let [old, now] = [first, first];
  for (const hash of rest) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      old = nodeHash(hash, old);
      now = nodeHash(hash, now);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      now = nodeHash(now, hash);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && sameHash(old, fromRoot) && sameHash(now, toRoot);
};
