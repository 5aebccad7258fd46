import { escapeControl } from '../escape.ts';
import { clipped } from './words.ts';

/** HTML that is safe to put into a page. */
export interface Html {
  readonly html: string;
}

type Part = Html | string | number | undefined | false | readonly Part[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/** More marks on one letter than any language has: they would cover the lines above and below. */
const PILED = /(\p{M}{4})\p{M}+/gu;

const escapeHtml = (text: string): string => text.replace(/[&<>"'`]/g, (character) => ENTITIES[character]!);

/** Characters that a text of a page has at most. */
const MOST = 5_000;

/** A text for a page: what could turn it round, hide or cover others is written out, then what HTML would take for its own. */
const safe = (text: string): string => escapeHtml(escapeControl(clipped(text, MOST)).replace(PILED, '$1…'));

const render = (part: Part): string => {
  if (part === undefined || part === false) return '';
  if (typeof part === 'string') return safe(part);
  if (typeof part === 'number') return String(part);
  return 'html' in part ? part.html : part.map(render).join('');
};

/** A template whose values are escaped, unless they are HTML already. */
export const html = (strings: TemplateStringsArray, ...values: readonly Part[]): Html => ({
  html: strings.map((text, at) => (at === 0 ? text : render(values[at - 1]) + text)).join(''),
});

/** A text that is HTML already: only for texts of this program. */
export const raw = (text: string): Html => ({ html: text });

/** A text of several lines, whole: only for texts of bounded length. */
export const lines = (text: string): Html => ({
  html: text
    .split('\n')
    .map((line) => escapeHtml(escapeControl(line)))
    .join('\n'),
});
