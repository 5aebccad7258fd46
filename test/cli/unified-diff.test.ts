import { expect, it } from 'vitest';
import { unifiedDiff } from '../../cli/unified-diff.ts';
import { count, seed } from '../support/counts.ts';
import { createRandom } from '../support/random.ts';

/** Applies a unified diff as patch(1) does; throws where a line that should be there isn't. */
const patched = (text: string, diff: readonly string[]): string => {
  const before = text.replace(/\n$/, '').split('\n');
  const after: string[] = [];
  let at = 0;
  for (const line of diff.slice(2)) {
    const hunk = /^@@ -(\d+),(\d+) \+(\d+),(\d+) @@$/.exec(line);
    if (hunk !== null) {
      const start = Number(hunk[1]) - 1;
      after.push(...before.slice(at, start));
      at = start;
      expect(after.length).toBe(Number(hunk[3]) - 1);
      continue;
    }
    if (line.startsWith('+')) {
      after.push(line.slice(1));
      continue;
    }
    expect(before[at]).toBe(line.slice(1));
    if (line.startsWith(' ')) after.push(line.slice(1));
    at++;
  }
  return `${[...after, ...before.slice(at)].join('\n')}\n`;
};

it('is empty for the same text', () => {
  expect(unifiedDiff('f', 'a\nb\n', 'a\nb\n')).toEqual([]);
});

it('shows three lines around a change', () => {
  const lines = ['1', '2', '3', '4', '5', '6', '7', '8'];
  const changed = lines.map((line) => (line === '5' ? 'five' : line));
  expect(unifiedDiff('f', `${lines.join('\n')}\n`, `${changed.join('\n')}\n`)).toEqual([
    '--- f',
    '+++ f',
    '@@ -2,7 +2,7 @@',
    ' 2',
    ' 3',
    ' 4',
    '-5',
    '+five',
    ' 6',
    ' 7',
    ' 8',
  ]);
});

it('turns one text into the other', () => {
  const random = createRandom(seed('unified diff'));
  for (let round = 0; round < count(20_000); round++) {
    const before = Array.from({ length: random.between(1, 40) }, () => `line ${random.below(8)}`);
    const after = before.flatMap((line) =>
      random.below(6) > 0 ? [line] : random.below(2) === 0 ? [] : [line, `new ${random.below(9)}`],
    );
    const [from, to] = [`${before.join('\n')}\n`, `${[...after, 'end'].join('\n')}\n`];
    expect(patched(from, unifiedDiff('f', from, to))).toBe(to);
  }
});
