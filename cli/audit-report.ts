import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import {
  currentKey,
  keysOf,
  makeReport,
  outputProblem,
  parseCost,
  type Report,
  type ReportOptions,
  readPublicKey,
  writeWhole,
} from '../alerts/index.ts';
import { timeOf, wholeNumber } from './arguments.ts';
import { chosenAuditFolder } from './audit-folder.ts';
import { keptCheckpoint, keyOf, keyOption, textIn, witnessOf } from './audit-key.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { version } from './package.ts';
import { count } from './paint.ts';
import { createProgress } from './progress.ts';

interface AuditReportOptions {
  readonly out: string;
  readonly title?: string;
  readonly since?: Date;
  readonly until?: Date;
  readonly limit?: number;
  readonly key?: string;
  readonly before?: readonly string[];
  readonly witness?: readonly string[];
  readonly metrics?: string;
}

const checkFolder = (folder: string): void => {
  try {
    if (statSync(folder).isDirectory()) return;
  } catch (error) {
    throw new CliError(`${folder} can't be read: ${messageOf(error)}`, EXIT.usage);
  }
  throw new CliError(`${folder} is no folder: give the one that "shrike run --audit" named`, EXIT.usage);
};

const costIn = (path: string): NonNullable<ReportOptions['cost']> => {
  try {
    return parseCost(textIn(path));
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`${path}: ${messageOf(error)}`, EXIT.usage);
  }
};

/** Checkpoints that somebody kept, by the keys that the log had. */
const beforeOf = (folder: string, { before = [], key: given }: AuditReportOptions): ReportOptions['before'] => {
  if (before.length === 0) return undefined;
  const trusted = given === undefined ? readPublicKey(folder) : keyOf(given);
  if (trusted === undefined) throw new CliError("--before needs the log's public key: give it with --key", EXIT.usage);
  let key = trusted;
  try {
    key = currentKey(folder, trusted).key;
  } catch {
    // What is wrong with the checkpoint stands in the report.
  }
  return before.map((path) => keptCheckpoint(path, keysOf(folder, key)));
};

/** A key from elsewhere than the log's own folder; undefined for that folder's. */
const keyFromElsewhere = (folder: string, given: string | undefined): ReportOptions['key'] => {
  if (given === undefined) return undefined;
  const key = keyOf(given);
  return existsSync(given) && dirname(realpathSync(given)) === realpathSync(folder) ? undefined : key;
};

const make = async (folder: string, options: AuditReportOptions): Promise<Report> => {
  const { title, since, until, limit, key, witness, metrics } = options;
  const before = beforeOf(folder, options);
  const trusted = keyFromElsewhere(folder, key);
  const progress = createProgress();
  try {
    return await makeReport({
      folder,
      version: version(),
      ...(title !== undefined && { title }),
      ...(since && { since }),
      ...(until && { until }),
      ...(limit !== undefined && { limit }),
      ...(trusted && { key: trusted }),
      ...(before && { before }),
      ...(witness && { witnesses: witness.map(witnessOf) }),
      ...(metrics !== undefined && { cost: costIn(metrics) }),
      onProgress: (share) => progress.say(`reading and verifying ${folder}: ${Math.floor(100 * share)} %`),
    });
  } finally {
    progress.clear();
  }
};

const VERDICTS: Readonly<Record<Report['evidence']['state'], string>> = {
  verified: 'verified',
  changed: 'NOT what was signed; the report says what is wrong',
  unchecked: 'NOT verified; the report says why',
  unkeyed: 'not verified, since there is no key: give it with --key',
  unsealed: 'not sealed: nothing proves that it is what was written',
};

const report = async (folder: string, options: AuditReportOptions): Promise<ExitCode> => {
  const { since, until, out } = options;
  checkFolder(folder);
  if (since && until && since >= until) throw new CliError('--since is not before --until', EXIT.usage);
  const problem = outputProblem(out, folder);
  if (problem !== undefined) throw new CliError(problem, EXIT.usage);
  let made: Report;
  try {
    made = await make(folder, options);
  } catch (error) {
    throw error instanceof CliError ? error : new CliError(messageOf(error), EXIT.usage);
  }
  try {
    await writeWhole(out, made.html);
  } catch (error) {
    throw new CliError(`${out} can't be written: ${messageOf(error)}`, EXIT.environment);
  }
  const { entries, alerts, shown, badCount, holeCount } = made.collected;
  process.stderr.write(
    `${out}: ${count(entries, 'entry', 'entries')}, ${count(alerts, 'alert')}, ${shown.length} in full; the log is ${VERDICTS[made.evidence.state]}\n`,
  );
  const isFine = ['verified', 'unsealed', 'unkeyed'].includes(made.evidence.state) && badCount + holeCount === 0;
  return isFine ? EXIT.fine : EXIT.findings;
};

const HELP = `
One HTML page that needs no network, no server and nothing beside it: what happened, when and by which process trees, what was denied
or killed and what was not and why, rules by noise and cost, losses, policies and runs, and the chain of evidence. It can be filtered
and printed. The log is verified on the way; one that is not what was signed is reported in red, and nothing in its folder is changed.

All alerts are counted, in figures, timeline, process tree and tables; --limit says how many entries stand on the page in full (default
500: of each rule the first ones and the last), and the page says what it leaves out. Times are those of the events; where a simulation
or a recording was played, --since and --until are about its time.

Exit codes: 0 made, 1 made, and the log is damaged or not what was signed, 2 wrong usage or input, 3 the report can't be written.

Examples:
  shrike audit report -o report.html
  shrike audit report /var/lib/shrike/audit --key web-1.pub --since 7d -o week.html --title "web-1, week 3"
  shrike audit report copy/ --key web-1.pub --before monday.checkpoint --witness witness.pub -o report.html
`;

const LIMIT_MOST = 20_000;

/** `shrike audit report` */
export const addAuditReport = (audit: Command): void => {
  audit
    .command('report')
    .summary('one HTML page: what happened, and what proves it')
    .description('Make one HTML page of an audit log: what happened, when, by which processes, and what proves it.')
    .argument('[folder]', "the log's folder (default: that of the newest run without --audit)")
    .requiredOption('-o, --out <file>', "where the page is written; not in the log's folder")
    .option('--title <text>', 'its title (default: Audit report of <host>)')
    .option('--since <time>', 'only what happened from then on: a time, or 2h for so long ago', timeOf)
    .option('--until <time>', 'only what happened before', timeOf)
    .option('--limit <n>', `entries that are shown in full, at most ${LIMIT_MOST}`, (text) =>
      Math.min(LIMIT_MOST, wholeNumber(0)(text)),
    )
    .addOption(keyOption())
    .option('--before <files...>', 'checkpoints that were kept elsewhere: the log must have grown from each')
    .option('--witness <keys...>', 'public keys, or files of them, of witnesses whose cosignatures are checked')
    .option('--metrics <file>', "what policies cost: what the agent's /metrics answered, with --program-cost")
    .addHelpText('after', HELP)
    .action(async (given: string | undefined, options: AuditReportOptions) => {
      process.exitCode = await report(chosenAuditFolder(given), options);
    });
};
