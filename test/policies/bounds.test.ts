import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic, loadPolicies, loadPolicyText } from '../../policies/index.ts';
import { temporaryFolder } from '../support/folder.ts';

const HEAD = 'apiVersion: shrike/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n';
const RULE = '  rules:\n    - {rule: R, condition: evt.type = openat and big, priority: notice, output: x}\n';
const said = (text: string): readonly string[] =>
  loadPolicyText('p.yaml', text).diagnostics.map(
    (found) => formatDiagnostic(found, { colour: false }).split('\n', 1)[0] ?? '',
  );

describe('files that are made to take long', () => {
  it('of 5 MB are not read at all', () => {
    const file = join(temporaryFolder(), 'large.yaml');
    const rule = '- {rule: R, desc: d, condition: evt.type = openat and fd.num > 2, output: x, priority: INFO}\n';
    const times = Math.ceil(5_000_000 / rule.length);
    writeFileSync(file, rule.repeat(times));
    const { policies, diagnostics } = loadPolicies([file]);
    expect(policies).toEqual([]);
    expect(diagnostics.map(({ code, message }) => [code, message])).toEqual([
      [
        'file-too-large',
        `The file has ${times * rule.length} bytes; a policy file may have 4194304. Split it into several files.`,
      ],
    ]);
  });

  it('by macros that double at each step stop at 10,000 comparisons', () => {
    const macros = Array.from({ length: 40 }, (_, index) =>
      index === 0 ? '    m0: proc.name = a\n' : `    m${index}: m${index - 1} and m${index - 1}\n`,
    );
    const text = `${HEAD}  macros:\n${macros.join('')}    big: m39\n${RULE}`;
    const found = said(text);
    const what =
      'error[too-large]: The condition has more than 10000 comparisons after its macros are put in; split it into several rules.';
    expect(found).toEqual([`p.yaml:20:18: ${what}`, `p.yaml:35:18: ${what}`]);
  });

  it('by lists that double at each step hold each value once', () => {
    const lists = Array.from({ length: 60 }, (_, index) =>
      index === 0 ? '    l0: [a, b]\n' : `    l${index}: [l${index - 1}, l${index - 1}]\n`,
    );
    const text = `${HEAD}  lists:\n${lists.join('')}  macros: {big: proc.name in (l59)}\n${RULE}`;
    const { policies, diagnostics } = loadPolicyText(
      'p.yaml',
      text.replace('{big: proc.name in (l59)}', '{big: "proc.name in (l59)"}'),
    );
    expect(diagnostics).toEqual([]);
    const condition = policies[0]?.rules[0]?.condition;
    const [, big] = condition?.kind === 'and' ? condition.operands : [];
    expect(big?.kind === 'predicate' && big.constants.map(({ value }) => value)).toEqual(['a', 'b']);
  });

  it('by a deep condition are told so', () => {
    const text = `${HEAD}  rules:\n    - {rule: R, condition: '${'not '.repeat(3_000)}fd.num = 1', priority: notice, output: x}\n`;
    const found = said(text);
    expect(found[0]).toBe(
      'p.yaml:6:4033: error[too-deep]: The condition is nested more than 1000 levels deep; split it into several rules.',
    );
    expect(found.length).toBeLessThanOrEqual(2);
  });
});

describe('paths that hold no policies', () => {
  it('are told why', () => {
    const folder = temporaryFolder();
    const { diagnostics } = loadPolicies([join(folder, 'none.yaml'), folder]);
    expect(diagnostics.map(({ severity, code, message }) => [severity, code, message])).toEqual([
      ['error', 'file-not-found', `There is no file or folder "${join(folder, 'none.yaml')}".`],
      ['warning', 'no-policies', `The folder "${folder}" has no .yaml or .yml file.`],
    ]);
  });
});
