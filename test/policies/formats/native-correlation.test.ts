import { describe, expect, it } from 'vitest';
import { formatDiagnostic, loadPolicyText } from '../../../policies/index.ts';
import { compile } from '../../../rules/index.ts';

/** What is said of a rule with these lines; they start in line 7, column 7 of `p.yaml`. */
const said = (lines: string): readonly string[] => {
  const rule = lines
    .trim()
    .split('\n')
    .map((line) => `      ${line}\n`)
    .join('');
  const head = `apiVersion: shrike/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  mode: monitor\n  rules:\n`;
  const text = `${head}${rule.replace(/^ {6}/, '    - ')}`;
  const { policies, diagnostics } = loadPolicyText('p.yaml', text);
  const found = [...diagnostics, ...compile(policies[0]?.rules ?? [], { level: '6.12' }).diagnostics];
  return found.map((each) => formatDiagnostic(each, { colour: false }).split('\n', 1)[0] ?? '');
};

const MATCH = 'rule: R\npriority: notice\noutput: o\ncondition: evt.type = connect';
const STEPS = 'rule: R\npriority: notice\noutput: o';
const PAIR = 'steps: [{condition: evt.type = execve}, {condition: evt.type = connect}]';

describe('a threshold or a sequence', () => {
  it.each([
    `${MATCH}\nthreshold: {more_than: 5, within: 60s}`,
    `${MATCH}\nthreshold: {more_than: 1, within: 1ms, by: [proc.pid, "proc.aname[2]", fd.sip, evt.arg.addrlen]}`,
    `${MATCH}\nthreshold: {more_than: 1000000, within: 24h, by: []}`,
    `${STEPS}\nsequence: {${PAIR}, within: 10s, by: [proc.tree]}`,
    `${STEPS}\nsequence: {${PAIR}, within: 1.5min, by: [proc.tree, user.uid]}`,
  ])('is taken: %s', (rule) => {
    expect(said(rule)).toEqual([]);
  });

  it.each<readonly [string, readonly string[]]>([
    [
      `${MATCH}\nthreshold: {more_than: 0, within: 60s}`,
      [
        '11:30: error[wrong-value]: spec.rules[0].threshold.more_than is the number 0; expected a number from 1 to 1000000.',
      ],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 1000001, within: 60s}`,
      [
        '11:30: error[wrong-value]: spec.rules[0].threshold.more_than is the number 1000001; expected a number from 1 to 1000000.',
      ],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 2.5, within: 60}`,
      [
        '11:30: error[wrong-type]: spec.rules[0].threshold.more_than is the number 2.5; expected a number from 1 to 1000000.',
        '11:43: error[wrong-type]: spec.rules[0].threshold.within is the number 60; expected a time from 1 ms to 24 h such as 60s.',
      ],
    ],
    [
      `${MATCH}\nthreshold: {count: 5, within: 999us}`,
      [
        '11:18: error[missing-key]: spec.rules[0].threshold lacks the key "more_than"; expected a number from 1 to 1000000.',
        '11:19: error[unknown-key]: spec.rules[0].threshold has no key "count".',
        '11:37: error[wrong-value]: spec.rules[0].threshold.within is "999us"; expected a time from 1 ms to 24 h such as 60s.',
      ],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 5, within: 25h}`,
      [
        '11:41: error[wrong-value]: spec.rules[0].threshold.within is "25h"; expected a time from 1 ms to 24 h such as 60s.',
      ],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 5, within: 1 minute}`,
      [
        '11:41: error[wrong-value]: spec.rules[0].threshold.within is "1 minute"; expected a time from 1 ms to 24 h such as 60s.',
      ],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 5, within: 60s, by: proc.pid}`,
      [
        '11:50: error[wrong-type]: spec.rules[0].threshold.by is "proc.pid"; expected a list of at most 8 fields such as [proc.pid].',
      ],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 5, within: 60s, by: [proc.pdi]}`,
      ['11:51: error[unknown-field]: There is no field "proc.pdi"; did you mean "proc.pid"?'],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 5, within: 60s, by: [toupper(proc.name)]}`,
      [
        '11:51: error[wrong-value]: spec.rules[0].threshold.by[0] is "toupper(proc.name)"; expected a field such as proc.pid.',
      ],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 5, within: 60s, by: [proc.pid proc.name]}`,
      [
        '11:51: error[wrong-value]: spec.rules[0].threshold.by[0] is "proc.pid proc.name"; expected a field such as proc.pid.',
      ],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 5, within: 60s, by: [proc.tree]}`,
      [
        '11:51: error[wrong-value]: spec.rules[0].threshold.by[0] is "proc.tree"; expected a field; only sequences go by trees of processes.',
      ],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 5, within: 60s, by: ["proc.aname[x]"]}`,
      ['11:52: error[bad-argument]: "x" does not fit in the brackets of "proc.aname"; expected a number.'],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 5, within: 60s, by: [fs.path.name]}`,
      ['11:18: error[key-not-there]: rule "R" goes by fs.path.name, but events of connect have no such field'],
    ],
    [
      `${MATCH}\nthreshold: {more_than: 5, within: 60s}\naction: deny`,
      [
        `11:18: error[not-in-kernel]: rule "R" can't deny by a threshold: its events are looked at together in user space, when the calls have had their effect`,
      ],
    ],
    [
      `${MATCH}\nsequence: {${PAIR}, within: 10s}\nthreshold: {more_than: 5, within: 60s}\non: [connect]`,
      [
        `10:7: error[beside-sequence]: The rule "R" has a sequence, so that it can't have the key "condition" too; each of its steps has its own.`,
        `12:7: error[beside-sequence]: The rule "R" has a sequence, so that it can't have the key "threshold" too; make two rules of it.`,
        `13:7: error[beside-sequence]: The rule "R" has a sequence, so that it can't have the key "on" too; each of its steps has its own.`,
      ],
    ],
    [
      `${STEPS}\nsequence: {steps: [{condition: evt.type = execve}], within: 10s}`,
      [
        '10:25: error[wrong-value]: spec.rules[0].sequence.steps is a list; expected a list of 2 to 8 steps, each with a condition.',
      ],
    ],
    [
      `${STEPS}\nsequence: {steps: [{condition: evt.type = execve}, {on: [conect]}]}`,
      [
        '10:17: error[missing-key]: spec.rules[0].sequence lacks the key "within"; expected a time from 1 ms to 24 h such as 60s.',
        '10:58: error[missing-key]: spec.rules[0].sequence.steps[1] lacks the key "condition"; expected a condition such as "evt.type = openat and fd.name = /etc/shadow".',
        '10:64: error[unknown-event]: There is no event type "conect"; did you mean "connect"?',
      ],
    ],
    [
      `${STEPS}\nsequence: {steps: [{condition: evt.type = }, {condition: proc.nmae = x}], within: 10s}`,
      [
        '10:48: error[missing-value]: Expected a value after "evt.type =", but found the end; put quotes around a value that looks like that.',
        '10:64: error[unknown-field]: There is no field "proc.nmae"; did you mean "proc.name"?',
      ],
    ],
    [
      `${STEPS}\nsequence: {${PAIR}, within: 10s, by: [fd.sip]}`,
      [`10:17: error[key-not-there]: rule "R" goes by fd.sip, but step 1's events of execve have no such field`],
    ],
    [
      `${STEPS}\nsequence: {${PAIR}, within: 10s}\naction: kill`,
      [
        `10:17: error[not-in-kernel]: rule "R" can't kill by a sequence: its events are looked at together in user space, when the calls have had their effect`,
      ],
    ],
    [
      `${STEPS.replace(': o', ': "%step[3].proc.name %step[2].proc.name %step[0].proc.nam"')}\nsequence: {${PAIR}, within: 10s}`,
      [
        '9:16: error[bad-placeholder]: Expected a step from 1 to 2 after this %; write %% for a percent sign.',
        '9:54: error[bad-placeholder]: Expected a step from 1 to 2 after this %; write %% for a percent sign.',
        '9:63: error[unknown-field]: There is no field "proc.nam"; did you mean "proc.name"?',
      ],
    ],
    [
      MATCH.replace(': o', ': "%step[1].proc.name"'),
      [
        '9:16: error[bad-placeholder]: Expected a field (only rules with a sequence have steps) after this %; write %% for a percent sign.',
      ],
    ],
    [
      STEPS,
      [
        '7:7: error[missing-key]: spec.rules[0] lacks the key "condition"; expected a condition such as "evt.type = openat and fd.name = /etc/shadow".',
      ],
    ],
  ])('is refused in words: %s', (rule, expected) => {
    expect(said(rule)).toEqual(expected.map((text) => `p.yaml:${text}`));
  });
});
