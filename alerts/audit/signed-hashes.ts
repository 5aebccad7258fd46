import { HASH_BYTES, type HashText } from '../transparency/hash.ts';
import { TILE_WIDTH } from '../transparency/tile.ts';
import type { VerifiedTiles } from '../transparency/verified-tiles.ts';
import type { AuditFinding } from './finding.ts';

/** The hashes of the entries that a checkpoint signs. */
export interface SignedHashes {
  readonly size: number;
  /** Whether an entry has this hash; undefined where its tile is bad, or there is no such entry. */
  has(seq: number, hash: HashText): boolean | undefined;
  /** Looks at the tiles of the entries before `seq`. */
  checkBefore(seq: number): void;
}

/** @param onBad called once for each tile that isn't as it was signed */
export const createSignedHashes = (
  size: number,
  tiles: VerifiedTiles,
  onBad: (finding: AuditFinding) => void,
): SignedHashes => {
  /** The tile that was looked at last, as one text. */
  let atHand: { readonly tile: number; readonly hashes: HashText | undefined } = { tile: -1, hashes: undefined };
  const bad = new Set<number>();
  const read = (tile: number): HashText | undefined => {
    if (bad.has(tile)) return undefined;
    try {
      return Buffer.from(tiles.leaves(tile)).toString('latin1');
    } catch (error) {
      bad.add(tile);
      const first = tile * TILE_WIDTH + 1;
      const last = Math.min(size, first + TILE_WIDTH - 1);
      const message = `${(error as Error).message}; entries ${first} to ${last} can't be checked`;
      onBad({ code: 'tile', first, last, message });
      return undefined;
    }
  };
  const hashesOf = (tile: number): HashText | undefined => {
    if (atHand.tile !== tile) atHand = { tile, hashes: read(tile) };
    return atHand.hashes;
  };
  return {
    size,
    has: (seq, hash) => {
      if (seq < 1 || seq > size) return undefined;
      const index = seq - 1;
      return hashesOf(Math.floor(index / TILE_WIDTH))?.startsWith(hash, (index % TILE_WIDTH) * HASH_BYTES);
    },
    checkBefore: (seq) => {
      const end = Math.min(seq - 1, size);
      for (let tile = 0; tile * TILE_WIDTH < end; tile++) hashesOf(tile);
    },
  };
};
