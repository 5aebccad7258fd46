import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const SETUP = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));
const run = (...options: string[]) => spawnSync(process.execPath, [SETUP, ...options], { encoding: 'utf8' });

it('is quiet where nothing is to be done', () => {
  expect(run()).toMatchObject({ status: 0, stdout: '', stderr: '' });
});

it('names its options', () => {
  const stderr = 'setup: there is no option --help; there are --nats and --build.\n';
  expect(run('--help')).toMatchObject({ status: 1, stdout: '', stderr });
});
