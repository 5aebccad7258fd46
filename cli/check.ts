import { type Command, Option } from 'commander';
import type { FeatureLevel } from '../engine/object/index.ts';
import { loadPolicies } from '../policies/index.ts';
import { type Compiled, compile, type Diagnostic, type Plan, predicateText, type Rule } from '../rules/index.ts';
import type { CheckRecord, RuleRecord, SummaryRecord } from './check-records.ts';
import { createDiagnosticPrinter } from './diagnostics.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { type Output, openStdout } from './output.ts';
import { count, cut, type Paint } from './paint.ts';
import { verifyRules } from './verify.ts';

interface CheckOptions {
  readonly level: FeatureLevel;
  readonly json?: boolean;
}

/** Diagnostics about paths that were given, not about policies. */
const UNUSABLE: ReadonlySet<string> = new Set(['file-not-found', 'file-unreadable', 'no-policies']);

/** Where a rule's predicates are decided, each listed once. */
const splitOf = (plan: Plan, index: number): Pick<RuleRecord, 'hooks' | 'kernel' | 'residual'> => {
  const placements = plan.placements.filter((placement) => placement.rule === index);
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

/** Instructions of the programs at some hooks, where the rule has any. */
const instructionsAt = ({ object }: Compiled, hooks: readonly string[]): number =>
  object.programs
    .filter((program) => hooks.includes(program.hook))
    .reduce((sum, program) => sum + program.instructions.length, 0);

const ruleRecord = (rule: Rule, level: FeatureLevel): RuleRecord | undefined => {
  const compiled = compile([rule], { level });
  if (compiled.diagnostics.some(({ severity }) => severity === 'error')) return undefined;
  const split = splitOf(compiled.plan, 0);
  return {
    type: 'rule',
    file: rule.position.file,
    line: rule.position.line,
    policy: rule.policy,
    rule: rule.name,
    action: rule.action,
    mode: rule.mode,
    ...split,
    instructions: instructionsAt(compiled, split.hooks),
    level,
  };
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

const ruleLine = (record: RuleRecord, width: number, paint: Paint): string => {
  const { rule, hooks, kernel, residual, instructions, level } = record;
  const action = record.action === 'alert' ? '' : ` [${record.action}]`;
  const name = `${cut(rule, width)}${action}`.padEnd(width + 7);
  const parts = `${kernel.length} in the kernel, ${residual.length} after`;
  const where =
    hooks.length === 0 ? 'no hook: never matches' : hooks.map((hook) => hook.replace(/^\w+\//, '')).join(' ');
  return `  ${paint.bold(name)} ${where.padEnd(27)} ${parts.padEnd(25)} ${paint.dim(`${instructions} instructions, ${level}`)}`;
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

/** Loads, compiles and verifies policies and says what was found. */
export const check = (paths: readonly string[], options: CheckOptions, output: Output): ExitCode => {
  const { level } = options;
  const { policies, diagnostics: loading } = loadPolicies(paths, { enforcing: true });
  const rules = policies.flatMap((policy) => policy.rules);
  const compiled = compile(rules, { level });
  const diagnostics = [...loading, ...compiled.diagnostics, ...verifyRules(compiled, rules)];
  const records = rules.flatMap((rule) => ruleRecord(rule, level) ?? []);
  const summary: SummaryRecord = {
    type: 'summary',
    policies: policies.length,
    rules: rules.length,
    errors: diagnostics.filter(({ severity }) => severity === 'error').length,
    warnings: diagnostics.filter(({ severity }) => severity === 'warning').length,
    instructions: compiled.object.programs.reduce((sum, program) => sum + program.instructions.length, 0),
    level,
  };
  if (options.json) {
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
its hooks, how many of its predicates the kernel decides and how many user space checks after it, and its programs' instructions
when it is loaded alone. Folders are read with all their .yaml and .yml files, enforcing variants included.

Exit codes: 0 no errors (there may be warnings), 1 errors, 2 wrong usage or a path that can't be read.

Examples:
  shrike check policies/library
  shrike check my-policy.yaml --level 6.1
  shrike check falco_rules.yaml --json | jq 'select(.type == "diagnostic")'
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
    .option('--json', 'one JSON object a line: rules, diagnostics, then a summary')
    .addHelpText('after', HELP)
    .action((paths: string[], options: CheckOptions) => {
      process.exitCode = check(paths, options, openStdout());
    });
};
