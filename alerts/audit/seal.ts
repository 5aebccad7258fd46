import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type FoundCheckpoint, openCheckpoint, signCheckpoint } from '../transparency/checkpoint.ts';
import { createEdge } from '../transparency/edge.ts';
import { leafHash, sameHash } from '../transparency/hash.ts';
import type { Signer } from '../transparency/key.ts';
import { readTiles, syncFolder, writeTiles } from '../transparency/tile-folder.ts';

/** The file of a log's newest checkpoint (C2SP tlog-tiles). */
export const CHECKPOINT_FILE = 'checkpoint';

/** Makes a transparency log of an audit log's lines: tiles with their hashes, and a checkpoint that is signed now and then. */
export interface Seal {
  /** Lines taken so far. */
  readonly size: number;
  /** The newest checkpoint's text; undefined before the first. */
  readonly checkpoint: string | undefined;
  /** Takes the next line, without its newline, once it is committed. */
  add(line: Uint8Array): void;
  /** Writes the tiles of all lines taken and signs them; nothing is done where none came since. Returns the checkpoint's text. */
  sign(): Promise<string>;
}

/** Puts a file in the place of another, whole or not at all, also in a power failure. */
const replaceFile = async (folder: string, name: string, text: string): Promise<void> => {
  const path = join(folder, name);
  const handle = await open(`${path}.new`, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
  await syncFolder(folder);
};

/**
 * Goes on from a log's newest checkpoint; without one, from the beginning. The lines behind it are to be added again.
 * @throws Error where the checkpoint is not of this key, or its tiles are not there or not the signed ones
 */
export const openSeal = (folder: string, signer: Signer, checkpoint?: string): Seal => {
  const found: FoundCheckpoint | undefined =
    checkpoint === undefined ? undefined : openCheckpoint(checkpoint, signer.verifier);
  const edge = createEdge(found?.size ?? 0, readTiles(folder));
  if (found !== undefined && !sameHash(edge.root(), found.root))
    throw new Error(
      `the tiles in ${join(folder, 'tile')} don't lead to the root of ${join(folder, CHECKPOINT_FILE)}: "shrike audit verify" says what was changed`,
    );
  let newest = checkpoint;
  let signed = found?.size ?? -1;
  return {
    get size() {
      return edge.size;
    },
    get checkpoint() {
      return newest;
    },
    add: (line) => edge.add(leafHash(line)),
    async sign() {
      if (newest !== undefined && edge.size === signed) return newest;
      const size = edge.size;
      const text = signCheckpoint({ size, root: edge.root() }, signer);
      await writeTiles(folder, edge.takeTiles());
      await replaceFile(folder, CHECKPOINT_FILE, text);
      newest = text;
      signed = size;
      return text;
    },
  };
};
