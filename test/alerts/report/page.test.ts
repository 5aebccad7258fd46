import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeReport } from '../../../alerts/report/report.ts';
import { useBrowser, withoutBrowser } from './browser.ts';
import { type Legibility, legibility } from './legibility.ts';
import { at, HOSTILE, STORY, storyWith, writeStory } from './story.ts';

/** For what the page does a moment later. */
const PATIENCE = { timeout: 45_000 };

const open = useBrowser();
let folder = '';

/** Writes the report on a log of such entries; says where. */
const reportAt = async (name: string, story: Parameters<typeof writeStory>[1]): Promise<string> => {
  const log = join(folder, name);
  await writeStory(log, story);
  const { html } = await makeReport({ folder: log, version: '1.2.3' });
  const path = join(folder, `${name}.html`);
  writeFileSync(path, html);
  return path;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'shrike-test-'));
  await reportAt('story', STORY);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const openStory = () => open(join(folder, 'story.html'));

/** The entries that can be seen, by their numbers. */
const entriesIn = (page: Page): Promise<readonly number[]> =>
  page.locator('.entries > li:visible').evaluateAll((items) => items.map(({ id }) => Number(id.replace('e-', ''))));

/** Lines of the process tree that can be seen, without their times. */
const hitsIn = (page: Page): Promise<readonly string[]> =>
  page
    .locator('.tree .hit:visible')
    .evaluateAll((items) => items.map((item) => (item as HTMLElementLike).innerText.replace(/ \d{4}-.*$/, '')));

interface HTMLElementLike {
  readonly innerText: string;
}

/** Entries of the story by what they are. */
const ALL = [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16];

