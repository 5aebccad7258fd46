import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const SUITE = `
import { expect, it } from 'vitest';
it('passes', () => expect(1).toBe(1));
it('fails', () => expect(1).toBe(2));
it('has no server', (context) => context.skip('nats-server is not installed'));
`;

/** Runs vitest on the files in a folder of its own, inside the repository so that they find vitest. */
const run = (files: Readonly<Record<string, string>>, environment: Readonly<Record<string, string>>) => {
  mkdirSync(join(ROOT, '.tmp'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, '.tmp/totals-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'test'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'test', name), text);
  const { CI, ...clean } = process.env;
  const totals = join(folder, 'totals.json');
  const child = spawnSync(
    process.execPath,
    [
      join(ROOT, 'node_modules/vitest/vitest.mjs'),
      ...['run', '--root', folder, `--reporter=${join(ROOT, 'scripts/totals-reporter.mjs')}`],
    ],
    { cwd: folder, encoding: 'utf8', env: { ...clean, ...environment, SHRIKE_TOTALS: totals } },
  );
  return { status: child.status, stderr: child.stderr, totals: JSON.parse(readFileSync(totals, 'utf8')) };
};

it('counts what passed, failed and was skipped', () => {
  const { status, totals } = run({ 'a.test.ts': SUITE }, {});
  expect([status, totals]).toEqual([1, { passed: 1, failed: 1, skipped: 1, failures: ['test/a.test.ts > fails'] }]);
});

it('counts a skip that is not allowed as failed where CI is set, and names it', () => {
  const onlySkip = SUITE.replace(/it\('fails'.*\n/, '');
  const { status, stderr, totals } = run({ 'a.test.ts': onlySkip }, { CI: '1' });
  const failures = ['not to be skipped: test/a.test.ts > has no server: nats-server is not installed'];
  expect([status, totals]).toEqual([1, { passed: 1, failed: 1, skipped: 0, failures }]);
  expect(stderr).toContain('  test/a.test.ts > has no server: nats-server is not installed\n');
});

it('counts a file that can not be loaded as failed', () => {
  const { status, totals } = run({ 'a.test.ts': 'throw new Error();' }, {});
  expect([status, totals]).toEqual([1, { passed: 0, failed: 1, skipped: 0, failures: ['test/a.test.ts'] }]);
});
