import { HASH_BYTES } from './hash.ts';
import { rootOfTile, TILE_BYTES, TILE_WIDTH } from './tile.ts';
import type { FilledTile } from './tile-folder.ts';
import { type TileReader, treeOf } from './tree.ts';

/** The right edge of a growing tree: the tiles that are not full, and those that have become full since they were last taken. */
export interface Edge {
  readonly size: number;
  /** Takes the next leaf's hash. */
  add(leaf: Uint8Array): void;
  root(): Uint8Array;
  /** The tiles that have grown since the last call, lowest and first ones first. */
  takeTiles(): readonly FilledTile[];
}

/** The tile at the right end of one level. */
interface Open {
  hashes: Uint8Array;
  /** Hashes of the level, in this tile and all before it. */
  count: number;
  hasGrown: boolean;
}

/** The edge of a tree that has `size` leaves already; its tiles are read. @throws Error where one is missing */
export const createEdge = (size: number, read: TileReader): Edge => {
  const levels: Open[] = [];
  let full: FilledTile[] = [];
  for (let count = size, level = 0; count > 0; count = Math.floor(count / TILE_WIDTH), level++) {
    const hashes = new Uint8Array(TILE_BYTES);
    const width = count % TILE_WIDTH;
    if (width > 0)
      hashes.set(read({ level, index: Math.floor(count / TILE_WIDTH), width }).subarray(0, width * HASH_BYTES));
    levels.push({ hashes, count, hasGrown: false });
  }

  const put = (level: number, hash: Uint8Array): void => {
    levels[level] ??= { hashes: new Uint8Array(TILE_BYTES), count: 0, hasGrown: false };
    const open = levels[level];
    open.hashes.set(hash, (open.count % TILE_WIDTH) * HASH_BYTES);
    open.count++;
    open.hasGrown = true;
    if (open.count % TILE_WIDTH > 0) return;
    full.push({ level, index: open.count / TILE_WIDTH - 1, width: TILE_WIDTH, hashes: open.hashes });
    const above = rootOfTile(open.hashes);
    open.hashes = new Uint8Array(TILE_BYTES);
    open.hasGrown = false;
    put(level + 1, above);
  };
  const sizeNow = (): number => levels[0]?.count ?? 0;

  return {
    get size() {
      return sizeNow();
    },
    add: (leaf) => put(0, leaf),
    root: () => treeOf(sizeNow(), ({ level }) => levels[level]!.hashes).root(),
    takeTiles: () => {
      const partial = levels.flatMap(({ hashes, count, hasGrown }, level): FilledTile[] => {
        const width = count % TILE_WIDTH;
        if (!hasGrown || width === 0) return [];
        return [{ level, index: Math.floor(count / TILE_WIDTH), width, hashes: hashes.slice(0, width * HASH_BYTES) }];
      });
      for (const level of levels) level.hasGrown = false;
      const taken = [...full, ...partial].sort((one, other) => one.level - other.level || one.index - other.index);
      full = [];
      return taken;
    },
  };
};
