import type { Command } from 'commander';
import { CompileError } from '../agent/index.ts';
import type { FeatureLevel } from '../engine/object/index.ts';
import { type Compiled, compile, type Rule, TIERS } from '../rules/index.ts';
import { type Finding, findingsOf, isHopeless, type Prober, probeKernel } from '../sensors/index.ts';
import type { DoctorRecord, DoctorRule, DoctorSummary, DoctorTier } from './doctor-records.ts';
import { rulesNotRunning, type TryLoading, tryLoading } from './doctor-rules.ts';
import { doctorTiers } from './doctor-tiers.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { type Output, openStdout } from './output.ts';
import { libraryFolder } from './package.ts';
import { count, type Paint } from './paint.ts';
import { policiesAt } from './run.ts';
import { inSentences } from './session.ts';

export interface DoctorOptions {
  readonly policies?: readonly string[];
  readonly json?: boolean;
}

/** What the machine is asked with. */
export interface Instruments {
  readonly prober?: Prober;
  readonly load: TryLoading;
}

const NAME_WIDTH = 19;
const INDENT = ' '.repeat(11);

const stateText = (state: Finding['state'], paint: Paint): string => {
  const padded = state.padEnd(8);
  return state === 'works' ? paint.green(padded) : state === 'weaker' ? paint.yellow(padded) : paint.red(padded);
};

const findingLines = ({ state, name, found, costs, remedy }: Finding, paint: Paint): readonly string[] => [
  `  ${stateText(state, paint)} ${name.padEnd(NAME_WIDTH)}${found}`,
  ...(costs === undefined ? [] : [`${INDENT}${'without it:'.padEnd(NAME_WIDTH)}${costs}`]),
  ...(remedy === undefined ? [] : [`${INDENT}${'what to do:'.padEnd(NAME_WIDTH)}${remedy}`]),
];

const tierLines = ({ tier, works, found, remedy }: DoctorTier, paint: Paint): readonly string[] => [
  `  ${stateText(works ? 'works' : 'missing', paint)} ${TIERS[tier].name.padEnd(NAME_WIDTH)}${found}`,
  ...(remedy === undefined ? [] : [`${INDENT}${'what to do:'.padEnd(NAME_WIDTH)}${remedy}`]),
];

/** Rules that lack the same, under what they lack. */
const ruleLines = (rules: readonly DoctorRule[]): readonly string[] => {
  const groups = new Map<string, string[]>();
  for (const { rule, action, runs, missing } of rules) {
    for (const { hook, why, remedy } of missing) {
      const reason = `${hook}: ${why}; ${remedy}`;
      const what = [...(action === 'alert' ? [] : [action]), ...(runs === 'partly' ? ['runs at its other hooks'] : [])];
      groups.set(reason, [
        ...(groups.get(reason) ?? []),
        `    ${rule}${what.length > 0 ? ` (${what.join(', ')})` : ''}`,
      ]);
    }
  }
  return [...groups].flatMap(([reason, lines]) => [`  ${reason}`, ...lines]);
};

const conclusion = ({ rules, affected, weaker, missing }: DoctorSummary, hopeless: boolean): string => {
  if (hopeless)
    return 'Policies can not run on this kernel; simulate (--sensor sim), or play recordings (--sensor replay).';
  const rest = `${count(missing, 'thing')} missing, ${weaker} weaker`;
  return affected === 0
    ? `All ${count(rules, 'rule')} run here; ${rest}.`
    : `${affected} of ${count(rules, 'rule')} do not run here, or not wholly; ${rest}.`;
};

const print = (
  output: Output,
  findings: readonly Finding[],
  tiers: readonly DoctorTier[],
  affected: readonly DoctorRule[],
  summary: DoctorSummary,
): void => {
  let area: string | undefined;
  for (const finding of findings) {
    if (finding.area !== area) output.line(output.paint.bold(finding.area));
    area = finding.area;
    for (const line of findingLines(finding, output.paint)) output.line(line);
  }
  if (tiers.length > 0) {
    output.line(output.paint.bold('ways to enforce'));
    for (const each of tiers) for (const line of tierLines(each, output.paint)) output.line(line);
  }
  if (affected.length > 0) {
    output.line(output.paint.bold('rules that lack something'));
    for (const line of ruleLines(affected)) output.line(line);
  }
  output.line();
  output.line(conclusion(summary, isHopeless(findings)));
};

/** @throws CliError where a rule can't be compiled */
const compiledFor = (rules: readonly Rule[], level: FeatureLevel): Compiled => {
  const compiled = compile(rules, { level });
  const errors = compiled.diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw inSentences(new CompileError(errors));
  return compiled;
};

/** Bytes of the ring buffers that the agent makes. */
const ringsOf = ({ object }: Compiled): readonly number[] =>
  object.maps.filter(({ type }) => type === 'ringbuf').map(({ maxEntries }) => maxEntries);

/** Finds out what this machine allows and says which rules would not run. @throws CliError for policies that can't be used */
export const doctor = (options: DoctorOptions, output: Output, instruments: Instruments): ExitCode => {
  const rules = policiesAt(options.policies ?? [libraryFolder()]).flatMap((policy) => policy.rules);
  const { prober, load } = instruments;
  const report = probeKernel({ rings: ringsOf(compiledFor(rules, '6.1')), ...(prober && { prober }) });
  const findings = findingsOf(report);
  const hopeless = isHopeless(findings);
  const affected =
    hopeless || report.level === undefined
      ? []
      : rulesNotRunning(rules, compiledFor(rules, report.level), report, load);
  const inState = (wanted: Finding['state']): number => findings.filter(({ state }) => state === wanted).length;
  const tiers = hopeless ? [] : doctorTiers(report);
  const summary: DoctorSummary = {
    type: 'summary',
    kernel: report.release,
    ...(report.level !== undefined && { level: report.level }),
    works: inState('works'),
    weaker: inState('weaker'),
    missing: inState('missing'),
    rules: rules.length,
    affected: hopeless ? rules.length : affected.length,
  };
  if (options.json) {
    const records: readonly DoctorRecord[] = [
      ...findings.map(({ vital: _, ...finding }) => ({ type: 'finding' as const, ...finding })),
      ...tiers,
      ...affected,
      summary,
    ];
    for (const record of records) output.json(record);
  } else {
    print(output, findings, tiers, affected, summary);
  }
  if (hopeless) return EXIT.environment;
  return affected.length > 0 ? EXIT.findings : EXIT.fine;
};

const HELP = `
Tries what Shrike needs of this kernel, with the privileges it is started with: it loads tiny programs and creates tiny maps, attaches
nothing and changes nothing. For each thing that is missing it says what goes without it and how to get it. Then it loads what the
policies compile to (attached nowhere either) and says which of their rules would not run here.

Exit codes: 0 all rules run, 1 some do not, 2 wrong usage or policies, 3 nothing can run on this kernel.

Examples:
  shrike doctor
  shrike doctor --policies policies/library/enforce
  shrike doctor --json | jq 'select(.state == "missing")'
`;

export const addDoctor = (program: Command): void => {
  program
    .command('doctor')
    .summary('say what this kernel and these privileges allow, and what is missing')
    .description('Say what this kernel and these privileges allow, what is missing, what that costs and how to get it.')
    .option(
      '--policies <paths...>',
      'policies whose rules must run: files, or folders of them (default: the shipped library)',
    )
    .option('--json', 'one JSON object a line: findings, rules that lack something, then a summary')
    .addHelpText('after', HELP)
    .action((options: DoctorOptions) => {
      process.exitCode = doctor(options, openStdout(), { load: tryLoading });
    });
};
