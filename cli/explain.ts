import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Measured, measurePolicy } from '../agent/index.ts';
import type { ProgramSpec } from '../engine/object/index.ts';
import { nearest } from '../engine/text/index.ts';
import { loadPolicies, type Policy } from '../policies/index.ts';
import { type Compiled, compile, type Diagnostic } from '../rules/index.ts';
import { positiveNumber } from './arguments.ts';
import { decisionLines } from './decisions.ts';
import { createDiagnosticPrinter } from './diagnostics.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { programRecords, recordingRecord, ruleRecord } from './explain-records.ts';
import { explainRule } from './explain-rule.ts';
import { listing } from './listing.ts';
import { type Output, openStdout } from './output.ts';
import { enforcingFolder, libraryFolder } from './package.ts';
import { count, cut } from './paint.ts';
import { createProgress } from './progress.ts';
import { type KernelHere, kernelHere, tierLines } from './tiers.ts';

interface ExplainOptions {
  readonly rule?: string;
  readonly asm: boolean;
  readonly recording?: string;
  readonly seconds: number;
  readonly json?: boolean;
}

const namesIn = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort();

/** A policy file by its path, or a shipped policy by its name; an enforcing variant is called `NAME-enforce`. */
const resolvePolicy = (given: string): string => {
  if (existsSync(given)) return given;
  const shipped = new Map([
    ...namesIn(libraryFolder()).map((name) => [name, join(libraryFolder(), `${name}.yaml`)] as const),
    ...namesIn(enforcingFolder()).map((name) => [`${name}-enforce`, join(enforcingFolder(), `${name}.yaml`)] as const),
  ]);
  const path = shipped.get(given);
  if (path !== undefined) return path;
  const near = nearest(given, [...shipped.keys()]);
  throw new CliError(
    `there is no file ${given} and no shipped policy of that name${near === undefined ? '' : `; did you mean ${near}?`}\nshipped: ${[...shipped.keys()].join(', ')}`,
    EXIT.usage,
  );
};

/** The rules to explain: all, or the one asked for. */
const chosen = (policies: readonly Policy[], name: string | undefined): readonly Policy[] => {
  if (name === undefined) return policies;
  const found = policies.flatMap((policy) => {
    const rules = policy.rules.filter((rule) => rule.name === name);
    return rules.length === 0 ? [] : [{ ...policy, rules }];
  });
  if (found.length > 0) return found;
  const names = policies.flatMap((policy) => policy.rules.map((rule) => rule.name));
  const near = nearest(name, names);
  throw new CliError(
    `there is no rule "${name}"${near === undefined ? '' : `; did you mean "${near}"?`}\nthere are: ${names.join(', ')}`,
    EXIT.usage,
  );
};

/** Programs that decide something of the rules: at their hooks, and at exec where facts of processes are kept as bits. */
const relevantPrograms = ({ object, plan }: Compiled): readonly ProgramSpec[] => {
  const hooks = new Set<string>(plan.hooks.map((hook) => hook.hook));
  if (plan.processTests.length > 0) hooks.add('tp_btf/sched_process_exec');
  return object.programs.filter((program) => hooks.has(program.hook));
};

/** The running kernel, asked where a rule denies or kills. */
const hereFor = ({ rules }: Policy): KernelHere | undefined =>
  rules.some(({ action }) => action !== 'alert') ? kernelHere() : undefined;

/** What a recording says of a policy's rules, where one is given. */
const measure = async (policy: Policy, { recording, seconds }: ExplainOptions): Promise<Measured | undefined> => {
  if (recording === undefined || policy.rules.length === 0) return undefined;
  const progress = createProgress();
  try {
    return await measurePolicy(policy, {
      recording,
      seconds,
      onProgress: (round) => progress.say(`round ${round} of ${policy.name}`),
    });
  } catch (error) {
    throw new CliError(messageOf(error), EXIT.usage);
  } finally {
    progress.clear();
  }
};

const percent = (ratio: number): string => `${(100 * ratio).toFixed(1)} %`;

const measuredLines = (
  { events, rounds, ns, rules, problems }: Measured,
  recording: string,
  { paint }: Output,
): readonly string[] => {
  const name = Math.max('rule'.length, ...rules.map(({ rule }) => Math.min(36, rule.length)));
  const line = (rule: string, ...columns: readonly string[]): string =>
    `  ${cut(rule, name).padEnd(name)}${columns.map((column, index) => column.padStart(index < 3 ? 11 : 10)).join('')}`;
  return [
    `${paint.bold('measured')} on ${recording}: ${count(events, 'event')}, ${Math.round(ns)} ns each with all rules, ${count(rounds, 'round')}`,
    paint.dim(line('rule', 'events', 'candidates', 'matches', 'ns/event', 'with', '±')),
    ...rules.map((each) =>
      line(
        each.rule,
        each.events.toLocaleString('en-US'),
        each.candidates.toLocaleString('en-US'),
        each.matches.toLocaleString('en-US'),
        each.ns === undefined ? '-' : each.ns.toFixed(0),
        percent(each.ratio),
        percent(each.noise),
      ),
    ),
    ...(problems.length === 0 ? [] : [`  ${count(problems.length, 'line')} left out, the first: ${problems[0]}`]),
    '',
  ];
};

