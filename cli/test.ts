import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  type BenchTest,
  createCoverage,
  createTestBench,
  mutateConjuncts,
  mutatePolicy,
  type PredicateCoverage,
  runPolicyTests,
  scenarioTests,
  type TestBench,
  type TestOutcome,
} from '../agent/index.ts';
import { VerifierError } from '../engine/verifier/index.ts';
import { loadPolicies, type Policy } from '../policies/index.ts';
import type { RuleMatching } from '../rules/index.ts';
import { loadScenarios, type Scenario } from '../sensors/index.ts';
import { percentage, positiveNumber, raisingOption } from './arguments.ts';
import { createDiagnosticPrinter } from './diagnostics.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { junitReport } from './junit.ts';
import { type Output, openStdout } from './output.ts';
import { count } from './paint.ts';
import { createProgress } from './progress.ts';
import { rerunOnChange } from './rerun.ts';
import { coverageRecord, mutationRecord, outcomeRecord, percentOf, type TestRecord } from './test-records.ts';
import { printCoverage, printMutation, printOutcome } from './test-report.ts';

interface TestOptions {
  readonly json?: boolean;
  readonly junit?: string;
  readonly coverage?: boolean;
  readonly minCoverage?: number;
  readonly mutate?: boolean;
  readonly rule?: string;
  readonly minScore?: number;
  readonly seconds?: number;
  readonly ruleMatching?: RuleMatching;
  readonly scenarios?: readonly string[];
  readonly watch?: boolean;
}

/** What a policy's tests came to. */
interface Tested {
  readonly policy: Policy;
  readonly outcomes: readonly TestOutcome[];
  readonly coverage: readonly PredicateCoverage[];
  /** Its own tests, or the scenarios that are about its rules. */
  readonly tests: readonly BenchTest[];
}

const refusedBy = (policy: Policy, tests: readonly BenchTest[], error: unknown): TestOutcome => {
  const [test] = tests;
  if (!(error instanceof VerifierError) || test === undefined) throw error;
  const problems = [`the kernel refuses the policy's program: ${error.message}`];
  return { test, policy, passed: false, raised: [], alerts: [], problems, diagnostics: [] };
};

const runPolicy = async (
  policy: Policy,
  tests: readonly BenchTest[],
  ruleMatching: RuleMatching | undefined,
  onOutcome: (outcome: TestOutcome) => void,
): Promise<Tested> => {
  const outcomes: TestOutcome[] = [];
  const bench: TestBench = createTestBench(policy, ruleMatching);
  const coverage = createCoverage(bench.compiled.plan);
  const keep = (outcome: TestOutcome): void => {
    outcomes.push(outcome);
    onOutcome(outcome);
  };
  try {
    for await (const outcome of runPolicyTests(policy, coverage.add, bench, tests)) keep(outcome);
  } catch (error) {
    keep(refusedBy(policy, tests, error));
  }
  return { policy, outcomes, coverage: coverage.predicates, tests };
};

type MutationRecord = Extract<TestRecord, { type: 'mutation' }>;

/** Tries changes of the policies whose tests pass. */
const mutateAll = async (
  tested: readonly Tested[],
  { rule, seconds = Infinity, ruleMatching, scenarios }: TestOptions,
  onRecord: (policy: Policy, record: MutationRecord) => void,
): Promise<readonly MutationRecord[]> => {
  const until = Date.now() + seconds * 1000;
  const progress = createProgress();
  const records: MutationRecord[] = [];
  for (const { policy, outcomes, tests } of tested) {
    if (outcomes.some(({ passed }) => !passed)) continue;
    if (rule !== undefined && !policy.rules.some(({ name }) => name === rule)) continue;
    if (tests.length === 0) continue;
    const how = {
      until,
      ...(rule !== undefined && { rule }),
      ...(ruleMatching !== undefined && { ruleMatching }),
      onProgress: (tried: number, all: number) => progress.say(`changes of ${policy.name}: ${tried} of ${all}`),
    };
    const result = await (scenarios === undefined ? mutatePolicy(policy, how) : mutateConjuncts(policy, tests, how));
    progress.clear();
    const record = mutationRecord(policy, result, scenarios !== undefined);
    records.push(record);
    onRecord(policy, record);
  }
  return records;
};

