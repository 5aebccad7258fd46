import { createRowRoot, HASH_BYTES } from './hash.ts';

/** Levels of the tree that a tile spans. */
export const TILE_HEIGHT = 8;
/** Hashes of a full tile. */
export const TILE_WIDTH = 2 ** TILE_HEIGHT;
/** Bytes of a full tile. */
export const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

/** The hash over a full tile. */
export const rootOfTile: (hashes: Uint8Array) => Uint8Array = createRowRoot(TILE_WIDTH);

/** Where a tile lies (C2SP tlog-tiles): hashes `index * 256` on of the tree's level `8 * level`, `width` of them. */
export interface Tile {
  readonly level: number;
  readonly index: number;
  /** 1 to 256; below it is a partial one. */
  readonly width: number;
}

/** A tile's path below a log's folder: `tile/0/x001/234`, with `.p/112` where it is partial (C2SP tlog-tiles). */
export const tilePath = ({ level, index, width }: Tile): string => {
  const groups: string[] = [];
  for (let rest = index; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1000))
    groups.unshift(String(rest % 1000).padStart(3, '0'));
  const last = groups.pop();
  const folders = groups.map((group) => `x${group}/`).join('');
  return `tile/${level}/${folders}${last}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
};

/** The tiles that a tree has beyond those of a smaller one of the same log: what a log writes when it grows. */
export const newTiles = (from: number, to: number): readonly Tile[] => {
  const tiles: Tile[] = [];
  let [before, now] = [from, to];
  for (let level = 0; now > 0; level++) {
    if (now > before)
      for (let index = Math.floor(before / TILE_WIDTH); index * TILE_WIDTH < now; index++)
        tiles.push({ level, index, width: Math.min(TILE_WIDTH, now - index * TILE_WIDTH) });
    before = Math.floor(before / TILE_WIDTH);
    now = Math.floor(now / TILE_WIDTH);
  }
  return tiles;
};
