import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const documents = [
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(ROOT, 'docs', name)),
  join(ROOT, 'README.md'),
];

const withoutCode = (markdown: string): string => markdown.replace(/^```.*?^```$/gms, '');

/** Headings as the fragments that GitHub makes of them. */
const fragmentsOf = (path: string): readonly string[] =>
  [...withoutCode(readFileSync(path, 'utf8')).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );

const brokenLinks = (path: string): readonly string[] =>
  [...withoutCode(readFileSync(path, 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [file = '', fragment] = link.split('#');
    const target = file === '' ? path : join(dirname(path), file);
    if (!existsSync(target)) return [link];
    return fragment === undefined || fragmentsOf(target).includes(fragment) ? [] : [link];
  });

it.each(documents.map((path) => relative(ROOT, path)))('every link of %s leads somewhere', (path) => {
  expect(brokenLinks(join(ROOT, path))).toEqual([]);
});
