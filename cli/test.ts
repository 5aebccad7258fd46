import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { runPolicyTests, type TestOutcome } from '../agent/index.ts';
import { escapeControl } from '../alerts/index.ts';
import { VerifierError } from '../engine/verifier/index.ts';
import { loadPolicies, type Policy } from '../policies/index.ts';
import { createDiagnosticPrinter } from './diagnostics.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { junitReport } from './junit.ts';
import { type Output, openStdout } from './output.ts';
import { count } from './paint.ts';

interface TestOptions {
  readonly json?: boolean;
  readonly junit?: string;
}

const listed = (rules: readonly string[]): string => (rules.length === 0 ? 'no alert' : rules.join(', '));

/** Why a test failed, in lines; none where it passed. */
export const failureLines = ({ test, passed, raised, problems, diagnostics }: TestOutcome): readonly string[] => {
  if (passed) return [];
  const asExpected = test.expect.join('\n') === raised.join('\n');
  return [
    ...(asExpected || diagnostics.length > 0
      ? []
      : [`expected: ${listed(test.expect)}`, `raised:   ${listed(raised)}`]),
    ...problems,
    ...diagnostics.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`),
  ].map(escapeControl);
};

const outcomesOf = async function* (policy: Policy): AsyncGenerator<TestOutcome> {
  try {
    yield* runPolicyTests(policy);
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error;
    const [test] = policy.tests;
    if (test === undefined) return;
    const problems = [`the kernel refuses the policy's program: ${error.message}`];
    yield { test, policy, passed: false, raised: [], alerts: [], problems, diagnostics: [] };
  }
};

const report = (outcome: TestOutcome, output: Output): void => {
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

/** Runs the tests that policies carry in their own files. */
export const test = async (paths: readonly string[], options: TestOptions, output: Output): Promise<ExitCode> => {
  const { policies, diagnostics } = loadPolicies(paths, { enforcing: true });
  const printed = createDiagnosticPrinter(false);
  for (const diagnostic of diagnostics) process.stderr.write(`${printed(diagnostic)}\n`);
  const broken = diagnostics.filter(({ severity }) => severity === 'error').length;
  const outcomes: TestOutcome[] = [];
  for (const policy of policies) {
    if (policy.tests.length > 0 && !options.json)
      output.line(`${output.paint.bold(policy.name)}  ${output.paint.dim(policy.file)}`);
    for await (const outcome of outcomesOf(policy)) {
      outcomes.push(outcome);
      const { position, name, expect } = outcome.test;
      if (options.json)
        output.json({
          type: 'test',
          file: position.file,
          line: position.line,
          column: position.column,
          policy: policy.name,
          test: name,
          passed: outcome.passed,
          expected: expect,
          raised: outcome.raised,
          problems: [...outcome.problems, ...outcome.diagnostics.map(({ message }) => message)],
        });
      else report(outcome, output);
    }
  }
  const failed = outcomes.filter(({ passed }) => !passed).length;
  const passed = outcomes.length - failed;
  const untested = policies.filter((policy) => policy.tests.length === 0);
  if (options.json) {
    output.json({ type: 'summary', policies: policies.length, tests: outcomes.length, passed, failed, errors: broken });
  } else {
    const { paint } = output;
    if (outcomes.length > 0) output.line();
    if (untested.length > 0)
      output.line(paint.yellow(`without tests: ${untested.map((policy) => policy.name).join(', ')}`));
    const tested = `${count(outcomes.length, 'test')} of ${count(policies.length - untested.length, 'policy', 'policies')}`;
    const result =
      failed + broken === 0 ? paint.green(`${passed} passed`) : `${passed} passed, ${paint.red(`${failed} failed`)}`;
    output.line(`${tested}: ${result}${broken === 0 ? '' : paint.red(`; ${count(broken, 'error')} in policies`)}`);
  }
  if (options.junit !== undefined) writeReport(options.junit, outcomes);
  return failed + broken === 0 ? EXIT.fine : EXIT.findings;
};

const writeReport = (file: string, outcomes: readonly TestOutcome[]): void => {
  try {
    writeFileSync(file, junitReport(outcomes));
  } catch (error) {
    throw new CliError(`the report could not be written: ${messageOf(error)}`, EXIT.environment);
  }
};

const HELP = `
Each test plays its scenario on a simulated host of its own, under the rules of its policy alone, and compares the rules that were
raised, in order, with what the test expects. Nothing outside of the simulation is touched.

Exit codes: 0 all passed, 1 tests failed or policies are wrong, 2 wrong usage, 3 the report can't be written.

Examples:
  shrike test policies/library
  shrike test my-policy.yaml --json | jq 'select(.passed == false)'
  shrike test policies --junit report.xml
`;

export const addTest = (program: Command): void => {
  program
    .command('test')
    .summary('run the tests that policies carry in their own files')
    .description('Run the tests that policies carry in their own files.')
    .argument('<paths...>', 'policy files, or folders of them')
    .option('--json', 'one JSON object a line: tests, then a summary')
    .option('--junit <file>', 'also write a report in the JUnit format')
    .addHelpText('after', HELP)
    .action(async (paths: string[], options: TestOptions) => {
      process.exitCode = await test(paths, options, openStdout());
    });
};
