import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic, loadPolicyText } from '../../policies/index.ts';
import { findingsOf, planRules } from '../../rules/index.ts';

/**
 * Wrong files with all that is said of them. In the files of wrong/, `## title` begins a case, `>>` what is said of it. ‹1› marks a place
 * and is no part of the text; {1} stands for it in what is said. `@policy` and the like are lines that many cases begin with.
 */
const folder = fileURLToPath(new URL('wrong/', import.meta.url));

const POLICY = 'apiVersion: shrike/v1\nkind: Policy\nmetadata: {name: p}\nspec:';
const SHORT: Readonly<Record<string, string>> = {
  '@policy': POLICY,
  '@enforce': `${POLICY}\n  mode: enforce\n  scope: {cgroup: /a}`,
  '@rules': '  rules:\n    - {rule: R, condition: evt.type = openat and fd.num > 2, priority: notice, output: x}',
};

interface WrongFile {
  readonly title: string;
  readonly text: string;
  readonly said: string;
}

const unmarked = (marked: string): { readonly text: string; readonly places: ReadonlyMap<string, string> } => {
  const places = new Map<string, string>();
  let text = '';
  let last = 0;
  for (const mark of marked.matchAll(/‹(\d+)›/g)) {
    text += marked.slice(last, mark.index);
    last = mark.index + mark[0].length;
    const lines = text.split('\n');
    places.set(`{${mark[1]}}`, `p.yaml:${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}:`);
  }
  return { text: text + marked.slice(last), places };
};

const caseOf = (part: string): WrongFile => {
  const [head = '', said = ''] = part.split(/^>>\n/m);
  const [title = '', ...lines] = head.split('\n');
  const has = (option: string): boolean => lines.includes(option);
  const kept = lines.filter((line) => line !== '@bom' && line !== '@crlf').map((line) => SHORT[line] ?? line);
  const { text, places } = unmarked(kept.join('\n'));
  const ended = has('@crlf') ? text.replaceAll('\n', '\r\n') : text;
  return {
    title,
    text: (has('@bom') ? '\uFEFF' : '') + ended.replaceAll('\\0', '\0'),
    said: said.trimEnd().replace(/\{\d+\}/g, (place) => places.get(place) ?? place),
  };
};

/** What `shrike check` says of a file, but for the kernel's verifier. */
const check = (text: string): string => {
  const { policies, diagnostics, ignores } = loadPolicyText('p.yaml', text);
  const rules = policies.flatMap((policy) => policy.rules);
  const planned = ignores.filter([...planRules(rules).diagnostics, ...findingsOf(rules)]);
  const told = [...diagnostics, ...planned];
  const wrong = told.some(({ severity }) => severity === 'error');
  return [...told, ...ignores.unused(() => wrong)]
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
    .map((found) => formatDiagnostic(found, { colour: false }))
    .join('\n');
};

const files = readdirSync(folder)
  .sort()
  .map((name) => ({
    name: name.replace(/\.txt$/, ''),
    cases: readFileSync(folder + name, 'utf8')
      .split(/^## /m)
      .slice(1)
      .map(caseOf),
  }));

describe.each(files)('$name', ({ cases }) => {
  it.each(cases)('$title', ({ text, said }) => {
    expect(said).not.toBe('');
    expect(check(text)).toBe(said);
  });
});

it('there are at least 80 of them, a quarter with several mistakes', () => {
  const all = files.flatMap(({ cases }) => cases);
  expect(all.length).toBeGreaterThanOrEqual(80);
  const several = all.filter(({ said }) => (said.match(/^p\.yaml:/gm) ?? []).length > 1);
  expect(several.length).toBeGreaterThanOrEqual(all.length / 4);
});
