import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runPolicyTests } from '../../agent/index.ts';
import { formatDiagnostic, loadPolicyText } from '../../policies/index.ts';
import { compile } from '../../rules/index.ts';
import { loadTestScenario } from '../../sensors/index.ts';

interface Block {
  readonly line: number;
  readonly text: string;
  /** Codes of the diagnostics that loading and compiling must give, sorted; none for most. */
  readonly codes: readonly string[];
}

/** The YAML blocks of a document; "```yaml expect=code,code" marks one with mistakes. */
const blocksOf = (markdown: string): readonly Block[] =>
  [...markdown.matchAll(/^```yaml(?: expect=(\S+))?\n(.*?)^```$/gms)].map(({ index, 1: codes, 2: text = '' }) => ({
    line: markdown.slice(0, index).split('\n').length,
    text,
    codes: codes?.split(',') ?? [],
  }));

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const document = read('docs/policies.md');
const blocks = blocksOf(document);
const readme = blocksOf(read('README.md'));

/** Everything that loading and compiling say about a policy's text. */
const diagnose = (file: string, text: string) => {
  const { policies, diagnostics } = loadPolicyText(file, text);
  const rules = policies.flatMap((policy) => policy.rules);
  return { policies, diagnostics: [...diagnostics, ...compile(rules, { level: '6.12' }).diagnostics] };
};

it.each(readme)('nothing is wrong with the example in line $line of README.md', ({ text }) => {
  expect(diagnose('README.md', text).diagnostics).toEqual([]);
});

describe('the examples of docs/policies.md', () => {
  it('has all of them in view', () => {
    expect(blocks.length).toBe(document.split('```yaml').length - 1);
    expect(blocks.length).toBeGreaterThanOrEqual(6);
  });

  it.each(blocks.filter(({ codes }) => codes.length === 0))('nothing is wrong with the one in line $line', (block) => {
    const { policies, diagnostics } = diagnose('example.yaml', block.text);
    expect(diagnostics.map((found) => formatDiagnostic(found, { colour: false }))).toEqual([]);
    expect(policies.flatMap((policy) => policy.rules).length).toBeGreaterThan(0);
  });

  it.each(blocks.filter(({ codes }) => codes.length > 0))('the one in line $line is refused as it says', (block) => {
    const { diagnostics } = diagnose('example.yaml', block.text);
    expect(diagnostics.map(({ code }) => code)).toEqual(block.codes);
  });

  it('their own tests pass', async () => {
    const policies = [...readme, ...blocks].flatMap(({ text }) => diagnose('example.yaml', text).policies);
    const outcomes = [];
    for (const policy of policies) for await (const outcome of runPolicyTests(policy)) outcomes.push(outcome);
    expect(outcomes.length).toBeGreaterThanOrEqual(5);
    const failed = outcomes.filter(({ passed }) => !passed);
    expect(failed.map(({ test, raised, problems }) => ({ test: test.name, raised, problems }))).toEqual([]);
  });

  it('the steps in its table can be played', () => {
    const steps = [...document.matchAll(/^\| `(\{.*\})` \|/gm)].map(([, step = '']) => parse(step) as unknown);
    expect(steps.length).toBeGreaterThanOrEqual(8);
    const policy = {
      apiVersion: 'shrike/v1',
      kind: 'Policy',
      metadata: { name: 'steps' },
      spec: {
        rules: [{ rule: 'r', condition: 'evt.type = getpid', priority: 'debug', output: 'x' }],
        tests: [{ name: 'all', scenario: { inline: steps }, expect: [] }],
      },
    };
    const { policies, diagnostics } = loadPolicyText('steps.yaml', JSON.stringify(policy));
    const found = policies.flatMap(({ tests }) => tests).flatMap((test) => loadTestScenario(test).diagnostics);
    expect([...diagnostics, ...found].map((each) => formatDiagnostic(each, { colour: false }))).toEqual([]);
    expect(policies.length).toBe(1);
  });

  it('quotes the message of a refusal as it is', () => {
    const refused = blocks.find(({ codes }) => codes.includes('not-in-kernel'));
    const [found] = diagnose('refused.yaml', refused?.text ?? '').diagnostics;
    const first = found === undefined ? '' : formatDiagnostic(found, { colour: false }).split('\n')[0];
    const quoted = /^```\n(refused\.yaml.*)\n```$/m.exec(document)?.[1];
    expect(quoted).toBe(first);
  });
});
