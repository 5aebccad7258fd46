import { readFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HASH_BYTES } from './hash.ts';
import { TILE_WIDTH, type Tile, tilePath } from './tile.ts';
import type { TileReader } from './tree.ts';

/** Tiles that are kept at hand. */
const AT_HAND = 64;

const fileOf = (folder: string, tile: Tile): Uint8Array | undefined => {
  try {
    return readFileSync(join(folder, tilePath(tile)));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
};

const bytesOf = ({ width }: Tile): number => width * HASH_BYTES;

/** Reads tiles below a log's folder; for a partial one that is gone its full one. @throws Error that names the tile that is missing or has the wrong length */
export const readTiles = (folder: string): TileReader => {
  const atHand = new Map<string, Uint8Array>();
  const read = (tile: Tile): Uint8Array => {
    const full = { ...tile, width: TILE_WIDTH };
    for (const each of tile.width === TILE_WIDTH ? [tile] : [tile, full]) {
      const bytes = fileOf(folder, each);
      if (bytes === undefined) continue;
      if (bytes.length !== bytesOf(each))
        throw new Error(
          `${join(folder, tilePath(each))} has ${bytes.length} bytes, not ${bytesOf(each)}: it was changed or cut`,
        );
      return bytes;
    }
    throw new Error(`${join(folder, tilePath(tile))} is missing: the hashes of those entries are gone`);
  };
  return (tile) => {
    const path = tilePath(tile);
    const known = atHand.get(path);
    if (known !== undefined) return known;
    const bytes = read(tile);
    atHand.set(path, bytes);
    if (atHand.size > AT_HAND) atHand.delete(atHand.keys().next().value!);
    return bytes;
  };
};

/** Puts what a folder names on disk. */
export const syncFolder = async (path: string): Promise<void> => {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
};

/** A tile with its hashes, to be written. */
export interface FilledTile extends Tile {
  readonly hashes: Uint8Array;
}

/** Tiles that are written before they are synced: a file system then puts them on disk together. */
const AT_ONCE = 64;

/** Syncs that are under way at once: they share the file system's commits, and leave one of Node's four threads to the log. */
const SYNCS = 3;

/** Makes the folder of a file; the folders whose content is new. */
const makeFolders = async (path: string): Promise<readonly string[]> => {
  const folder = dirname(path);
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  const changed = [folder];
  for (let each = folder; made !== undefined && each.length >= made.length; ) {
    each = dirname(each);
    changed.push(each);
  }
  return changed;
};

/** Writes tiles below a log's folder; when it resolves they are on disk. Partial ones go where the full one is there. */
export const writeTiles = async (folder: string, tiles: readonly FilledTile[]): Promise<void> => {
  const folders = new Set<string>();
  for (let from = 0; from < tiles.length; from += AT_ONCE) {
    const handles: FileHandle[] = [];
    try {
      for (const tile of tiles.slice(from, from + AT_ONCE)) {
        const path = join(folder, tilePath(tile));
        for (const each of await makeFolders(path)) folders.add(each);
        const handle = await open(path, 'w', 0o600);
        handles.push(handle);
        await handle.writeFile(tile.hashes);
      }
      const waiting = [...handles];
      const syncSome = async (): Promise<void> => {
        for (let handle = waiting.pop(); handle !== undefined; handle = waiting.pop()) await handle.datasync();
      };
      await Promise.all(Array.from({ length: SYNCS }, syncSome));
    } finally {
      for (const handle of handles) await handle.close();
    }
  }
  for (const each of folders) await syncFolder(each);
  for (const tile of tiles)
    if (tile.width === TILE_WIDTH) await rm(join(folder, `${tilePath(tile)}.p`), { recursive: true, force: true });
};