const printPolicy = (
  policy: Policy,
  compiled: Compiled,
  found: Measured | undefined,
  options: ExplainOptions,
  output: Output,
): void => {
  const { paint } = output;
  const scope = policy.scope.cgroup === undefined ? 'every task' : `tasks in ${policy.scope.cgroup} and below`;
  output.line(`${paint.bold(`policy ${policy.name}`)}  ${paint.dim(policy.file)}`);
  if (policy.description !== '') output.line(`  ${policy.description}`);
  output.line(`  mode ${policy.mode}, scope ${scope}`);
  output.line();
  const here = hereFor(policy);
  for (const index of policy.rules.keys()) {
    for (const line of explainRule(compiled.plan, index, output)) output.line(line);
    if (here !== undefined) for (const line of tierLines(here, policy.rules, index)) output.line(line);
    output.line();
  }
  if (found !== undefined) for (const line of measuredLines(found, options.recording ?? '', output)) output.line(line);
  if (!options.asm) return;
  const relevant = relevantPrograms(compiled);
  for (const program of relevant) {
    const bits = compiled.plan.hooks.some((hook) => hook.hook === program.hook)
      ? ''
      : ', which keeps the bits that the rules read';
    output.line(
      `${paint.bold(`program at ${program.hook}`)}: ${count(program.instructions.length, 'instruction')}${bits}`,
    );
    for (const line of listing(program, paint)) output.line(line);
    output.line();
    const decisions = decisionLines(compiled, program.hook, paint);
    for (const line of decisions) output.line(line);
    if (decisions.length > 0) output.line();
  }
  const others = compiled.object.programs.filter((program) => !relevant.includes(program));
  const list = others.map((program) => `${program.hook} (${count(program.instructions.length, 'instruction')})`);
  if (list.length > 0) output.line(paint.dim(`also loaded, to follow processes: ${list.join(', ')}`));
};

const printRecords = (
  policy: Policy,
  compiled: Compiled,
  found: Measured | undefined,
  options: ExplainOptions,
  output: Output,
): void => {
  const here = hereFor(policy);
  for (const index of policy.rules.keys())
    output.json(ruleRecord(compiled.plan, index, found?.rules[index], here?.tiers(policy.rules, index)));
  for (const record of programRecords(policy.name, compiled, options.asm)) output.json(record);
  if (found !== undefined) output.json(recordingRecord(policy.name, options.recording ?? '', found));
};

/** Prints how the policies of a file are compiled. */
export const explain = async (given: string, options: ExplainOptions, output: Output): Promise<ExitCode> => {
  const { policies, diagnostics } = loadPolicies([resolvePolicy(given)], { enforcing: true });
  const found: Diagnostic[] = [...diagnostics];
  for (const policy of policies.length === 0 ? [] : chosen(policies, options.rule)) {
    const compiled = compile(policy.rules, { level: '6.12' });
    found.push(...compiled.diagnostics);
    const measured = await measure(policy, options);
    (options.json === true ? printRecords : printPolicy)(policy, compiled, measured, options, output);
  }
  const printed = createDiagnosticPrinter(options.json !== true && output.paint.colour);
  for (const diagnostic of found) {
    if (options.json === true) process.stderr.write(`${printed(diagnostic)}\n`);
    else output.line(`\n${printed(diagnostic)}`);
  }
  return found.some(({ severity }) => severity === 'error') ? EXIT.findings : EXIT.fine;
};

const HELP = `
For each rule: the hooks it is attached to; its condition as a tree, and for each predicate
  rate     how often its value can change: host, container, process, fd, event
  trust    resolved (what the kernel acted on), contestable (through a table that other threads share), as passed (the caller's
           memory, which another thread may change), unknown
  cost     nanoseconds that it is estimated to take alone on a server's core with warm caches; what rules share is paid once
  decided  kernel (by the program, and how), after (by user space on the event, and why), fixed (known when compiled)
For rules that deny or kill also their scope, the guards in front of the action, and by what way they are enforced on this kernel:
an LSM hook, a cgroup hook, a kill at exec, or a kill after the call's effect; asking the kernel needs root or CAP_BPF and
CAP_PERFMON. Then the hooks' programs in eBPF assembly, each part under the texts of the conditions that it came from. A program
looks up the row of each value that its rules test, ANDs the rows' bits, and decides the rules that are left in the steps that
follow its listing. Names: maps as map[name], members of kernel structures by name, since both are filled in at load.

--recording plays an strace log in the simulated machine, with all the policy's rules and without each of them in turns: how many
events of its types each rule got, how many the kernel part let through, how many raised an alert, and what the rule added to an event.

Exit codes: 0 fine, 1 errors in the policy, 2 no such policy or rule.

Examples:
  shrike explain policies/library/reverse-shell.yaml
  shrike explain credential-files --rule "Password file read" --no-asm
  shrike explain credential-files --no-asm --recording app.strace
  shrike explain credential-files-enforce | less
`;

export const addExplain = (program: Command): void => {
  program
    .command('explain')
    .summary('show how a policy is compiled: hooks, split, trust, eBPF')
    .description(
      'Show how a policy is compiled: hooks, what the kernel decides and what is checked after it, trust, eBPF.',
    )
    .argument('<policy>', 'a policy file, or the name of a shipped policy')
    .option('--rule <name>', 'only this rule')
    .option('--no-asm', 'leave the disassembly out')
    .option('--recording <file>', 'an strace log: measure what each rule costs on it')
    .option('--seconds <number>', 'how long to measure a policy', positiveNumber, 10)
    .option('--json', 'one JSON object a line: rules, programs, then the recording')
    .addHelpText('after', HELP)
    .action(async (policy: string, options: ExplainOptions) => {
      process.exitCode = await explain(policy, options, openStdout());
    });
};
