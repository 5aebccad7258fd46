import { expect, it } from 'vitest';
import { joined, type Waiting } from '../../../alerts/audit/batch.ts';

const NEWLINE = 0x0a;
const encoder = new TextEncoder();
/** Lines in one piece of memory, a newline behind each, with a gap in front of those that begin with a blank. */
const linesIn = (...texts: readonly string[]): Waiting[] => {
  const space = encoder.encode(texts.map((text) => `${text}\n`).join(''));
  let at = 0;
  return texts.map((text, index) => {
    const from = at + (text.startsWith(' ') ? 1 : 0);
    const end = at + text.length;
    at = end + 1;
    return { seq: index + 1, time: 0, since: 0, bytes: space.subarray(from, end), entry: undefined };
  });
};
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

it('joins lines where they lie in one piece without a copy', () => {
  const lines = linesIn('one', 'two', 'three');
  const bytes = joined(lines);
  expect(textOf(bytes)).toBe('one\ntwo\nthree\n');
  expect(bytes.buffer).toBe(lines[0]?.bytes.buffer);
  expect(bytes.at(-1)).toBe(NEWLINE);
});

it('joins lines of several pieces of memory, and those with a gap between them', () => {
  const lines = [...linesIn('one', 'two'), ...linesIn('three'), ...linesIn('four', ' five', 'six')];
  expect(textOf(joined(lines))).toBe('one\ntwo\nthree\nfour\nfive\nsix\n');
  expect(textOf(joined([]))).toBe('');
});
