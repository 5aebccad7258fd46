import { readFileSync } from 'node:fs';

/** The block of the README that begins with a text. @throws Error where there is none */
export const readmeBlock = (beginning: string): string => {
  const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const at = text.indexOf(`\`\`\`\n${beginning}`);
  if (at < 0) throw new Error(`no block of the README begins with ${beginning}`);
  return text.slice(at + 4, text.indexOf('\n```\n', at));
};

/** Output without what is another each time: ports, folders, numbers in the audit log, and how many records there were. */
export const comparable = (output: string): string =>
  output
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd())
    .map((line) => line.replace(/#\d+ */, '#').replace(/127\.0\.0\.1:\d+/, 'server'))
    .map((line) => line.replace(/^(audit log +).*/, '$1folder').replace(/, \d+ records to user space/, ''))
    .map((line) => line.replace(/^( {2}node )\S*main\.js/, '$1main.js'))
    .join('\n');
