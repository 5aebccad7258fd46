import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parsedFrom } from '../audit/log-key.ts';
import { parseVerifier, SIGNATURE } from '../transparency/key.ts';

/** Which logs' keys a witness trusts. */
export interface TrustedKeys {
  /** The public keys of a log, the newest last; none for a log that nobody has named. */
  of(origin: string): readonly string[];
  /** The logs that are named. */
  readonly origins: readonly string[];
  /** Reads the files again, where that was not done just now. @throws Error that names the file */
  refresh(): void;
}

const REFRESH_MS = 1_000;

const filesAt = (path: string): readonly string[] =>
  statSync(path).isDirectory()
    ? readdirSync(path)
        .filter((name) => !name.startsWith('.'))
        .sort()
        .map((name) => join(path, name))
        .filter((each) => statSync(each).isFile())
    : [path];

const readKeys = (path: string): ReadonlyMap<string, readonly string[]> => {
  const keys = new Map<string, string[]>();
  for (const file of filesAt(path))
    for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
      const text = line.trim();
      if (text === '' || text.startsWith('#')) continue;
      const { name, type } = parsedFrom(`${file}:${index + 1}`, text, parseVerifier);
      if (type !== SIGNATURE.ed25519)
        throw new Error(`${file}:${index + 1}: this is the key of a witness, not of a log: expected a log's log.pub`);
      keys.set(name, [...(keys.get(name) ?? []), text]);
    }
  return keys;
};

/**
 * Public keys from a file (one a line, lines that begin with `#` are passed over) or from all files of a folder.
 * @throws Error that names the file and the line
 */
export const openTrustedKeys = (path: string): TrustedKeys => {
  let keys = readKeys(path);
  let readAt = performance.now();
  return {
    of: (origin) => keys.get(origin) ?? [],
    get origins() {
      return [...keys.keys()];
    },
    refresh() {
      if (performance.now() - readAt < REFRESH_MS) return;
      readAt = performance.now();
      keys = readKeys(path);
    },
  };
};

/** Trusts nobody by name: each log's key is the one that it shows first. */
export const NO_KEYS: TrustedKeys = { of: () => [], origins: [], refresh: () => undefined };
