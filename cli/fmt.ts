import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { formatPolicyText, type LoadResult, loadPolicies, loadPolicyText, policyFiles } from '../policies/index.ts';
import { createDiagnosticPrinter } from './diagnostics.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { type Output, openStdout } from './output.ts';
import { count } from './paint.ts';
import { unifiedDiff } from './unified-diff.ts';

interface FmtOptions {
  readonly check?: boolean;
  readonly diff?: boolean;
}

const STDIN = '<stdin>';

/** A file, or stdin, as it is and as it should be. */
interface Formatted {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

const wrongFiles = ({ diagnostics }: LoadResult): ReadonlySet<string> =>
  new Set(diagnostics.filter(({ severity }) => severity === 'error').map(({ file }) => file));

const printDiff = ({ name, before, after }: Formatted, { paint, line }: Output): void => {
  for (const text of unifiedDiff(name, before, after)) {
    if (text.startsWith('+++') || text.startsWith('---')) line(paint.bold(text));
    else if (text.startsWith('+')) line(paint.green(text));
    else if (text.startsWith('-')) line(paint.red(text));
    else line(text.startsWith('@@') ? paint.cyan(text) : text);
  }
};

/** Where the text is written, or what of it is shown. */
const finish = (formatted: Formatted, options: FmtOptions, output: Output): void => {
  const { name, before, after } = formatted;
  if (options.diff === true) printDiff(formatted, output);
  if (options.check === true) {
    if (before !== after) output.line(`${name} is not formatted`);
    return;
  }
  if (options.diff === true) return;
  if (name === STDIN) process.stdout.write(after);
  else if (before !== after) {
    try {
      writeFileSync(name, after);
    } catch (error) {
      throw new CliError(`${name} can't be written: ${messageOf(error)}`, EXIT.environment);
    }
    output.line(`formatted ${name}`);
  }
};

/** Puts policy files into their normal form. */
export const fmt = (paths: readonly string[], options: FmtOptions, output: Output): ExitCode => {
  const fromStdin = paths.includes('-');
  if (fromStdin && paths.length > 1) throw new CliError('"-" stands alone: give files, or a text on stdin', EXIT.usage);
  const input = fromStdin ? readFileSync(0, 'utf8') : '';
  const loaded = fromStdin ? loadPolicyText(STDIN, input) : loadPolicies(paths, { enforcing: true });
  const wrong = wrongFiles(loaded);
  const printed = createDiagnosticPrinter(false, new Map(fromStdin ? [[STDIN, input]] : []));
  for (const diagnostic of loaded.diagnostics)
    if (wrong.has(diagnostic.file) && diagnostic.severity === 'error') process.stderr.write(`${printed(diagnostic)}\n`);
  const files = fromStdin ? [STDIN] : policyFiles(paths, { enforcing: true });
  let [changed, left] = [0, wrong.size];
  for (const name of files) {
    if (wrong.has(name)) continue;
    const before = name === STDIN ? input : readFileSync(name, 'utf8');
    const after = formatPolicyText(before);
    if (after === undefined) {
      left++;
      process.stderr.write(
        `shrike: ${name} is left as it is: it is written in a way that would not stay the same (see "shrike fmt --help")\n`,
      );
      continue;
    }
    if (before !== after) changed++;
    finish({ name, before, after }, options, output);
  }
  if (left > 0) process.stderr.write(`shrike: ${count(left, 'file')} left as ${left === 1 ? 'it is' : 'they are'}\n`);
  if (left > 0) return EXIT.usage;
  return options.check === true && changed > 0 ? EXIT.findings : EXIT.fine;
};

const HELP = `
Puts policy files and Falco rules files into their normal form: two columns a level, one blank around operators, conditions that are wider
than a line in a block with one part a line, lists that fill lines of 120 columns. Comments, order and single blank lines stay, and so
does what the file says: the policies are the same before and after.

A file with errors is left as it is, and so is one with what can't be kept: tags, keys of several lines, blocks with an indentation
indicator. "-" reads stdin and writes stdout.

Exit codes: 0 fine, 1 with --check: a file is not formatted, 2 a file was left as it is.

Examples:
  shrike fmt policies
  shrike fmt --check policies                       in continuous integration
  shrike fmt --diff my-policy.yaml
  shrike fmt - < my-policy.yaml
`;

export const addFmt = (program: Command): void => {
  program
    .command('fmt')
    .summary('put policy files into their normal form')
    .description('Put policy files into their normal form.')
    .argument('<paths...>', 'policy files, Falco rules files, folders of them, or - for stdin')
    .option('--check', 'change nothing; name the files that are not formatted')
    .option('--diff', 'change nothing; show what would change')
    .addHelpText('after', HELP)
    .action((paths: string[], options: FmtOptions) => {
      process.exitCode = fmt(paths, options, openStdout());
    });
};
