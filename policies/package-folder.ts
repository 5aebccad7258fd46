import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packageRoot = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error(`no package.json above ${fileURLToPath(import.meta.url)}; reinstall shrike`);
    folder = above;
  }
  return folder;
};

/** A folder of this package as it is installed, the same from the sources and from dist/: `packageFolder('policies', 'library')`. */
export const packageFolder = (...parts: readonly string[]): string => join(packageRoot(), ...parts);
