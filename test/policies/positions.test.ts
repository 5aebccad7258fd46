import { describe, expect, it } from 'vitest';
import { loadPolicyText } from '../../policies/index.ts';

const file = (condition: string): string => `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
  rules:
    - rule: Read
      condition: ${condition}
      priority: notice
      output: read
`;

/** Line and column of a word in a text, counted the plain way. */
const placeOf = (text: string, word: string): { line: number; column: number } => {
  const lines = text.split('\n');
  const line = lines.findIndex((candidate) => candidate.includes(word));
  return { line: line + 1, column: (lines[line] ?? '').indexOf(word) + 1 };
};

describe('a mistake in a condition is shown where it stands', () => {
  it.each([
    ['plain', 'evt.type = openat and proc.zzz = cat'],
    ['plain over lines', 'evt.type = openat\n        and proc.name = a\n\n          and proc.zzz = cat'],
    ['single quotes', "'proc.name in (''a b'', ''c'') and proc.zzz = cat'"],
    ['single quotes over lines', "'proc.name = ''it'' and\n        proc.name = b\n\n        and proc.zzz = cat'"],
    ['double quotes', String.raw`"proc.name = \"a b\" and \x70roc.name = \u0063 and \U0001F600 and proc.zzz = cat"`],
    ['double quotes over lines', '"proc.name = \\"a\\" and \\\n        \\ proc.name = b\n        and proc.zzz = cat"'],
    ['literal', '|\n        evt.type = openat\n          and proc.name = a\n\n        and proc.zzz = cat'],
    ['literal, kept and indented', '|2+\n          evt.type = openat\n        and proc.zzz = cat\n\n'],
    ['literal with a comment', '|-  # why\n        evt.type = openat and\n        proc.zzz = cat'],
    ['folded', '>\n        evt.type = openat\n        and proc.name = a\n        and proc.zzz = cat'],
    [
      'folded with paragraphs',
      '>-\n        evt.type = openat\n\n        and proc.name = a\n           and proc.name = b\n        and proc.zzz = cat',
    ],
    ['folded with tabs', '>\n        evt.type = openat\tand \tproc.name = a\n        \tand proc.zzz = cat'],
  ])('%s', (_, condition) => {
    for (const text of [file(condition), file(condition).replaceAll('\n', '\r\n')]) {
      const { diagnostics } = loadPolicyText('p.yaml', text);
      const found = diagnostics.find((one) => one.message.includes('proc.zzz'));
      expect(found, JSON.stringify(diagnostics)).toBeDefined();
      expect({ line: found?.line, column: found?.column }).toStrictEqual(placeOf(text, 'proc.zzz'));
    }
  });

  it('behind characters that are two units long', () => {
    const text = file('proc.name = 😀 and proc.name = "😀" and proc.zzz = a');
    const { diagnostics } = loadPolicyText('p.yaml', text);
    expect(diagnostics.map(({ line, column }) => ({ line, column }))).toStrictEqual([placeOf(text, 'proc.zzz')]);
  });

  it('at its start where it is empty', () => {
    const { diagnostics } = loadPolicyText('p.yaml', file('""'));
    expect(diagnostics.map(({ line, column, message }) => ({ line, column, message }))).toStrictEqual([
      { line: 7, column: 19, message: 'The condition is empty; expected a comparison such as "proc.name = bash".' },
    ]);
  });

  it('and a sound rule tells where each part of it stands', () => {
    const text = file('>\n        evt.type = openat\n        and fd.name = /etc/shadow');
    const rule = loadPolicyText('p.yaml', text).policies[0]?.rules[0];
    const start = rule?.conditionText.indexOf('fd.name') ?? -1;
    expect(rule?.conditionAt({ start, end: start + 7 })).toStrictEqual({ file: 'p.yaml', ...placeOf(text, 'fd.name') });
  });
});
