import type { TestOutcome } from '../agent/index.ts';
import { failureLines } from './test-report.ts';

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** A text as XML 1.0 may hold it (section 2.2): markup escaped, characters that it has no room for replaced. */
const xml = (text: string): string =>
  text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);

const testCase = (outcome: TestOutcome): string => {
  const { test, policy, passed } = outcome;
  const { file, line } = test.position;
  const head = `    <testcase classname="${xml(policy.name)}" name="${xml(test.name)}" file="${xml(file)}" line="${line}"`;
  if (passed) return `${head}/>`;
  const [first = 'failed', ...rest] = failureLines(outcome);
  return `${head}>\n      <failure message="${xml(first)}">${xml([first, ...rest].join('\n'))}</failure>\n    </testcase>`;
};

/** Tests' outcomes in the XML that continuous integration servers read: a suite a policy. */
export const junitReport = (outcomes: readonly TestOutcome[]): string => {
  const policies = [...new Set(outcomes.map((outcome) => outcome.policy))];
  const suites = policies.map((policy) => {
    const own = outcomes.filter((outcome) => outcome.policy === policy);
    const failures = own.filter(({ passed }) => !passed).length;
    return [
      `  <testsuite name="${xml(policy.name)}" tests="${own.length}" failures="${failures}">`,
      ...own.map(testCase),
      '  </testsuite>',
    ].join('\n');
  });
  return ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites name="shrike">', ...suites, '</testsuites>', ''].join(
    '\n',
  );
};
