import { existsSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import type { Command } from 'commander';
import { type Preview, type PreviewedExecutable, type PreviewedRule, preview as previewOf } from '../agent/index.ts';
import { escapeControl } from '../alerts/index.ts';
import type { Policy } from '../policies/index.ts';
import { createReplaySensor, createSimSensor, type Sensor } from '../sensors/index.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { untilInterrupt } from './interrupt.ts';
import { type Output, openStdout } from './output.ts';
import { count, cut } from './paint.ts';
import { policiesAt } from './run.ts';
import { scenarioOf } from './scenario-file.ts';
import { inSentences } from './session.ts';

export interface PreviewCommandOptions {
  readonly input: string;
  readonly protect?: readonly string[];
  readonly json?: boolean;
}

const SHOWN_PROBLEMS = 10;

/** A scenario by its name or its YAML file; any other file is a recording. */
const sensorOf = (input: string): Sensor => {
  const isFile = existsSync(input) && statSync(input).isFile();
  if (!isFile || ['.yaml', '.yml'].includes(extname(input))) return createSimSensor({ scenario: scenarioOf(input) });
  try {
    return createReplaySensor({ path: input, onProblem: 'skip' });
  } catch (error) {
    throw new CliError(messageOf(error), EXIT.usage);
  }
};

const needsActing = (policies: readonly Policy[]): void => {
  if (policies.some(({ rules }) => rules.some(({ action }) => action !== 'alert'))) return;
  throw new CliError('no rule of these policies denies or kills: there is nothing to preview', EXIT.usage);
};

/** `2026-01-01 00:00:07.123` */
const moment = (time: string): string => time.slice(0, 23).replace('T', ' ');

const outcomesText = ({ outcomes }: PreviewedRule): string =>
  Object.entries(outcomes)
    .map(([outcome, times]) => `${outcome} ${times.toLocaleString('en-US')}`)
    .join(', ');

const exampleText = ({ example: { event, arguments: of } }: PreviewedRule): string => {
  const subject = of.address ?? of.file ?? of.path ?? '';
  return [event, of.argv?.join(' ') ?? subject].filter((part) => part !== '').join(' ');
};

const executableLines = (each: PreviewedExecutable, { paint, columns }: Output): readonly string[] => [
  `${paint.bold(escapeControl(each.exe ?? 'an executable that is not known'))}  ${[
    ...(each.denied > 0 ? [paint.alarm(` denied ${each.denied.toLocaleString('en-US')} `)] : []),
    ...(each.killed > 0 ? [paint.alarm(` killed ${each.killed.toLocaleString('en-US')} `)] : []),
    ...(each.kept > 0 ? [paint.dim(`kept ${each.kept.toLocaleString('en-US')}`)] : []),
  ].join(' ')}  ${paint.dim(`${moment(each.first)} to ${moment(each.last)}`)}`,
  ...each.rules.flatMap((rule) => [
    cut(`  ${rule.rule} (${rule.policy}): ${outcomesText(rule)}, at ${rule.hook}`, columns),
    cut(
      escapeControl(
        `    first by process ${rule.example.pid}, ${rule.example.cmdline ?? 'command line not known'}: ${exampleText(rule)}`,
      ),
      columns,
    ),
  ]),
];

const summaryText = ({ denied, killed, kept, afterKill, calls, executables }: Preview): string => {
  const inAll = `in ${count(calls, 'call')}`;
  const rest = [
    ...(kept > 0
      ? [`${count(kept, 'attempt')} would have been kept back by a guard, a budget or an uncertain condition`]
      : []),
    ...(afterKill > 0
      ? [`${count(afterKill, 'more attempt')} came from processes that would have been killed by then`]
      : []),
  ];
  const main =
    denied + killed === 0
      ? `nothing would have been denied or killed ${inAll}`
      : `would have denied ${count(denied, 'call')} and killed ${count(killed, 'process', 'processes')} of ${count(executables.length, 'executable')} ${inAll}`;
  return [main, ...rest].join('; ');
};

/** Says what policies would have denied and killed in a recording or a scenario, by executable. */
export const preview = async (
  paths: readonly string[],
  options: PreviewCommandOptions,
  output: Output,
  signal?: AbortSignal,
): Promise<ExitCode> => {
  const policies = policiesAt(paths);
  needsActing(policies);
  const sensor = sensorOf(options.input);
  const warn = (sentence: string): void => void process.stderr.write(`shrike: ${sentence}\n`);
  let found: Preview;
  try {
    found = await previewOf({ policies, sensor, warn, ...(options.protect && { protect: options.protect }) }, signal);
  } catch (error) {
    throw inSentences(error);
  }
  const { executables, problems, ...totals } = found;
  for (const each of executables)
    if (options.json) output.json({ type: 'executable', ...each });
    else for (const line of executableLines(each, output)) output.line(line);
  if (options.json) output.json({ type: 'summary', ...totals, executables: executables.length, problems });
  else {
    if (executables.length > 0) output.line();
    output.line(summaryText(found));
    for (const problem of problems.slice(0, SHOWN_PROBLEMS)) process.stderr.write(`shrike: ${problem}\n`);
    if (problems.length > SHOWN_PROBLEMS)
      process.stderr.write(`shrike: ... and ${count(problems.length - SHOWN_PROBLEMS, 'more problem')}\n`);
  }
  if (totals.calls === 0) throw new CliError('nothing of the input could be played', EXIT.usage);
  return totals.denied + totals.killed === 0 ? EXIT.fine : EXIT.findings;
};

const HELP = `
The policies count as enforcing, whatever their mode is, with all guards and the budget of kills. A recording goes on as it was
recorded: what a process or its descendants do after it would have been killed is counted apart. It names no cgroups, so that all of
it is within the policies' scopes. In a scenario calls are denied and processes killed, in the simulation.

With --json the last line is {"type": "summary", ...}, all others are {"type": "executable", ...}.

Exit codes: 0 nothing would have been denied or killed, 1 something would, 2 wrong usage, policies that can't be enforced as they are
written, or input that can't be played.

Examples:
  shrike preview my-policies/deny-secrets.yaml --input app.strace
  shrike preview policies/library/enforce --input webshell
  shrike preview my-policies/ --input ./my-scenario.yaml --json
`;

export const addPreview = (program: Command): void => {
  program
    .command('preview')
    .summary('say what policies would have denied and killed, before they are turned on')
    .description(
      'Say what policies would have denied and killed in a recording or a scenario, before they are turned on.',
    )
    .argument('<policies...>', 'policy files, or folders of them')
    .requiredOption('--input <what>', 'a recording ("strace -f -ttt -yy -o FILE"), or a scenario by name or file')
    .option('--protect <paths...>', 'executables that are never denied or killed')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', HELP)
    .action(async (paths: readonly string[], options: PreviewCommandOptions) => {
      await untilInterrupt((signal) => preview(paths, options, openStdout(), signal));
    });
};