const shareOf = (records: readonly MutationRecord[]): number => {
  const sum = (key: 'found' | 'tried'): number => records.reduce((total, record) => total + record[key], 0);
  return sum('tried') === 0 ? 100 : percentOf(sum('found') / sum('tried'));
};

const coverageShare = (records: readonly Extract<TestRecord, { type: 'coverage' }>[]): number => {
  const all = records.reduce((total, { predicates }) => total + 2 * predicates, 0);
  const missing = records.reduce(
    (total, record) => total + record.missing.reduce((sum, { never }) => sum + never.length, 0),
    0,
  );
  return all === 0 ? 100 : percentOf((all - missing) / all);
};

/** Scenarios by name, file or folder. @throws CliError with what is wrong in them */
const scenariosAt = (namesOrPaths: readonly string[]): readonly Scenario[] => {
  const { scenarios, diagnostics } = loadScenarios(namesOrPaths);
  const printed = createDiagnosticPrinter(false);
  const list = diagnostics.map(printed).join('\n');
  if (diagnostics.some(({ severity }) => severity === 'error'))
    throw new CliError(`the scenarios can't be played\n${list}`, EXIT.usage);
  return scenarios;
};

/** Runs the tests that policies carry in their own files, or scenarios that are about their rules. */
export const test = async (paths: readonly string[], options: TestOptions, output: Output): Promise<ExitCode> => {
  const { json = false } = options;
  const { paint } = output;
  const { policies, diagnostics } = loadPolicies(paths, { enforcing: true });
  const printed = createDiagnosticPrinter(false);
  const scenarios = scenariosAt(options.scenarios ?? []);
  for (const diagnostic of diagnostics) process.stderr.write(`${printed(diagnostic)}\n`);
  const rules = policies.flatMap((policy) => policy.rules.map(({ name }) => name));
  if (options.rule !== undefined && !rules.includes(options.rule))
    throw new CliError(`there is no rule "${options.rule}"\nthere are: ${rules.join(', ')}`, EXIT.usage);
  const broken = diagnostics.filter(({ severity }) => severity === 'error').length;
  const testsOf = (policy: Policy): readonly BenchTest[] =>
    options.scenarios === undefined ? policy.tests : scenarioTests(policy, scenarios);
  const titled = (policy: Policy): void => output.line(`${paint.bold(policy.name)}  ${paint.dim(policy.file)}`);

  const tested: Tested[] = [];
  const coverages: Extract<TestRecord, { type: 'coverage' }>[] = [];
  for (const policy of policies) {
    const tests = testsOf(policy);
    if (tests.length > 0 && !json) titled(policy);
    const result = await runPolicy(policy, tests, options.ruleMatching, (outcome) => {
      if (json) output.json(outcomeRecord(outcome));
      else printOutcome(outcome, output);
    });
    tested.push(result);
    const record = coverageRecord(policy, result.coverage);
    coverages.push(record);
    if (json) output.json(record);
    else if (tests.length > 0) printCoverage(record, options.coverage === true, output);
  }
  const mutations =
    options.mutate === true
      ? await mutateAll(tested, options, (policy, record) => {
          if (json) output.json(record);
          else {
            output.line();
            titled(policy);
            printMutation(record, output);
          }
        })
      : [];

  const outcomes = tested.flatMap((each) => each.outcomes);
  const failed = outcomes.filter(({ passed }) => !passed).length;
  const passed = outcomes.length - failed;
  const untested = tested.filter(({ tests }) => tests.length === 0);
  const coverage = coverageShare(coverages);
  const score = shareOf(mutations);
  if (json)
    output.json({
      type: 'summary',
      policies: policies.length,
      tests: outcomes.length,
      passed,
      failed,
      errors: broken,
      coverage,
      ...(options.mutate === true && { mutation: score }),
    } satisfies TestRecord);
  else {
    if (outcomes.length > 0) output.line();
    if (untested.length > 0)
      output.line(paint.yellow(`without tests: ${untested.map(({ policy }) => policy.name).join(', ')}`));
    const of = `${count(outcomes.length, 'test')} of ${count(policies.length - untested.length, 'policy', 'policies')}`;
    const result =
      failed + broken === 0 ? paint.green(`${passed} passed`) : `${passed} passed, ${paint.red(`${failed} failed`)}`;
    const shares = `${policies.length === 0 ? '' : `; coverage ${coverage} %`}${mutations.length === 0 ? '' : `, mutation ${score} %`}`;
    output.line(`${of}: ${result}${broken === 0 ? '' : paint.red(`; ${count(broken, 'error')} in policies`)}${shares}`);
  }
  if (options.junit !== undefined) writeReport(options.junit, outcomes);

  const below = <Record extends { readonly policy: string; readonly percent: number }>(
    records: readonly Record[],
    least = 0,
    what: string,
  ): number => {
    const low = records.filter(({ percent }) => percent < least);
    for (const { policy, percent } of low)
      process.stderr.write(`shrike: ${what} of ${policy} is ${percent} %, less than ${least} %\n`);
    return low.length;
  };
  const low =
    below(coverages, options.minCoverage, 'coverage') + below(mutations, options.minScore, 'the mutation score');
  return failed + broken + low === 0 ? EXIT.fine : EXIT.findings;
};

