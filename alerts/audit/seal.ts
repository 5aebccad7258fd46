import { join } from 'node:path';
import { type FoundCheckpoint, openCheckpoint, signCheckpoint } from '../transparency/checkpoint.ts';
import { createEdge } from '../transparency/edge.ts';
import { leafHash, sameHash } from '../transparency/hash.ts';
import type { Signer } from '../transparency/key.ts';
import { withSignature } from '../transparency/note.ts';
import { type FilledTile, readTiles, writeTiles } from '../transparency/tile-folder.ts';
import { treeOf } from '../transparency/tree.ts';
import { replaceFile } from './replace-file.ts';

/** The file of a log's newest checkpoint (C2SP tlog-tiles). */
export const CHECKPOINT_FILE = 'checkpoint';

/** Makes a transparency log of an audit log's lines: tiles with their hashes, and a checkpoint that is signed now and then. */
export interface Seal {
  /** Lines taken so far. */
  readonly size: number;
  /** Lines that are signed. */
  readonly signed: number;
  /** The newest checkpoint's text; undefined before the first. */
  readonly checkpoint: string | undefined;
  /** The hash of a line that was signed when this was opened, by its index from 0. @throws Error that names the tile that is missing */
  leaf(index: number): Uint8Array;
  /** Takes the next line, without its newline, once it is committed. */
  add(line: Uint8Array): void;
  /** Writes the tiles of all lines taken and signs them; nothing is done where none came since. Returns the checkpoint's text. Where it fails it can be called again. */
  sign(): Promise<string>;
  /** Adds lines that sign the newest checkpoint to its file. */
  addSignatures(lines: string): Promise<void>;
}

/**
 * Goes on from a log's newest checkpoint; without one, from the beginning. The lines behind it are to be added again.
 * @throws Error where the checkpoint is not of this key, or its tiles are not there or not the signed ones
 */
export const openSeal = (folder: string, signer: Signer, checkpoint?: string): Seal => {
  const found: FoundCheckpoint | undefined =
    checkpoint === undefined ? undefined : openCheckpoint(checkpoint, signer.verifier);
  const read = readTiles(folder);
  const edge = createEdge(found?.size ?? 0, read);
  if (found !== undefined && !sameHash(edge.root(), found.root))
    throw new Error(
      `the tiles in ${join(folder, 'tile')} don't lead to the root of ${join(folder, CHECKPOINT_FILE)}: "shrike audit verify" says what was changed`,
    );
  let newest = checkpoint;
  let signed = found?.size ?? -1;
  /** Tiles by their places that are not on disk yet, though they were taken. */
  const pending = new Map<string, FilledTile>();
  return {
    get size() {
      return edge.size;
    },
    get signed() {
      return Math.max(0, signed);
    },
    get checkpoint() {
      return newest;
    },
    leaf: (index) => treeOf(found?.size ?? 0, read).leaf(index),
    add: (line) => edge.add(leafHash(line)),
    async sign() {
      if (newest !== undefined && edge.size === signed) return newest;
      const size = edge.size;
      const text = signCheckpoint({ size, root: edge.root() }, signer);
      for (const tile of edge.takeTiles()) pending.set(`${tile.level} ${tile.index}`, tile);
      await writeTiles(folder, [...pending.values()]);
      pending.clear();
      await replaceFile(folder, CHECKPOINT_FILE, text);
      newest = text;
      signed = size;
      return text;
    },
    async addSignatures(lines) {
      if (newest === undefined) return;
      const text = withSignature(newest, lines);
      await replaceFile(folder, CHECKPOINT_FILE, text);
      newest = text;
    },
  };
};
