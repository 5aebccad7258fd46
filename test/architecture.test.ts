import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from './support/folder.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LAYERS = ['engine', 'rules', 'policies', 'sensors', 'alerts', 'agent', 'cli'];

const document = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');

/** Paths in the first column of the table of folders. */
const named = document
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, path = '']) => path));

/** Folders below the layers that hold TypeScript themselves. */
const foldersWithCode = (): readonly string[] => {
  const files = LAYERS.flatMap((layer) =>
    readdirSync(join(ROOT, layer), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => relative(ROOT, entry.parentPath)),
  );
  return [...new Set(files)].filter((folder) => !LAYERS.includes(folder));
};

describe('docs/architecture.md', () => {
  it('names folders that are there', () => {
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('names every folder with code, itself or one above it', () => {
    const covered = (folder: string): boolean => named.some((path) => folder === path || folder.startsWith(`${path}/`));
    expect(foldersWithCode().length).toBeGreaterThan(10);
    expect(foldersWithCode().filter((folder) => !covered(folder))).toEqual([]);
  });

  it('gives the direction of imports that is checked', () => {
    expect(document).toContain(LAYERS.map((layer) => `\`${layer}\``).join(' ← '));
  });

  it('names documents that are there', () => {
    const links = [...document.matchAll(/\]\(([\w.-]+\.md)\)/g)].map(([, path = '']) => path);
    expect(links.length).toBeGreaterThan(0);
    expect(links.filter((path) => !existsSync(join(ROOT, 'docs', path)))).toEqual([]);
  });
});

describe('the check of the direction of imports', () => {
  const check = (folder: string) =>
    spawnSync(process.execPath, [join(ROOT, 'scripts/check-imports.mjs')], { cwd: folder, encoding: 'utf8' });

  /** The layers with one file in them. */
  const checkWith = (path: string, text: string) => {
    const folder = temporaryFolder();
    for (const layer of [...LAYERS, dirname(path)]) mkdirSync(join(folder, layer), { recursive: true });
    writeFileSync(join(folder, path), text);
    return check(folder);
  };

  it('finds nothing in the tree', () => {
    const { status, stdout, stderr } = check(ROOT);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^import direction: \d+ files, engine <- rules <- /);
  });

  it.each([
    [
      'an import to the right',
      "import { compile } from '../../rules/index.ts';\n",
      'engine/vm/planted.ts:1: engine may not import rules/index.ts; the direction is engine <- rules <- policies <- sensors <- alerts <- agent <- cli\n',
    ],
    [
      'a type over several lines, exported on',
      "const one = 1;\nexport type {\n  Alert,\n} from '../../alerts/index.ts';\nexport const two = one;\n",
      'engine/vm/planted.ts:4: engine may not import alerts/index.ts; the direction is engine <- rules <- policies <- sensors <- alerts <- agent <- cli\n',
    ],
    [
      'an import while running',
      "export const late = () => import('../../cli/program.ts');\n",
      'engine/vm/planted.ts:1: engine may not import cli/program.ts; the direction is engine <- rules <- policies <- sensors <- alerts <- agent <- cli\n',
    ],
    [
      'an import from outside of the layers',
      "import '../../test/support/folder.ts';\n",
      'engine/vm/planted.ts:1: imports test/support/folder.ts, which is outside the layered folders\n',
    ],
  ])('finds %s', (_, text, stderr) => {
    expect(checkWith('engine/vm/planted.ts', text)).toMatchObject({ status: 1, stderr });
  });

  it("finds an import past a folder's index.ts", () => {
    const text = "import { planRules } from '../rules/plan/plan.ts';\n";
    const stderr = "policies/planted.ts:1: imports rules/plan/plan.ts past its folder's index.ts\n";
    expect(checkWith('policies/planted.ts', text)).toMatchObject({ status: 1, stderr });
  });
});
