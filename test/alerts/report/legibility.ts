import type { Page } from 'playwright-core';

/** How a page's texts can be read as it stands. */
export interface Legibility {
  readonly width: number;
  readonly scrollWidth: number;
  /** Pieces of text that can be seen. */
  readonly texts: number;
  /** Pixels of the smallest font. */
  readonly smallest: number;
  /** By WCAG 2.2, 1 to 21. */
  readonly leastContrast: number;
  /** Texts of less than 4.5. */
  readonly faint: readonly string[];
  /** Texts that stand beyond the window's edges. */
  readonly overflowing: readonly string[];
}

/** Looks at each text that can be seen: its font's size, its colour against the nearest background behind it, its place. Runs in the page. */
const LOOK = `(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const result = { width: innerWidth, scrollWidth: document.documentElement.scrollWidth, texts: 0, smallest: 1000, leastContrast: 21, faint: [], overflowing: [] };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    if (node.data.trim() === '' || ['SCRIPT', 'STYLE', 'TITLE', 'OPTION', 'title'].includes(element.tagName)) continue;
    if (!element.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true })) continue;
    if (element.closest('thead, .skip') !== null && getComputedStyle(element.closest('thead, .skip')).position === 'absolute') continue;
    const style = getComputedStyle(element);
    const [light, dark] = [luminance(channels(style.color)), luminance(behind(element))].sort((one, other) => other - one);
    const contrast = (light + 0.05) / (dark + 0.05);
    result.texts++;
    result.smallest = Math.min(result.smallest, parseFloat(style.fontSize));
    result.leastContrast = Math.min(result.leastContrast, contrast);
    if (contrast < 4.5) result.faint.push(node.data.slice(0, 40));
    const range = document.createRange();
    range.selectNodeContents(node);
    const { left, right } = range.getBoundingClientRect();
    if (element.closest('pre') === null && (left < -1 || right > innerWidth + 1)) result.overflowing.push(node.data.slice(0, 40));
  }
  return result;
})()`;

export const legibility = (page: Page): Promise<Legibility> => page.evaluate(LOOK);
