import { type Command, Option } from 'commander';
import type { FeatureLevel } from '../engine/object/index.ts';
import { loadPolicies } from '../policies/index.ts';
import {
  type Compiled,
  compile,
  type Diagnostic,
  findingsOf,
  type Placement,
  predicateText,
  type Rule,
  type RuleMatching,
  TIERS,
  type Tier,
} from '../rules/index.ts';
import { ruleMatchingOption } from './arguments.ts';
import type { CheckRecord, RuleRecord, SummaryRecord } from './check-records.ts';
import { createDiagnosticPrinter } from './diagnostics.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { type Output, openStdout } from './output.ts';
import { count, cut, type Paint } from './paint.ts';
import { rerunOnChange } from './rerun.ts';
import { tiersOf, withoutLsm } from './tiers.ts';
import { verifyRules } from './verify.ts';

interface CheckOptions {
  readonly level: FeatureLevel;
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly format?: 'text' | 'json';
  readonly ruleMatching?: RuleMatching;
}

/** Diagnostics about paths that were given, not about policies. */
const UNUSABLE: ReadonlySet<string> = new Set(['file-not-found', 'file-unreadable', 'no-policies']);

/** Where a rule's predicates are decided, each listed once. */
const splitOf = (placements: readonly Placement[]): Pick<RuleRecord, 'hooks' | 'kernel' | 'residual'> => {
  const kernel = new Set<string>();
  const residual = new Map<string, string>();
  for (const { predicate, placed } of placements) {
    if (placed.kind === 'kernel') kernel.add(predicateText(predicate));
    if (placed.kind === 'user') residual.set(predicateText(predicate), placed.reason);
  }
  return {
    hooks: [...new Set(placements.map((placement) => placement.hook))],
    kernel: [...kernel],
    residual: [...residual].map(([predicate, reason]) => ({ predicate, reason })),
  };
};

/** Instructions of the programs at some hooks. */
const instructionsAt = ({ object }: Compiled, hooks: readonly string[]): number =>
  object.programs
    .filter((program) => hooks.includes(program.hook))
    .reduce((sum, program) => sum + program.instructions.length, 0);

/** A record for each rule that compiles. */
const ruleRecords = (compiled: Compiled, rules: readonly Rule[], level: FeatureLevel): readonly RuleRecord[] => {
  const { placements, refused } = compiled.plan;
  const left = new Set(refused);
  const byRule = new Map<number, Placement[]>();
  for (const placement of placements) {
    const known = byRule.get(placement.rule);
    if (known === undefined) byRule.set(placement.rule, [placement]);
    else known.push(placement);
  }
  return rules.flatMap((rule, index): readonly RuleRecord[] => {
    if (left.has(index)) return [];
    const split = splitOf(byRule.get(index) ?? []);
    const { file, line } = rule.position;
    const { name, policy, action, mode } = rule;
    const instructions = instructionsAt(compiled, split.hooks);
    const ways = action === 'alert' ? {} : { tiers: tiersOf(split.hooks), withoutLsm: withoutLsm(rule, level) };
    return [{ type: 'rule', file, line, policy, rule: name, action, mode, ...ways, ...split, instructions, level }];
  });
};

const diagnosticRecord = (diagnostic: Diagnostic): CheckRecord => {
  const { severity, code, file, line, column, field, expected, nearest, message } = diagnostic;
  return {
    type: 'diagnostic',
    severity,
    code,
    file,
    line,
    column,
    ...(field !== undefined && { field }),
    ...(expected !== undefined && { expected }),
    ...(nearest !== undefined && { nearest }),
    message,
  };
};

/** `by LSM, without it by fanotify`. */
const waysText = ({ tiers = [], withoutLsm: others = [] }: RuleRecord): string => {
  const named = (ways: readonly Tier[]): string => [...new Set(ways)].map((way) => TIERS[way].name).join(', ');
  const own = tiers.map(({ tier }) => tier);
  if (!own.includes('lsm')) return `by ${named(own)}`;
  return `by ${named(own)}, without it ${others.length === 0 ? 'not at all' : `by ${named(others)}`}`;
};

