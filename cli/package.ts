import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of Shrike's package.json: above the compiled program and above its source. */
export const packageFolder = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
};

/** Shrike's version. */
export const version = (): string =>
  (JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as { version: string }).version;

/** A file of the package, from the working directory where that is shorter. */
const shown = (path: string): string => {
  const fromHere = relative('', path);
  return fromHere.startsWith('..') || fromHere === '' ? path : fromHere;
};

/** The folder of the policies that ship. */
export const libraryFolder = (): string => shown(join(packageFolder(), 'policies', 'library'));

/** The folder of their enforcing variants. */
export const enforcingFolder = (): string => join(libraryFolder(), 'enforce');
