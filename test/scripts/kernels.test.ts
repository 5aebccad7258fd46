import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/folder.ts';

const ROOT = new URL('../../', import.meta.url);

/** Runs a module's text with the scripts in reach. */
const run = (text: string, env: NodeJS.ProcessEnv = process.env) =>
  spawnSync(process.execPath, ['--input-type=module', '-'], { cwd: ROOT, input: text, encoding: 'utf8', env });

interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly content: string;
}

/** Reads a "newc" archive (Documentation/driver-api/early-userspace/buffer-format.rst). */
const entriesOf = (bytes: Buffer): Entry[] => {
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length; ) {
    expect(bytes.toString('latin1', at, at + 6)).toBe('070701');
    const field = (index: number): number =>
      Number.parseInt(bytes.toString('latin1', at + 6 + 8 * index, at + 14 + 8 * index), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const nameAt = at + 110;
    const contentAt = (nameAt + nameSize + 3) & ~3;
    const name = bytes.toString('utf8', nameAt, nameAt + nameSize - 1);
    if (name === 'TRAILER!!!') break;
    entries.push({ name, mode, content: bytes.toString('utf8', contentAt, contentAt + size) });
    at = (contentAt + size + 3) & ~3;
  }
  return entries;
};

it('an archive has folders before what they hold, each once', () => {
  const folder = temporaryFolder();
  const [file, source] = [join(folder, 'archive'), join(folder, 'source')];
  writeFileSync(source, 'odd length!');
  const { status, stderr } = run(`
    import { createArchive } from './scripts/kernels/cpio.mjs';
    const archive = createArchive(${JSON.stringify(file)});
    archive.text('init', '#!/bin/sh\\n', 0o755);
    archive.file('app/lib/one', ${JSON.stringify(source)});
    archive.text('app/lib/two', 'x');
    archive.link('app/three', 'lib/two');
    archive.device('dev/console', 5, 1);
    archive.close();`);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(entriesOf(readFileSync(file))).toEqual([
    { name: 'init', mode: 0o100755, content: '#!/bin/sh\n' },
    { name: 'app', mode: 0o040755, content: '' },
    { name: 'app/lib', mode: 0o040755, content: '' },
    { name: 'app/lib/one', mode: 0o100644, content: 'odd length!' },
    { name: 'app/lib/two', mode: 0o100644, content: 'x' },
    { name: 'app/three', mode: 0o120777, content: 'lib/two' },
    { name: 'dev', mode: 0o040755, content: '' },
    { name: 'dev/console', mode: 0o020600, content: '' },
  ]);
});

it('says which program is missing where kernels can not be fetched', () => {
  const folder = temporaryFolder();
  const { stdout } = run(
    `
    import { fetchKernels } from './scripts/kernels/fetch.mjs';
    try {
      fetchKernels(${JSON.stringify(folder)}, ['6.1'], console.log);
    } catch (error) {
      console.log(error.message);
    }`,
    { PATH: folder },
  );
  expect(stdout).toBe("fetching Debian's kernels 6.1\nthis system has no apt-get\n");
});

it('names the kernels there are', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/test-kernels.mjs', '5.10'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([2, 'there is no kernel 5.10 here; there are 6.1 and 6.12\n']);
});
