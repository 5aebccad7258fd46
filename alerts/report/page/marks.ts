import type { Priority } from '../../../rules/index.ts';
import { type Html, html } from '../html.ts';
import { clipped, shortTime } from '../words.ts';

const SHAPES: Readonly<Record<Priority, string>> = {
  emergency: '◆',
  alert: '◆',
  critical: '◆',
  error: '▲',
  warning: '■',
  notice: '●',
  informational: '●',
  debug: '○',
};

/** A priority by its word, a shape and a colour. */
export const badge = (priority: Priority): Html =>
  html`<span class="badge p-${priority}">${SHAPES[priority]} ${priority}</span>`;

/** What was done, or not, by a word and a shape. */
export const done = (isDone: boolean, text: string): Html =>
  html`<span class="badge ${isDone ? 'is-good' : 'is-warn'}">${isDone ? '✓' : '✗'} ${text}</span>`;

/** A moment, to the second; the whole of it where one points. */
export const moment = (iso: string | undefined, digits = 0): Html =>
  iso === undefined ? html`–` : html`<time datetime="${iso}" title="${iso}">${shortTime(iso, digits)}</time>`;

/** Characters of a value that a line of the page shows. */
const MOST = 400;

/** A value that somebody else chose. */
export const value = (text: string | null | undefined, most = MOST): Html =>
  text === null || text === undefined || text === ''
    ? html`<span class="soft">unknown</span>`
    : html`<code>${clipped(text, most)}</code>`;
