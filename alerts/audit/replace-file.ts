import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../transparency/tile-folder.ts';

/** Puts a file (mode 0600) in the place of another, whole or not at all, also in a power failure. */
export const replaceFile = async (folder: string, name: string, text: string): Promise<void> => {
  const path = join(folder, name);
  const handle = await open(`${path}.new`, 'w', 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
  await syncFolder(folder);
};
