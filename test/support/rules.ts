import type { Policy } from '../../policies/index.ts';
import { type Condition, parseCondition, parseTemplate, type Rule, resolveCondition } from '../../rules/index.ts';

/** The condition that a text means, with no lists and macros. */
export const conditionOf = (text: string): Condition => {
  const parsed = parseCondition(text);
  const none = { list: () => undefined, macro: () => undefined, knownLists: () => [], knownMacros: () => [] };
  const resolved = parsed.condition && resolveCondition(parsed.condition, none);
  const problems = [...parsed.problems, ...(resolved?.problems ?? [])].filter((found) => found.severity === 'error');
  if (resolved?.condition === undefined || problems.length > 0)
    throw new Error(`"${text}": ${problems.map((found) => JSON.stringify(found)).join('; ')}`);
  return resolved.condition;
};

/** A rule as a policy file's loader makes it: the condition starts at line 5, column 18 of `test.yaml`. */
export const ruleOf = (name: string, condition: string, more: Partial<Rule> = {}): Rule => ({
  name,
  policy: 'test',
  description: '',
  condition: conditionOf(condition),
  conditionText: condition,
  on: [],
  priority: 'notice',
  output: parseTemplate('%proc.name').template,
  tags: [],
  action: 'alert',
  mode: 'monitor',
  scope: {},
  position: { file: 'test.yaml', line: 4, column: 7 },
  conditionAt: (span) => ({ file: 'test.yaml', line: 5, column: 18 + span.start }),
  ...more,
});

/** A policy of some rules; its mode and scope are the first rule's. */
export const policyOf = (rules: readonly Rule[]): Policy => ({
  name: 'test',
  description: '',
  format: 'shrike',
  file: 'test.yaml',
  hash: '0'.repeat(64),
  mode: rules[0]?.mode ?? 'monitor',
  scope: rules[0]?.scope ?? {},
  rules,
  tests: [],
});
