import { existsSync, statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { compareEnforced, playScenarios } from '../agent/index.ts';
import { escapeControl } from '../alerts/index.ts';
import {
  listScenarios,
  loadScenarios,
  SCENARIO_GROUPS,
  type Scenario,
  type ScenarioGroup,
  type ShippedScenario,
} from '../sensors/index.ts';
import { createDiagnosticPrinter } from './diagnostics.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { compareRaised, unexpectedLines } from './expected-rules.ts';
import { untilInterrupt } from './interrupt.ts';
import { type Output, openStdout } from './output.ts';
import { libraryFolder } from './package.ts';
import { count, cut, wrap } from './paint.ts';
import { addRunOptions, policiesAt, type RunOptions, runInterruptibly } from './run.ts';
import { scenarioOf } from './scenario-file.ts';
import { inSentences } from './session.ts';

const TITLES: Readonly<Record<ScenarioGroup, string>> = {
  stories: 'Stories',
  enforcement: 'How policies are enforced, each under policies of its own',
  falco:
    "An attack and its near misses for each of Falco's public rules (to be run with --policies falco_rules.yaml ...)",
};

const LIST_WIDTH = 100;

const listed = ({ name, description, expect, variants }: ShippedScenario, { line, paint, columns }: Output): void => {
  const width = Math.min(columns, LIST_WIDTH) - 2;
  line(paint.bold(name));
  for (const text of wrap(escapeControl(description), width)) line(`  ${text}`);
  const raises = expect === undefined || expect.length === 0 ? 'raises nothing' : `raises ${expect.join(', ')}`;
  for (const text of wrap(escapeControl(raises), width)) line(paint.dim(`  ${text}`));
  if (variants.length > 0)
    for (const text of wrap(`but: ${variants.join(', ')}`, width)) line(paint.dim(`  ${escapeControl(text)}`));
};

const list = (groups: readonly ScenarioGroup[], json: boolean, output: Output): void => {
  for (const group of groups) {
    const scenarios = listScenarios(group);
    if (json) {
      for (const { name, description, file, expect = [], variants } of scenarios)
        output.json({ type: 'scenario', group, name, description, file, expect, variants });
      continue;
    }
    output.line(output.paint.cyan(cut(TITLES[group], output.columns)));
    output.line();
    for (const scenario of scenarios) listed(scenario, output);
    output.line();
  }
};

const expectation = ({ expected }: Scenario): string => {
  if (expected === undefined) return 'nothing is said of rules';
  return expected.raised.length === 0 ? 'raises none of its rules' : `raises ${expected.raised.join(', ')}`;
};

const show = (nameOrPath: string, output: Output): void => {
  const scenario = scenarioOf(nameOrPath);
  const { name, description, file, host, steps, variants } = scenario;
  const { paint } = output;
  output.line(`${paint.bold(name)}  ${paint.dim(file)}`);
  for (const text of wrap(escapeControl(description), Math.min(output.columns, LIST_WIDTH) - 2))
    output.line(`  ${text}`);
  const processes = host.processes.map((process) => process.name);
  if (processes.length > 0) output.line(`  processes before it begins: ${escapeControl(processes.join(', '))}`);
  output.line();
  const width = Math.max(0, ...steps.map(({ by }) => by?.length ?? 0));
  for (const { number, by = '', text, as, note } of steps) {
    if (note !== undefined) output.line(paint.bold(`      ${escapeControl(note)}`));
    const started = as === undefined || as === by ? '' : paint.dim(`  as ${escapeControl(as)}`);
    output.line(`${paint.dim(String(number).padStart(4))}  ${by.padEnd(width)}  ${escapeControl(text)}${started}`);
  }
  output.line();
  output.line(`  ${escapeControl(expectation(scenario))}`);
  for (const variant of variants) {
    const why = variant.description === '' ? '' : `: ${escapeControl(variant.description)}`;
    output.line(`  but ${paint.bold(escapeControl(variant.name.slice(name.length + 1)))}${why}`);
    output.line(paint.dim(`    ${escapeControl(expectation(variant))}`));
  }
};

/** Whether a name stands for several scenarios: a group, `all`, or a folder. */
const isSeveral = (name: string): boolean =>
  name === 'all' ||
  SCENARIO_GROUPS.some((group) => group === name) ||
  (existsSync(name) && statSync(name).isDirectory());

type SuiteOptions = Omit<RunOptions, 'sensor' | 'scenario' | 'tree' | 'story' | 'onProblem'>;

/** Options that are about one run that somebody watches. */
const SINGLE = { enforce: '--enforce', nats: '--nats', audit: '--audit', ruleMatching: '--rule-matching' } as const;

/** Plays several scenarios with their variants, a line each, and says which did not go, or raise, as they say. */
const runAll = async (name: string, options: SuiteOptions, output: Output, signal: AbortSignal): Promise<ExitCode> => {
  const { json = false, quiet = false } = options;
  for (const [key, option] of Object.entries(SINGLE))
    if (options[key as keyof typeof SINGLE] !== undefined)
      throw new CliError(`${option} is for one scenario; ${name} are several`, EXIT.usage);
  const { scenarios, diagnostics } = loadScenarios(name === 'all' ? ['stories', 'enforcement'] : [name]);
  const printed = createDiagnosticPrinter(false);
  for (const found of diagnostics) process.stderr.write(`${printed(found)}\n`);
  const broken = diagnostics.some(({ severity }) => severity === 'error');
  const policies = policiesAt(options.policies ?? [libraryFolder()]);
  const all = scenarios.flatMap((scenario) => [scenario, ...scenario.variants]);
  const width = Math.min(Math.max(0, ...all.map((each) => each.name.length)), 60);
  let [failed, unjudged] = [0, 0];
  try {
    const own = options.policies === undefined;
    for await (const played of playScenarios(policies, all, { own, signal })) {
      const { scenario, raised, problems } = played;
      const found = compareRaised(scenario, played.policies, new Set(raised.keys()));
      const records = played.enforced && scenario.enforced ? compareEnforced(scenario.enforced, played.enforced) : [];
      const lines = [...problems, ...(found === undefined ? [] : unexpectedLines(found)), ...records];
      const passed = lines.length === 0;
      if (!passed) failed++;
      if (found === undefined) unjudged++;
      if (json) {
        const { missing = [], surplus = [], judged = 0 } = found ?? {};
        const counts = Object.fromEntries(raised);
        const { name: of } = scenario;
        output.json({
          type: 'scenario',
          name: of,
          passed,
          judged,
          raised: counts,
          missing,
          surplus,
          problems: [...problems, ...records],
        });
        continue;
      }
      if (passed && quiet) continue;
      const { paint } = output;
      const word = passed ? paint.green('ok  ') : paint.red('FAIL');
      const alerts = [...raised.values()].reduce((sum, each) => sum + each, 0);
      const told = `${count(alerts, 'alert')} of ${count(raised.size, 'rule')}${found === undefined ? ', none that it names' : ''}`;
      output.line(`${word} ${escapeControl(scenario.name).padEnd(width)}  ${paint.dim(told)}`);
      for (const line of lines) output.line(`       ${escapeControl(line)}`);
    }
  } catch (error) {
    throw inSentences(error);
  }
  const passed = all.length - failed;
  if (json) output.json({ type: 'summary', scenarios: all.length, passed, failed });
  else {
    const rest = unjudged === 0 ? '' : `; ${unjudged} of them name no rule that is loaded`;
    output.line(`${count(all.length, 'scenario')}: ${passed} as they say, ${failed} not${rest}`);
  }
  if (broken) return EXIT.usage;
  return failed === 0 ? EXIT.fine : EXIT.findings;
};

const runSuite = async (name: string, options: SuiteOptions): Promise<void> => {
  await untilInterrupt((signal) => runAll(name, options, openStdout(), signal));
};

const HELP = `
A scenario is a YAML file: what the simulated host has (files, processes, hosts on the network), the steps of its processes, each a
system call, which rules it raises, and variants in which one thing is other. See docs/scenarios.md for how to write one; "shrike
schema scenario" has editors check and complete them.

Exit codes: 0 fine, 1 the scenario did not go as it says, or raised other rules, 2 no such scenario, or one with mistakes, 3 the audit
log can't be written.

Examples:
  shrike scenarios
  shrike scenarios list falco
  shrike scenarios show webshell
  shrike scenarios run webshell --pace 150
  shrike scenarios run falco --policies falco_rules.yaml falco-incubating_rules.yaml
`;

const RUN_HELP = `
One scenario is told as it happens: processes as a tree that grows, alerts at the branch where they happen, what was denied and killed,
and at the end a timeline. NAME/VARIANT is a variant of it. With --enforce the rules that are raised are not compared with what the
scenario expects: what was kept from happening raises nothing. For all other options see "shrike run --help".

"stories" are the stories that ship with their variants, "enforcement" those about how policies are enforced, "all" both, "falco" the
attacks and near misses for Falco's public rules, a folder all scenarios in it: each is played under the same policies, and has a
line. Scenarios about enforcement come with policies, under which they are played and which enforce, unless --policies names others.

Examples:
  shrike scenarios run webshell --enforce --pace 150
  shrike scenarios run quiet-day --quiet
  shrike scenarios run terminal-shell-in-container/no-terminal --policies falco_rules.yaml
  shrike scenarios run ./my-scenario.yaml --policies my-policy.yaml
  shrike scenarios run all --json
`;

export const addScenarios = (program: Command): void => {
  const scenarios = program
    .command('scenarios')
    .summary('list, show and run the simulated intrusions that ship')
    .description('List, show and run the simulated intrusions that ship, or one of your own.')
    .addHelpText('after', HELP);
  scenarios
    .command('list', { isDefault: true })
    .description('List the scenarios that ship: what happens, the rules they raise, their variants.')
    .argument('[group]', 'stories, enforcement (both by default), falco, or all')
    .option('--json', 'one JSON object a line')
    .action((group: string | undefined, { json = false }: { readonly json?: boolean }) => {
      const groups =
        group === 'all' ? SCENARIO_GROUPS : SCENARIO_GROUPS.filter((each) => each === (group ?? 'stories'));
      if (groups.length === 0)
        throw new CliError(`there is no group "${group}"; expected ${SCENARIO_GROUPS.join(', ')} or all`, EXIT.usage);
      list(groups, json, openStdout());
    });
  scenarios
    .command('show')
    .description("Print a scenario's steps, what it raises, and its variants.")
    .argument('<name>', "a scenario's name or file, or NAME/VARIANT")
    .action((name: string) => show(name, openStdout()));
  addRunOptions(
    scenarios
      .command('run')
      .description('Play a scenario under policies and tell what happens; or several, and say which went as they say.')
      .argument('<name>', "a scenario's name or file, NAME/VARIANT, a folder, or all, stories, falco"),
  )
    .addOption(new Option('--quiet', 'only what it came to: of one scenario the timeline, of several those that fail'))
    .addHelpText('after', RUN_HELP)
    .action((name: string, options: SuiteOptions) => {
      if (isSeveral(name)) return runSuite(name, options);
      const told = !options.json;
      return runInterruptibly({
        ...options,
        sensor: 'sim',
        scenario: name,
        onProblem: 'skip',
        tree: told,
        ...(told && { story: true }),
      });
    });
};