describe.skipIf(withoutBrowser !== '')(`the page in a browser${withoutBrowser}`, () => {
  it('opens and closes the process tree, by click and by keyboard', async () => {
    const { page } = await openStory();
    const inner = page.locator('.tree details', { hasText: 'cat /etc/shadow' }).last();
    const hit = inner.locator('.hit');
    const title = inner.locator(':scope > summary');
    expect(await hit.isVisible()).toBe(true);
    await title.click();
    expect(await hit.isVisible()).toBe(false);
    await title.click();
    expect(await hit.isVisible()).toBe(true);

    await page.getByRole('button', { name: 'Close all' }).focus();
    await page.keyboard.press('Enter');
    expect(await page.locator('.tree details[open]').count()).toBe(0);
    expect(await page.locator('.tree .hit:visible').count()).toBe(0);
    await page.keyboard.press('Tab');
    const focused = (): Promise<string> =>
      page.evaluate('document.activeElement.tagName + " " + document.activeElement.textContent');
    expect(await focused()).toMatch(/^SUMMARY init pid 1, \/sbin\/init · 5$/);
    await page.keyboard.press('Enter');
    expect(await page.locator('.tree details[open]').count()).toBe(1);
    await page.keyboard.press('Tab');
    expect(await focused()).toMatch(/^SUMMARY sshd: web pid 700/);
    await page.keyboard.press('Space');
    expect(await page.locator('.tree details[open]').count()).toBe(2);
    await page.keyboard.press('Space');
    expect(await page.locator('.tree details[open]').count()).toBe(1);
    await page.getByRole('button', { name: 'Open all' }).press('Space');
    expect(await page.locator('.tree details:not([open])').count()).toBe(0);
    await page.close();
  });

  it('leads from the tree to the entry, and opens it', async () => {
    const { page } = await openStory();
    expect(await page.getByText('as entry 9').isVisible()).toBe(false);
    await page.locator('.tree').getByRole('link', { name: 'entry 9' }).click();
    await page.getByText('as entry 9').waitFor();
    await page.close();
  });

  it('filters tree and entries by rule, priority, kind, text and time, and says how many are left', async () => {
    const { page } = await openStory();
    const [rule, priority, kind] = ['Rule', 'Priority', 'Kind'].map((name) =>
      page.locator('#filters').getByLabel(name),
    ) as [Locator, Locator, Locator];
    const said = page.getByRole('status');
    const reset = page.getByRole('button', { name: 'Show all' });
    const isBack = async (): Promise<void> => {
      await reset.click();
      await expect.poll(() => entriesIn(page), PATIENCE).toEqual(ALL);
      expect(await hitsIn(page)).toHaveLength(7);
    };
    expect(await entriesIn(page)).toEqual(ALL);
    expect(await said.textContent()).toBe(
      'No filter is set: all 13 entries shown in full and the whole process tree are listed.',
    );

    await rule.selectOption('Password file denied');
    await expect.poll(() => entriesIn(page), PATIENCE).toEqual([5, 6, 7, 8]);
    expect(await hitsIn(page)).toEqual([
      '◆ critical Password file denied',
      '✓ denied Password file denied',
      '✗ suppressed: agent Password file denied',
      '✗ would have Password file denied',
    ]);
    expect(await said.textContent()).toBe('Filtered: 4 of 13 entries shown in full, 4 of 7 lines of the process tree.');
    await priority.selectOption('critical');
    await expect.poll(() => entriesIn(page), PATIENCE).toEqual([5]);
    await isBack();

    await kind.selectOption('done');
    await expect.poll(() => entriesIn(page), PATIENCE).toEqual([6]);
    await kind.selectOption('tried');
    await expect.poll(() => entriesIn(page), PATIENCE).toEqual([6, 7, 8]);
    await kind.selectOption('gap');
    await expect.poll(() => entriesIn(page), PATIENCE).toEqual([10, 11, 12]);
    await kind.selectOption('agent');
    await expect.poll(() => entriesIn(page), PATIENCE).toEqual([1, 13, 16]);
    expect(await hitsIn(page)).toEqual([]);
    await isBack();

    await page.getByLabel('Text').fill('203.0.113.66');
    await expect.poll(() => entriesIn(page), PATIENCE).toEqual([9]);
    await page.getByLabel('Text').fill('BASH -i');
    await expect.poll(() => hitsIn(page), PATIENCE).toEqual(['▲ error Shell connects out']);
    await page.getByLabel('Text').fill('no such thing');
    await page.getByText('No entry that is shown in full fits the filter.').waitFor();
    await isBack();

    await page.getByLabel('From (UTC)').fill(at(60).slice(0, 19));
    await page.getByLabel('Until (UTC)').fill(at(61).slice(0, 19));
    await expect.poll(() => entriesIn(page), PATIENCE).toEqual([9]);
    expect(await hitsIn(page)).toEqual(['▲ error Shell connects out']);
    await isBack();

    await page.getByText('The same as a table').click();
    await page.locator('button.range').first().click();
    await expect.poll(async () => (await entriesIn(page)).slice(0, 2), PATIENCE).toEqual([4, 5]);
    expect(await page.getByLabel('From (UTC)').inputValue()).not.toBe('');
    await page.close();
  });

  it('is legible at 400 and at 1,600 pixels, light and dark, and never wider than its window', async () => {
    const { page } = await openStory();
    const found: Legibility[] = [];
    for (const width of [400, 1_600])
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme });
        await page.evaluate('for (const each of document.querySelectorAll("details")) each.open = true');
        found.push(await legibility(page));
      }
    for (const { scrollWidth, width, texts, smallest, leastContrast, faint, overflowing } of found) {
      expect(scrollWidth).toBeLessThanOrEqual(width);
      expect(overflowing).toEqual([]);
      expect(texts).toBeGreaterThan(300);
      expect(smallest).toBeGreaterThanOrEqual(12);
      expect(faint).toEqual([]);
      expect(leastContrast).toBeGreaterThanOrEqual(4.5);
    }
    await page.close();
  });

  it('is printed with everything open, dark on white, and closed again afterwards', async () => {
    const { page } = await openStory();
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    const closed = await page.locator('.entries > li > details:not([open])').count();
    expect(closed).toBe(ALL.length);
    expect(await page.evaluate('getComputedStyle(document.documentElement).backgroundColor')).toBe(
      'rgb(255, 255, 255)',
    );
    expect(await page.locator('#filters').isVisible()).toBe(false);
    const pdf = await page.pdf({ format: 'A4' });
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    const pages = (bytes: Uint8Array): number =>
      Buffer.from(bytes)
        .toString('latin1')
        .match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    expect(pages(pdf)).toBeGreaterThan(3);
    await expect.poll(() => page.locator('.entries > li > details:not([open])').count(), PATIENCE).toBe(closed);
    await page.evaluate('dispatchEvent(new Event("beforeprint"))');
    expect(await page.getByText('as entry 9').isVisible()).toBe(true);
    expect((await legibility(page)).leastContrast).toBeGreaterThanOrEqual(4.5);
    await page.close();
  });

  it('loads nothing but itself, and says nothing on the console', async () => {
    const { page, requests, complaints } = await openStory();
    await page.getByLabel('Text').fill('cat');
    expect(requests).toEqual([`file://${join(folder, 'story.html')}`]);
    expect(complaints).toEqual([]);
    const policy = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content');
    expect(policy).toMatch(
      /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'$/,
    );
    await page.close();
  });

  it('can be read with landmarks and headings: one main part, each section named by its heading, each field by its label', async () => {
    const { page } = await openStory();
    expect(await page.getByRole('main').count()).toBe(1);
    expect(await page.getByRole('navigation', { name: 'Sections' }).count()).toBe(1);
    expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
    const problems = await page.evaluate(`[
      ...[...document.querySelectorAll('section')].filter((each) => document.getElementById(each.getAttribute('aria-labelledby'))?.tagName !== 'H2').map((each) => 'section ' + each.id),
      ...[...document.querySelectorAll('input, select')].filter((each) => each.labels.length !== 1).map((each) => 'field ' + each.name),
      ...[...document.querySelectorAll('nav a')].filter((each) => document.querySelector(each.getAttribute('href')) === null).map((each) => 'link ' + each.href),
      ...[...document.querySelectorAll('[id]')].filter((each, _, all) => all.filter(({ id }) => id === each.id).length > 1).map((each) => 'id ' + each.id),
      ...[...document.querySelectorAll('table')].filter((each) => each.caption === null).map(() => 'table'),
    ]`);
    expect(problems).toEqual([]);
    await page.close();
  });

  it('takes no text of others for a part of itself', async () => {
    const path = await reportAt(
      'hostile',
      HOSTILE.flatMap((text) => [...storyWith(text)]),
    );
    const { page, requests, complaints } = await open(path);
    expect(await page.evaluate('window.owned')).toBeUndefined();
    expect(await page.locator('script, style, meta').count()).toBe(8);
    expect(await page.locator('img, iframe, object, embed, link, base, a[href^=javascript]').count()).toBe(0);
    expect(await page.evaluate('document.documentElement.outerHTML')).not.toMatch(/[\p{Cf}\p{Zl}\p{Zp}]|[^\P{Cc}\n]/u);
    expect(await page.getByText(HOSTILE[0]!).count()).toBeGreaterThan(5);
    for (const width of [400, 1_600]) {
      await page.setViewportSize({ width, height: 900 });
      await page.evaluate('for (const each of document.querySelectorAll("details")) each.open = true');
      const { scrollWidth, overflowing } = await legibility(page);
      expect(scrollWidth).toBeLessThanOrEqual(width);
      expect(overflowing).toEqual([]);
    }
    expect([requests.length, complaints]).toEqual([1, []]);
    await page.close();
  });
});
