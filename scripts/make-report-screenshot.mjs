// Writes docs/audit-report.png: the report on the log of the demonstration (`npm start`), in Debian's Chromium, as dist/ makes it (`npm run docs`).
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { LAUNCH } from './chromium.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MAIN = join(ROOT, 'dist/cli/main.js');
const LIBRARY = join(ROOT, 'policies/library');
const ENFORCING = ['credential-files', 'execution-from-tmp'].map((name) => join(LIBRARY, 'enforce', `${name}.yaml`));
const SIZE = { width: 1280, height: 1500 };

const folder = mkdtempSync(join(tmpdir(), 'shrike-docs-'));
const shrike = (...args) => {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`shrike ${args.join(' ')} ended with ${status}: ${stderr}`);
};
try {
  const run = ['run', '--scenario', 'webshell', '--enforce', '--host', 'web-1', '--audit', 'log', '--policies'];
  shrike(...run, LIBRARY, ...ENFORCING);
  copyFileSync(join(folder, 'log/log.pub'), join(folder, 'web-1.pub'));
  shrike('audit', 'report', 'log', '--key', 'web-1.pub', '-o', 'report.html');
  const options = { ...LAUNCH, viewport: SIZE };
  const context = await chromium.launchPersistentContext(join(folder, 'profile'), options);
  const page = await context.newPage();
  await page.goto(`file://${join(folder, 'report.html')}`);
  await page.screenshot({ path: join(ROOT, 'docs/audit-report.png') });
  await context.close();
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
