import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/folder.ts';

const SETUP = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));
const run = (...options: string[]) => spawnSync(process.execPath, [SETUP, ...options], { encoding: 'utf8' });

/** Runs set-up where only the programs of one folder are found. */
const runIn = (folder: string, ci: string, ...options: string[]) =>
  spawnSync(process.execPath, [SETUP, ...options], { encoding: 'utf8', env: { PATH: folder, CI: ci } });

const program = (folder: string, name: string, script: string) =>
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

/** A folder with an apt-get that notes its arguments in `asked`, and whatever else set-up needs to call it. */
const folderWithApt = (install: string): string => {
  const folder = temporaryFolder();
  program(folder, 'sudo', 'shift; "$@"');
  program(folder, 'env', 'shift; "$@"');
  program(folder, 'apt-get', `echo "$@" >> ${folder}/asked\n${install.replaceAll('FOLDER', folder)}`);
  return folder;
};

it('is quiet where nothing is to be done', () => {
  expect(run()).toMatchObject({ status: 0, stdout: '', stderr: '' });
});

it('names its options', () => {
  const stderr =
    'setup: there is no option --help; there are --nats, --clang, --qemu, --live, --go, --browser, --bench and --build.\n';
  expect(run('--help')).toMatchObject({ status: 1, stdout: '', stderr });
});

it("installs Debian's clang where it is missing, and then no more", () => {
  const folder = folderWithApt(
    'for name in clang-19 llvm-objdump-19; do echo > FOLDER/$name; /bin/chmod +x FOLDER/$name; done',
  );
  const stderr = "setup: installing Debian's clang-19 and llvm-19\n";
  expect(runIn(folder, '', '--clang')).toMatchObject({ status: 0, stdout: '', stderr });
  expect(readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n').at(-1)).toBe(
    '-q install -y --no-install-recommends clang-19 llvm-19',
  );
  expect(readdirSync(folder)).toContain('clang-19');
  expect(runIn(folder, '', '--clang')).toMatchObject({ status: 0, stdout: '', stderr: '' });
});

it('asks for Go with the checker of transparency logs', () => {
  const folder = folderWithApt('echo > FOLDER/go; /bin/chmod +x FOLDER/go');
  runIn(folder, '', '--go');
  expect(readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n').at(-1)).toBe(
    '-q install -y --no-install-recommends golang-go golang-golang-x-mod-dev',
  );
});

it.each([
  ['', 0, 'the tests that need it are skipped'],
  ['true', 1, 'the tests need it where CI is set'],
] as const)('says what goes without clang where it cannot be installed (CI=%s)', (ci, status, effect) => {
  const remedy = 'install it with `apt-get install clang-19 llvm-19`.\n';
  expect(runIn(temporaryFolder(), ci, '--clang')).toMatchObject({
    status,
    stderr: `setup: clang-19 is missing and can't be installed (this system has no apt-get): ${effect}; ${remedy}`,
  });
  expect(runIn(folderWithApt('exit 100'), ci, '--clang')).toMatchObject({
    status,
    stderr:
      "setup: installing Debian's clang-19 and llvm-19\n" +
      `setup: clang-19 is missing and can't be installed (apt-get failed, its message is above): ${effect}; ${remedy}`,
  });
  expect(runIn(folderWithApt('exit 0'), ci, '--clang')).toMatchObject({
    status,
    stderr:
      "setup: installing Debian's clang-19 and llvm-19\n" +
      `setup: clang-19 is missing and can't be installed (the packages brought no clang-19): ${effect}; ${remedy}`,
  });
});
