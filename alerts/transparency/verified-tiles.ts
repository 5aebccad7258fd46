import { join } from 'node:path';
import { HASH_BYTES, sameHash } from './hash.ts';
import { rootOfTile, TILE_WIDTH, type Tile, tilePath } from './tile.ts';
import { type TileReader, treeOf } from './tree.ts';

/** Tiles of a tree that are known to lead to its root. */
export interface VerifiedTiles {
  /** The hashes of a level 0 tile. @throws Error that names the tile that was changed or is missing */
  leaves(index: number): Uint8Array;
}

/** Parents that are kept at hand, a level each. */
interface Verified {
  readonly index: number;
  readonly hashes: Uint8Array;
}

/**
 * Checks tiles against the root that a log has signed, each against the one above it, the topmost ones together against the root.
 * @param folder for messages @throws Error where they don't lead to the root
 */
export const verifyTiles = (size: number, root: Uint8Array, read: TileReader, folder: string): VerifiedTiles => {
  if (!sameHash(treeOf(size, read).root(), root))
    throw new Error(
      `the tiles in ${join(folder, 'tile')} don't lead to the root that was signed for ${size} entries: entries were rewritten, and their hashes with them`,
    );
  const verified: (Verified | undefined)[] = [];
  const tileOf = (level: number, index: number): Tile => {
    const wide = Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH;
    return { level, index, width: Math.min(TILE_WIDTH, wide) };
  };
  const get = (level: number, index: number): Uint8Array => {
    const known = verified[level];
    if (known?.index === index) return known.hashes;
    const tile = tileOf(level, index);
    const hashes = read(tile);
    if (tile.width === TILE_WIDTH) {
      const above = get(level + 1, Math.floor(index / TILE_WIDTH));
      const at = (index % TILE_WIDTH) * HASH_BYTES;
      if (!sameHash(rootOfTile(hashes), above.subarray(at, at + HASH_BYTES)))
        throw new Error(`${join(folder, tilePath(tile))} was changed: it doesn't lead to the hash above it`);
    }
    verified[level] = { index, hashes };
    return hashes;
  };
  return { leaves: (index) => get(0, index) };
};