const writeReport = (file: string, outcomes: readonly TestOutcome[]): void => {
  try {
    writeFileSync(file, junitReport(outcomes));
  } catch (error) {
    throw new CliError(`the report could not be written: ${messageOf(error)}`, EXIT.environment);
  }
};

const HELP = `
Each test plays its scenario or recording on a simulated host of its own, under the rules of its policy alone, and compares the rules
that were raised, in order, with what the test expects. Nothing outside of the simulation is touched.

Coverage counts, for each predicate of each rule, whether any test saw it true and any saw it false on an event of the rule's event
types and scope, short-circuited or not. What is known before an event happens (evt.type = openat of an openat) isn't counted.

--mutate changes the rules' conditions one change at a time (a predicate negated, left out, with another value or operator; and and or
exchanged) and lists the changes that no test would miss. Changes that match the same events are not counted.

With --scenarios rules are tried on scenarios that say which rules they raise: each scenario and variant whose file names a rule of
the policy is a test of it, and of the rules that its file names those must be raised that it expects, and no others. --mutate then
leaves out and negates each top-level conjunct of the rules' conditions, and says for each rule how many changes a scenario tells.

Exit codes: 0 all passed, 1 tests failed, policies are wrong or a share is below its minimum, 2 wrong usage, 3 the report can't be
written.

Examples:
  shrike test policies/library
  shrike test my-policy.yaml --coverage --min-coverage 100
  shrike test my-policy.yaml --mutate --rule "Password file read"
  shrike test my-policy.yaml --json | jq 'select(.passed == false)'
  shrike test policies --junit report.xml
  shrike test falco_rules.yaml falco-incubating_rules.yaml --scenarios falco --mutate
`;

export const addTest = (program: Command): void => {
  program
    .command('test')
    .summary('run the tests that policies carry in their own files')
    .description('Run the tests that policies carry in their own files.')
    .argument('<paths...>', 'policy files, or folders of them')
    .option('--coverage', 'list the predicates that no test saw true, or false')
    .option('--min-coverage <percent>', 'fail where a policy is covered less than this', percentage)
    .option('--mutate', 'change the conditions and list the changes that no test would miss')
    .option('--rule <name>', 'with --mutate: change this rule only')
    .option(
      '--min-score <percent>',
      'with --mutate: fail where the tests of a policy find less of the changes',
      percentage,
    )
    .option('--seconds <number>', 'with --mutate: try no further change after so long', positiveNumber)
    .addOption(raisingOption())
    .option(
      '--scenarios <names...>',
      'instead of the own tests: scenarios with what they expect, by name, file or folder, or the groups stories and falco',
    )
    .option('--watch', 'run again whenever a policy changes, until Ctrl-C')
    .option('--json', 'one JSON object a line: tests, coverage, mutation, then a summary')
    .option('--junit <file>', 'also write a report in the JUnit format')
    .addHelpText('after', HELP)
    .action(async (paths: string[], options: TestOptions) => {
      const output = openStdout();
      const run = () => test(paths, options, output);
      process.exitCode =
        options.watch === true ? await rerunOnChange(paths, run, output, options.json === true) : await run();
    });
};
