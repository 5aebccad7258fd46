import type { Command } from 'commander';
import { escapeControl } from '../alerts/index.ts';
import { listScenarios } from '../sensors/index.ts';
import { type Output, openStdout } from './output.ts';
import { addRunOptions, type RunOptions, runInterruptibly } from './run.ts';
import { scenarioOf } from './scenario-file.ts';

const list = (output: Output): void => {
  const scenarios = listScenarios();
  const width = Math.max(0, ...scenarios.map(({ name }) => name.length));
  for (const { name, description } of scenarios)
    output.line(`${output.paint.bold(name.padEnd(width))}  ${escapeControl(description)}`);
};

const show = (nameOrPath: string, output: Output): void => {
  const { name, description, file, host, steps } = scenarioOf(nameOrPath);
  const { paint } = output;
  output.line(`${paint.bold(name)}  ${paint.dim(file)}`);
  if (description !== '') output.line(`  ${escapeControl(description)}`);
  const processes = host.processes.map((process) => process.name);
  if (processes.length > 0) output.line(`  processes before it begins: ${escapeControl(processes.join(', '))}`);
  output.line();
  const width = Math.max(0, ...steps.map(({ by }) => by?.length ?? 0));
  for (const { number, by = '', text, as } of steps) {
    const started = as === undefined || as === by ? '' : paint.dim(`  as ${escapeControl(as)}`);
    output.line(`${paint.dim(String(number).padStart(4))}  ${by.padEnd(width)}  ${escapeControl(text)}${started}`);
  }
};

const HELP = `
A scenario is a YAML file: what the simulated host has (files, processes, hosts on the network) and the steps of its processes,
each a system call. See docs/scenarios.md for how to write one.

Exit codes: 0 fine, 1 the scenario did not go as it says, 2 no such scenario, or one with mistakes.

Examples:
  shrike scenarios
  shrike scenarios show webshell
  shrike scenarios run webshell --enforce --pace 150
`;

const RUN_HELP = `
The same as "shrike run --scenario NAME --tree"; see "shrike run --help".

Examples:
  shrike scenarios run quiet-day
  shrike scenarios run ./my-scenario.yaml --policies my-policy.yaml
`;

export const addScenarios = (program: Command): void => {
  const scenarios = program
    .command('scenarios')
    .summary('list, show and run the simulated intrusions that ship')
    .description('List, show and run the simulated intrusions that ship, or one of your own.')
    .addHelpText('after', HELP);
  scenarios
    .command('list', { isDefault: true })
    .description('List the scenarios that ship.')
    .action(() => list(openStdout()));
  scenarios
    .command('show')
    .description("Print a scenario's steps.")
    .argument('<name>', "a scenario's name or file")
    .action((name: string) => show(name, openStdout()));
  addRunOptions(
    scenarios
      .command('run')
      .description('Play a scenario under policies and print its processes as a tree.')
      .argument('<name>', "a scenario's name or file"),
  )
    .addHelpText('after', RUN_HELP)
    .action((name: string, options: Omit<RunOptions, 'sensor' | 'scenario' | 'tree' | 'onProblem'>) =>
      runInterruptibly({ ...options, sensor: 'sim', scenario: name, onProblem: 'skip', tree: !options.json }),
    );
};
