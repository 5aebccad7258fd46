import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FoundCheckpoint, openCheckpoint } from '../transparency/checkpoint.ts';
import type { Verifier } from '../transparency/key.ts';
import { CHECKPOINT_FILE } from './seal.ts';

/** A checkpoint as a file has it. */
export interface ReadCheckpoint extends FoundCheckpoint {
  readonly text: string;
}

/** A log's newest checkpoint, as text. @throws Error that names the file where it can't be read */
export const checkpointTextIn = (folder: string): string => {
  const path = join(folder, CHECKPOINT_FILE);
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(
      `${path} can't be read (${(error as NodeJS.ErrnoException).code}): there is nothing to check the log against`,
    );
  }
};

/** A log's newest checkpoint, which a key must have signed. @throws Error that names the file where it can't be read, or isn't the key's */
export const readCheckpoint = (folder: string, key: Verifier): ReadCheckpoint => {
  const text = checkpointTextIn(folder);
  try {
    return { ...openCheckpoint(text, key), text };
  } catch (error) {
    throw new Error(`${join(folder, CHECKPOINT_FILE)}: ${error instanceof Error ? error.message : String(error)}`);
  }
};
