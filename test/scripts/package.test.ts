import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Paths that npm would put into the package. */
const packed = (): readonly string[] => {
  const { status, stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  const [made] = JSON.parse(stdout) as readonly { readonly files: readonly { readonly path: string }[] }[];
  return made?.files.map(({ path }) => path) ?? [];
};

it('the package holds what the command and subscribers need, and nothing that only development does', () => {
  const files = packed();
  const needed = [
    'LICENSE',
    'README.md',
    'package.json',
    'dist/cli/main.js',
    'dist/alerts/subscriber/library.js',
    'dist/alerts/subscriber/library.d.ts',
    'examples/subscriber.ts',
    'docs/policies.md',
    'policies/library/credential-files.yaml',
    'policies/library/enforce/credential-files.yaml',
  ];
  expect(needed.filter((path) => !files.includes(path))).toEqual([]);
  const known =
    /^(LICENSE|README\.md|package\.json|scripts\/systemd\/shrike\.service|dist\/[a-z].*\.(js|d\.ts)|examples\/[\w-]+\.ts|docs\/[\w-]+\.(md|png)|policies\/library\/.*\.yaml|sensors\/sim\/scenarios\/.*\.yaml)$/;
  expect(files.filter((path) => !known.test(path) || /^dist\/(bench|test)\//.test(path))).toEqual([]);
});

it('the command starts under node', () => {
  const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly bin: { shrike: string } };
  expect(bin).toEqual({ shrike: 'dist/cli/main.js' });
  const shebang = '#!/usr/bin/env node\n';
  expect(readFileSync(join(ROOT, 'cli/main.ts'), 'utf8').startsWith(shebang)).toBe(true);
  expect(readFileSync(join(ROOT, bin.shrike), 'utf8').startsWith(shebang)).toBe(true);
});
