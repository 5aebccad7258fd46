import { randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';

const MODE = 0o600;

/** Says why a report may not go to a path; undefined where it may. */
export const outputProblem = (path: string, folder: string): string | undefined => {
  let parent: string;
  try {
    parent = realpathSync(dirname(path));
  } catch (error) {
    return `${dirname(path)} is no folder that can be written to (${(error as NodeJS.ErrnoException).code}): make it, or choose another place`;
  }
  const log = realpathSync(folder);
  return parent === log || parent.startsWith(`${log}${sep}`)
    ? `${path} is in the log's folder ${folder}, where a report changes nothing: choose another place`
    : undefined;
};

/** Puts a file in place whole or not at all, mode 0600: a report has what processes were called with. A link in its place is replaced, not followed. */
export const writeWhole = async (path: string, text: string): Promise<void> => {
  const fresh = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.new`);
  try {
    const handle = await open(fresh, 'wx', MODE);
    try {
      await handle.writeFile(text);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
};
