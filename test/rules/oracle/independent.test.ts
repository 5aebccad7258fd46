import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

/** What the files of a folder beside this one import. */
const importsOf = (folder: string): readonly string[] => {
  const path = fileURLToPath(new URL(folder, import.meta.url));
  const files = readdirSync(path).filter((name) => name.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(0);
  const found = files.flatMap((name) =>
    [...readFileSync(`${path}/${name}`, 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(
      ([, module]) => module ?? '',
    ),
  );
  return [...new Set(found)].filter((module) => !module.startsWith('./')).sort();
};

it('evaluates conditions with nothing of the project', () => {
  expect(importsOf('language')).toEqual(['node:net', 'yaml']);
});

it('models a host with nothing of the compiler', () => {
  expect(importsOf('world')).toEqual(['../../../../sensors/index.ts', '../language/index.ts', 'node:os']);
});