const ruleLine = (record: RuleRecord, width: number, paint: Paint): string => {
  const { rule, hooks, kernel, residual, instructions, level } = record;
  const action = record.action === 'alert' ? '' : ` [${record.action}]`;
  const name = `${cut(rule, width)}${action}`.padEnd(width + 7);
  const parts = `${kernel.length} in the kernel, ${residual.length} after`;
  const where =
    hooks.length === 0 ? 'no hook: never matches' : hooks.map((hook) => hook.replace(/^\w+\//, '')).join(' ');
  const ways = record.tiers === undefined ? '' : `; ${waysText(record)}`;
  return `  ${paint.bold(name)} ${where.padEnd(27)} ${parts.padEnd(25)} ${paint.dim(`${instructions} instructions, ${level}${ways}`)}`;
};

const print = (
  output: Output,
  records: readonly RuleRecord[],
  diagnostics: readonly Diagnostic[],
  summary: SummaryRecord,
): void => {
  const { paint } = output;
  const width = Math.min(40, Math.max(0, ...records.map((record) => record.rule.length)));
  let file: string | undefined;
  for (const record of records) {
    if (record.file !== file) output.line(paint.dim(record.file));
    file = record.file;
    output.line(ruleLine(record, width, paint));
  }
  if (records.length > 0) output.line();
  const printed = createDiagnosticPrinter(paint.colour);
  for (const diagnostic of diagnostics) {
    output.line(printed(diagnostic));
    output.line();
  }
  const { policies, rules, errors, warnings, instructions, level } = summary;
  const what =
    rules === 0
      ? 'nothing that could be loaded'
      : `${count(policies, 'policy', 'policies')} with ${count(rules, 'rule')}: ${count(instructions, 'instruction')} for a kernel of ${level}`;
  const found = `${count(errors, 'error')}, ${count(warnings, 'warning')}`;
  output.line(`${what}; ${errors > 0 ? paint.red(found) : warnings > 0 ? paint.yellow(found) : paint.green(found)}`);
};

/** Diagnostics in the order of their places; the files stay in theirs. */
const inFiles = (found: readonly Diagnostic[]): readonly Diagnostic[] => {
  const order = new Map([...new Set(found.map(({ file }) => file))].map((file, index) => [file, index]));
  const rank = ({ file }: Diagnostic): number => order.get(file) ?? 0;
  return found.toSorted((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
};

/** Loads, compiles and verifies policies and says what was found. */
export const check = (paths: readonly string[], options: CheckOptions, output: Output): ExitCode => {
  const { level } = options;
  const { policies, diagnostics: loading, ignores } = loadPolicies(paths, { enforcing: true });
  const rules = policies.flatMap((policy) => policy.rules);
  const compiled = compile(rules, { level });
  const findings = findingsOf(rules, options.ruleMatching);
  const planned = [...compiled.diagnostics, ...findings, ...verifyRules(compiled, rules)];
  const told = [...loading, ...ignores.filter(planned)];
  const wrong = new Set(told.filter(({ severity }) => severity === 'error').map(({ file }) => file));
  const diagnostics = inFiles([...told, ...ignores.unused((file) => wrong.has(file))]);
  const records = ruleRecords(compiled, rules, level);
  const summary: SummaryRecord = {
    type: 'summary',
    policies: policies.length,
    rules: rules.length,
    errors: diagnostics.filter(({ severity }) => severity === 'error').length,
    warnings: diagnostics.filter(({ severity }) => severity === 'warning').length,
    instructions: compiled.object.programs.reduce((sum, program) => sum + program.instructions.length, 0),
    level,
  };
  if (options.json === true || options.format === 'json') {
    const all: readonly CheckRecord[] = [...records, ...diagnostics.map(diagnosticRecord), summary];
    for (const record of all) output.json(record);
  } else {
    print(output, records, diagnostics, summary);
  }
  if (loading.some(({ code }) => UNUSABLE.has(code))) return EXIT.usage;
  return summary.errors > 0 ? EXIT.findings : EXIT.fine;
};

const HELP = `
Loads every policy, compiles its rules to eBPF and asks the simulated kernel of that level to verify the programs. One line a rule:
its hooks, how many of its predicates the kernel decides and how many user space checks after it, and the instructions of the programs
at its hooks, which it shares with the other rules; for rules that deny or kill the way to do so, and that without LSM. Folders are read with all their .yaml and .yml files, enforcing variants included.
A comment "# shrike: ignore <code>" at a rule or key, or in the line before it, silences warnings of that code in it.

Exit codes: 0 no errors (there may be warnings), 1 errors, 2 wrong usage or a path that can't be read.

Examples:
  shrike check policies/library
  shrike check my-policy.yaml --level 6.1
  shrike check falco_rules.yaml --format json | jq 'select(.type == "diagnostic")'
`;

export const addCheck = (program: Command): void => {
  program
    .command('check')
    .summary('say what is wrong with policies, and where their predicates are decided')
    .description('Say what is wrong with policies, and where their predicates are decided.')
    .argument('<paths...>', 'policy files, Falco rules files, or folders of them')
    .addOption(
      new Option('--level <version>', 'kernel version to compile and verify for')
        .choices(['6.1', '6.9', '6.12'])
        .default('6.12'),
    )
    .addOption(
      new Option('--format <format>', 'text, or json: one object a line').choices(['text', 'json']).default('text'),
    )
    .option('--watch', 'look again whenever a policy changes, until Ctrl-C')
    .option('--json', 'the same as --format json: rules, diagnostics, then a summary')
    .addOption(
      ruleMatchingOption(
        'first: tell which rules an earlier one hides, as under rule_matching: first in Falco',
      ).default('all'),
    )
    .addHelpText('after', HELP)
    .action(async (paths: string[], options: CheckOptions) => {
      const output = openStdout();
      const run = () => check(paths, options, output);
      const json = options.json === true || options.format === 'json';
      process.exitCode = options.watch === true ? await rerunOnChange(paths, run, output, json) : run();
    });
};
