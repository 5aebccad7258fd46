import type { TestOutcome } from '../agent/index.ts';
import { escapeControl } from '../alerts/index.ts';
import type { Output } from './output.ts';
import { count, cut } from './paint.ts';
import type { TestRecord } from './test-records.ts';

const listed = (rules: readonly string[]): string => (rules.length === 0 ? 'no alert' : rules.join(', '));

/** Why a test failed, in lines; none where it passed. */
export const failureLines = ({ test, passed, raised, problems, diagnostics }: TestOutcome): readonly string[] => {
  if (passed) return [];
  const { among, expect } = test;
  const shown = among === undefined ? raised : [...among].filter((rule) => raised.includes(rule));
  const asExpected =
    expect.length === shown.length &&
    (among === undefined ? expect.join('\n') === shown.join('\n') : expect.every((rule) => shown.includes(rule)));
  return [
    ...(asExpected || diagnostics.length > 0 ? [] : [`expected: ${listed(test.expect)}`, `raised:   ${listed(shown)}`]),
    ...problems,
    ...diagnostics.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`),
  ].map(escapeControl);
};

/** A test's line, and why it failed where it did. */
export const printOutcome = (outcome: TestOutcome, output: Output): void => {
  const { paint } = output;
  const { test, passed } = outcome;
  const { file, line, column } = test.position;
  const name = escapeControl(test.name);
  if (passed) {
    output.line(`  ${paint.green('ok')}   ${name}`);
    return;
  }
  output.line(`  ${paint.red('FAIL')} ${name}  ${paint.dim(`${file}:${line}:${column}`)}`);
  for (const reason of failureLines(outcome)) output.line(`         ${reason}`);
};

/** A percentage, green where nothing is missing. */
const share = (percent: number, { paint }: Output): string =>
  percent === 100 ? paint.green('100 %') : paint.yellow(`${percent} %`);

interface Place {
  readonly line: number;
  readonly column: number;
}

/** Rows under their rules, each with its place in the policy's file, cut to the line's width. */
const printByRule = <Row extends Place & { readonly rule: string }>(
  rows: readonly Row[],
  textOf: (row: Row) => readonly [head: string, ...more: string[]],
  output: Output,
): void => {
  const placeOf = ({ line, column }: Place): string => `${line}:${column}`;
  const width = Math.max(0, ...rows.map((row) => placeOf(row).length));
  let rule: string | undefined;
  for (const row of rows) {
    if (row.rule !== rule) output.line(`    ${output.paint.bold(escapeControl(row.rule))}`);
    rule = row.rule;
    const [head, ...more] = textOf(row);
    const room = output.columns - width - 8;
    output.line(`      ${output.paint.dim(placeOf(row).padEnd(width))}  ${cut(escapeControl(head), room)}`);
    for (const text of more) output.line(`      ${' '.repeat(width)}  ${cut(escapeControl(text), room)}`);
  }
};

/** A policy's coverage in a line, with `list` also what was never seen. */
export const printCoverage = (
  { predicates, percent, missing }: Extract<TestRecord, { type: 'coverage' }>,
  list: boolean,
  output: Output,
): void => {
  const open = missing.length === 0 ? '' : `, ${missing.length} not seen both true and false`;
  output.line(`  coverage ${share(percent, output)} of ${count(predicates, 'predicate')}${open}`);
  if (!list) return;
  printByRule(
    missing,
    ({ predicate, never }) => [`${(never.length === 2 ? 'never seen' : `never ${never[0]}`).padEnd(11)}  ${predicate}`],
    output,
  );
};

/** What became of the changes of a policy's conditions: a line, and the changes that no test would miss. */
export const printMutation = (
  {
    tried,
    found,
    percent,
    equivalent,
    refused,
    untried,
    survived,
    rules = [],
  }: Extract<TestRecord, { type: 'mutation' }>,
  output: Output,
): void => {
  const notes = [
    ...(untried === 0 ? [] : [`${untried} not tried: no time left`]),
    ...(equivalent === 0 ? [] : [`${equivalent} without effect not counted`]),
    ...(refused === 0 ? [] : [`${refused} that don't compile`]),
  ];
  output.line(
    `  mutation ${share(percent, output)}: ${found} of ${count(tried, 'change')} found${notes.length === 0 ? '' : output.paint.dim(` (${notes.join(', ')})`)}`,
  );
  const width = Math.max(0, ...rules.map(({ rule }) => rule.length));
  for (const each of rules) {
    const score = `${each.found} of ${each.tried}`;
    const { paint } = output;
    output.line(
      `    ${escapeControl(each.rule).padEnd(width)}  ${each.found === each.tried ? paint.green(score) : paint.yellow(score)}`,
    );
  }
  printByRule(
    survived,
    ({ before, after }) => (after === 'left out' ? [`${before}: left out`] : [before, `  → ${after}`]),
    output,
  );
};
