import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatPolicyText, loadPolicies, loadPolicyText, policyFiles } from '../../policies/index.ts';
import { type Condition, predicateText } from '../../rules/index.ts';
import { casesFolder } from '../support/cases.ts';

const POLICY = `# a policy
apiVersion: shrike/v1
kind: Policy
metadata: { name: p,   description: 'quoted' }   # named


spec:
    lists:
        files: [ /etc/shadow,
           /etc/gshadow ]
        # of readers
        readers: [aaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbb, cccccccccccccccccccccccc, dddddddddddddddddddd, eeeeeeeee, ffffff]
    macros: {reader: "proc.name in (readers)", other: "proc.name=cat"}
    rules:
    # the first
    - rule: R
      desc: text
        that goes on
      condition: evt.type=openat   and ((fd.name in (files)) and not (reader)) and evt.is_open_read=true and fd.num>=0 and proc.name != su
      priority: notice
      output: >-
          %proc.name
          read
    - rule: S
      condition: (other)  # shrike: ignore no-event-type
      priority: notice
      output: x
# the end
`;

const FORMATTED = `# a policy
apiVersion: shrike/v1
kind: Policy
metadata: {name: p, description: 'quoted'} # named

spec:
  lists:
    files: [/etc/shadow, /etc/gshadow]
    # of readers
    readers:
      [aaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbb, cccccccccccccccccccccccc, dddddddddddddddddddd, eeeeeeeee,
       ffffff]
  macros: {reader: "proc.name in (readers)", other: proc.name = cat}
  rules:
    # the first
    - rule: R
      desc: text that goes on
      condition: >
        evt.type = openat
        and fd.name in (files)
        and not reader
        and evt.is_open_read = true
        and fd.num >= 0
        and proc.name != su
      priority: notice
      output: >-
        %proc.name
        read
    - rule: S
      condition: other # shrike: ignore no-event-type
      priority: notice
      output: x

# the end
`;

it('sets levels in by two, fills lines, and puts wide conditions in blocks', () => {
  expect(formatPolicyText(POLICY)).toBe(FORMATTED);
  expect(formatPolicyText(FORMATTED)).toBe(FORMATTED);
});

it('formats each document of a file, and a Falco rules file', () => {
  expect(formatPolicyText('a: 1\n---\nb:   2\n')).toBe('a: 1\n---\nb: 2\n');
  expect(
    formatPolicyText(
      '- macro: m\n  condition: (evt.type=open  or evt.type = openat)\n\n\n- list: l\n  items: [ a,b ]\n',
    ),
  ).toBe('- macro: m\n  condition: evt.type = open or evt.type = openat\n\n- list: l\n  items: [a, b]\n');
});

it.each([
  ['is no YAML', 'a: [1\n'],
  ['has a block with an indentation of its own', 'a: |2\n    text\n'],
  ['has tags', 'a: !!str 1\n'],
  ['has keys of several lines', '? [a, b]\n: 1\n'],
  ['has aliases', 'a: &x 1\nb: *x\n'],
])('leaves a file alone that %s', (_, text) => {
  expect(formatPolicyText(text)).toBeUndefined();
});

it('leaves a condition with mistakes as it is', () => {
  const text = 'spec:\n  rules:\n    - condition: evt.type =   and\n';
  expect(formatPolicyText(text)).toBe(text);
});

/** Brackets around an `and` in an `and` say nothing. */
const flat = (kind: 'and' | 'or', condition: Condition): readonly Condition[] =>
  condition.kind === kind ? condition.operands.flatMap((operand) => flat(kind, operand)) : [condition];

const withoutSpans = (condition: Condition): unknown => {
  switch (condition.kind) {
    case 'constant':
      return condition.value;
    case 'predicate':
      return [predicateText(condition), condition.operator, condition.constants];
    case 'not':
      return ['not', withoutSpans(condition.operand)];
    default:
      return [condition.kind, ...flat(condition.kind, condition).map(withoutSpans)];
  }
};

/** What a loaded policy does, without places and its text. */
const meaningOf = (texts: readonly string[]): unknown =>
  texts.map((text, index) => {
    const { policies, diagnostics } = loadPolicyText(`${index}.yaml`, text);
    return [
      diagnostics.map(({ code, message }) => [code, message]),
      policies.map((policy) => [
        policy.name,
        policy.mode,
        policy.rules.map(({ name, condition, output, tags, priority, on, action }) => [
          name,
          withoutSpans(condition),
          output.parts.map((part) =>
            typeof part === 'string' ? part : { ...part, span: undefined, field: undefined },
          ),
          tags,
          priority,
          on,
          action,
        ]),
        policy.tests.map(({ name, expect: expected, enforce, scenario }) => [
          name,
          expected,
          enforce,
          'inline' in scenario ? scenario.inline : scenario,
        ]),
      ]),
    ];
  });

const same = (files: readonly string[]): void => {
  const texts = files.map((file) => readFileSync(file, 'utf8'));
  const formatted = texts.map((text) => formatPolicyText(text));
  expect(files.filter((_, index) => formatted[index] === undefined)).toEqual([]);
  const known = formatted.map((text) => text ?? '');
  expect(known.map((text) => formatPolicyText(text))).toEqual(known);
  expect(meaningOf(known)).toEqual(meaningOf(texts));
};

it('keeps what the shipped policies say', () => {
  const folder = fileURLToPath(new URL('../../policies/library', import.meta.url));
  const files = policyFiles([folder], { enforcing: true });
  expect(files.length).toBeGreaterThanOrEqual(25);
  same(files);
});

const falco = casesFolder('falco');

describe.skipIf(falco === undefined)('the public rules', () => {
  it('say the same', () => {
    const folder = falco ?? '';
    same(
      readdirSync(folder)
        .filter((name) => name.endsWith('.yaml'))
        .map((name) => join(folder, name)),
    );
    expect(loadPolicies([folder]).policies).toHaveLength(2);
  });
});
