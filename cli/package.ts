import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { packageFolder } from '../policies/index.ts';

/** Shrike's version. */
export const version = (): string =>
  (JSON.parse(readFileSync(packageFolder('package.json'), 'utf8')) as { version: string }).version;

/** A file of the package as people see it: from the working directory, where it lies below that. */
const shown = (path: string): string => {
  const fromHere = relative('', path);
  return fromHere.startsWith('..') || fromHere === '' ? path : fromHere;
};

/** The folder of the policies that ship. */
export const libraryFolder = (): string => shown(packageFolder('policies', 'library'));

/** The folder of their enforcing variants. */
export const enforcingFolder = (): string => join(libraryFolder(), 'enforce');
