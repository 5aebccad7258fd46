import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { CHROMIUM, LAUNCH } from '../../../scripts/chromium.mjs';

/** Behind the name of tests that can't run here: why. */
export const withoutBrowser = existsSync(CHROMIUM) ? '' : ' (skipped: Chromium is missing)';
/** For a machine that has much else to do. */
const LIMIT_MS = 60_000;

/** A page in a browser, and what it did beside showing itself. */
export interface OpenPage {
  readonly page: Page;
  /** Errors and warnings of its console, errors that nobody caught, dialogs. */
  readonly complaints: readonly string[];
  readonly requests: readonly string[];
}

/** One browser for a file's tests, with a profile of its own. */
export const useBrowser = (): ((path: string) => Promise<OpenPage>) => {
  let context: BrowserContext | undefined;
  let profile: string | undefined;
  beforeAll(async () => {
    if (withoutBrowser !== '') return;
    profile = mkdtempSync(join(tmpdir(), 'shrike-browser-'));
    const options = { ...LAUNCH, timeout: LIMIT_MS };
    context = await chromium.launchPersistentContext(profile, options);
    context.setDefaultTimeout(LIMIT_MS);
  }, 2 * LIMIT_MS);
  afterAll(async () => {
    await context?.close();
    if (profile !== undefined) rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }, LIMIT_MS);
  return async (path) => {
    if (context === undefined) throw new Error('there is no browser');
    const page = await context.newPage();
    const complaints: string[] = [];
    const requests: string[] = [];
    page.on('console', (message) => void complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => void complaints.push(String(error)));
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => void requests.push(request.url()));
    await page.goto(`file://${path}`);
    return { page, complaints, requests };
  };
};
