import { EMPTY_ROOT, HASH_BYTES, nodeHash } from './hash.ts';
import { TILE_HEIGHT, TILE_WIDTH, type Tile } from './tile.ts';

/** Gives a tile's hashes, one behind the other; a wider one of the same place will do. @throws Error that names the tile where there is none */
export type TileReader = (tile: Tile) => Uint8Array;

/** The hashes of a tree of a given size. */
export interface Tree {
  readonly size: number;
  root(): Uint8Array;
  /** Hash of leaf `index`, from 0. */
  leaf(index: number): Uint8Array;
  /** What shows that leaf `index` is in the tree (RFC 6962, section 2.1.1). @throws RangeError where it isn't */
  inclusion(index: number): readonly Uint8Array[];
  /** What shows that the tree of `smaller` leaves is this one's beginning (RFC 6962, section 2.1.2). @throws RangeError */
  consistency(smaller: number): readonly Uint8Array[];
}

/** The largest power of two below a number of leaves, from 2. */
const splitOf = (leaves: number): number => {
  let split = 1;
  while (2 * split < leaves) split *= 2;
  return split;
};

/** How many levels a complete tree of that many leaves has below its root; undefined where it isn't complete. */
const heightOf = (leaves: number): number | undefined => {
  const height = Math.log2(leaves);
  return Number.isInteger(height) ? height : undefined;
};

/** The root that a log had when it had `earlier` of its `size` entries, from the tiles that it has now. */
export const rootOfFirst = (earlier: number, size: number, read: TileReader): Uint8Array =>
  treeOf(earlier, ({ level, index }) => {
    const wide = Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH;
    return read({ level, index, width: Math.min(TILE_WIDTH, wide) });
  }).root();

/** A tree by its tiles, which are read as they are needed. */
export const treeOf = (size: number, read: TileReader): Tree => {
  const hashAt = (level: number, index: number): Uint8Array => {
    const tile = Math.floor(index / TILE_WIDTH);
    const wide = Math.floor(size / TILE_WIDTH ** level) - tile * TILE_WIDTH;
    const hashes = read({ level, index: tile, width: Math.min(TILE_WIDTH, wide) });
    const at = (index % TILE_WIDTH) * HASH_BYTES;
    return hashes.subarray(at, at + HASH_BYTES);
  };
  /** The hash of the complete tree over the leaves `index * 2^height` on. */
  const complete = (height: number, index: number): Uint8Array =>
    height % TILE_HEIGHT === 0
      ? hashAt(height / TILE_HEIGHT, index)
      : nodeHash(complete(height - 1, 2 * index), complete(height - 1, 2 * index + 1));
  const range = (from: number, to: number): Uint8Array => {
    const height = heightOf(to - from);
    if (height !== undefined) return complete(height, from / 2 ** height);
    const split = from + splitOf(to - from);
    return nodeHash(range(from, split), range(split, to));
  };
  const path = (index: number, from: number, to: number): Uint8Array[] => {
    if (to - from === 1) return [];
    const split = from + splitOf(to - from);
    return index < split
      ? [...path(index, from, split), range(split, to)]
      : [...path(index, split, to), range(from, split)];
  };
  /** `isWhole`: the smaller tree covers what is at hand as a whole, so that its hash is known to who asks. */
  const proof = (smaller: number, from: number, to: number, isWhole: boolean): Uint8Array[] => {
    if (smaller === to) return isWhole ? [] : [range(from, to)];
    const split = from + splitOf(to - from);
    return smaller <= split
      ? [...proof(smaller, from, split, isWhole), range(split, to)]
      : [...proof(smaller, split, to, false), range(from, split)];
  };
  const inRange = (index: number): void => {
    if (!Number.isInteger(index) || index < 0 || index >= size)
      throw new RangeError(`leaf ${index} is not in a tree of ${size} leaves`);
  };
  return {
    size,
    root: () => (size === 0 ? EMPTY_ROOT : range(0, size)),
    leaf: (index) => {
      inRange(index);
      return hashAt(0, index);
    },
    inclusion: (index) => {
      inRange(index);
      return path(index, 0, size);
    },
    consistency: (smaller) => {
      if (!Number.isInteger(smaller) || smaller < 0 || smaller > size)
        throw new RangeError(`a tree of ${smaller} leaves is not the beginning of one of ${size}`);
      return smaller === 0 ? [] : proof(smaller, 0, size, true);
    },
  };
};
