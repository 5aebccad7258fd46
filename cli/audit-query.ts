import { type Command, Option } from 'commander';
import {
  AUDIT_TABLES,
  type AuditQuery,
  type Cell,
  openAuditQuery,
  QueryError,
  type QueryErrorCode,
} from '../alerts/index.ts';
import { byteCount, wholeNumber } from './arguments.ts';
import { chosenAuditFolder } from './audit-folder.ts';
import { csvLine } from './csv.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { untilInterrupt } from './interrupt.ts';
import { type Output, openStdout } from './output.ts';
import { count } from './paint.ts';
import { createProgress, type Progress } from './progress.ts';
import { printTable } from './table.ts';

interface QueryOptions {
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly schema?: boolean;
  readonly limit: number;
  readonly memory: number;
}

const EXITS: Readonly<Record<QueryErrorCode, number>> = {
  query: EXIT.usage,
  memory: EXIT.usage,
  damaged: EXIT.findings,
  changed: EXIT.environment,
  interrupted: EXIT.fine,
  environment: EXIT.environment,
};

const LEAST_MEMORY = 64 << 20;
const DEFAULT_MEMORY = 512 << 20;
const DEFAULT_ROWS = 1_000;

/** Says what tables there are, with their columns. */
const printSchema = (output: Output): void => {
  const { paint } = output;
  for (const { name, meaning, columns } of AUDIT_TABLES) {
    output.line(`${paint.bold(name)}: ${meaning}`);
    const nameWidth = Math.max(...columns.map((each) => each.name.length));
    const typeWidth = Math.max(
      ...columns.filter(({ type }) => !type.startsWith('STRUCT')).map(({ type }) => type.length),
    );
    for (const column of columns)
      output.line(`  ${column.name.padEnd(nameWidth)}  ${paint.dim(column.type.padEnd(typeWidth))}  ${column.meaning}`);
    output.line();
  }
};

/** Says on stderr what of the log the answer can't tell of. */
const warnOf = ({ log }: AuditQuery): void => {
  const say = (sentence: string): void => void process.stderr.write(`shrike: ${sentence}\n`);
  if (log.start > 1)
    say(`the log begins with entry ${log.start}; what was removed before is said by "shrike audit show --kind shed"`);
  for (const { first, last } of log.gaps)
    say(
      first === last
        ? `entry ${first} is missing: no segment has it; "shrike audit verify" says whether it was signed`
        : `entries ${first} to ${last} are missing: no segment has them; "shrike audit verify" says whether they were signed`,
    );
  if (log.torn)
    say(
      `${log.torn.path}: the last line is not whole (${count(log.torn.bytes, 'byte')}): it is being written, or a crash tore it; it is left out`,
    );
};

const print = async (
  query: AuditQuery,
  sql: string,
  { json = false, csv = false, limit }: QueryOptions,
  output: Output,
  onRow: () => void,
): Promise<void> => {
  const { columns, rows } = await query.run(sql);
  const names = columns.map(({ name }) => name);
  const shown: (readonly Cell[])[] = [];
  let all = 0;
  if (csv) output.line(csvLine(names));
  for await (const portion of rows) {
    onRow();
    all += portion.length;
    for (const row of portion) {
      if (json) output.json(Object.fromEntries(names.map((name, index) => [name, row[index] ?? null])));
      else if (csv) output.line(csvLine(row));
      else if (shown.length < limit) shown.push(row);
    }
  }
  onRow();
  if (json || csv) return;
  printTable(columns, shown, output);
  const rest =
    all > shown.length
      ? `, the first ${count(shown.length, 'row')} of them shown; --limit, --json or --csv show more`
      : '';
  output.line(output.paint.dim(`${count(all, 'row')}${rest}`));
};

/** Answers one SQL query about an audit log, which is never changed. */
const query = async (
  sql: string,
  folder: string,
  options: QueryOptions,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> => {
  let progress: Progress | undefined;
  let opened: AuditQuery | undefined;
  try {
    opened = await openAuditQuery({
      folder,
      memory: options.memory,
      onProgress: (share) => progress?.say(`reading the log: ${Math.round(100 * share)} %`),
    });
    warnOf(opened);
    const reading = createProgress();
    progress = reading;
    signal.addEventListener('abort', opened.interrupt, { once: true });
    await print(opened, sql, options, output, reading.clear);
    return EXIT.fine;
  } catch (error) {
    progress?.clear();
    if (!(error instanceof QueryError)) throw new CliError(messageOf(error), EXIT.usage);
    const remedy = error.code === 'query' ? '\n"shrike audit query --schema" lists the tables and their columns' : '';
    throw new CliError(`${error.message}${remedy}`, EXITS[error.code]);
  } finally {
    progress?.clear();
    opened?.close();
  }
};

const HELP = `
The query is one statement of DuckDB's SQL that reads: SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, EXPLAIN. It sees the log's
tables (--schema lists their columns) and nothing else: no other file, no network, no extension; nothing is written. The log may be
one that is being written, a copy, or read-only; the query sees it as it was when it began.

  entries      every entry, its body as JSON       policies     which policy was in force from when to when
  alerts       what rules matched                  starts       when the agent ran, and how it ended
  enforcement  attempts to deny or kill            losses       what was not seen, or is gone
                                                   shed         what limits, full disks and retention left out

Times are UTC; "time" of alerts and enforcement is that of the event. The log's lines are taken as they are: whether anybody changed
them says "shrike audit verify".

Exit codes: 0 answered, 1 the log is damaged, 2 the query is wrong, or there is no log, 3 DuckDB is missing, or the log was changed
meanwhile.

Examples:
  shrike audit query "SELECT rule, count(*) AS alerts FROM alerts GROUP BY rule ORDER BY alerts DESC"
  shrike audit query "SELECT time, exe, file, uid FROM alerts WHERE file = '/etc/shadow' ORDER BY seq" /var/lib/shrike/audit
  shrike audit query "SELECT date_trunc('hour', time) AS hour, count(*) FROM alerts WHERE severity <= 3 GROUP BY 1"
  shrike audit query "SELECT fields->>'fd.sip' AS address, sum(matches) FROM alerts GROUP BY address" --csv > addresses.csv
  shrike audit query "SELECT * FROM policies WHERE seq <= 35 AND (until_seq > 35 OR until_seq IS NULL)" --json
`;

export const addAuditQuery = (audit: Command): void => {
  audit
    .command('query')
    .summary('answer a question in SQL')
    .description('Answer a question about an audit log in SQL, with DuckDB.')
    .argument('[sql]', 'one statement that reads')
    .argument('[folder]', "the audit log's folder (default: the newest that a run without --audit left)")
    .option('--schema', 'list the tables and their columns')
    .addOption(new Option('--json', 'one JSON object a row').conflicts('csv'))
    .option('--csv', 'comma-separated values, below a line with names')
    .option('--limit <rows>', 'rows of a table for people', wholeNumber(1), DEFAULT_ROWS)
    .addOption(
      new Option('--memory <size>', 'what DuckDB may take (default: 512m)')
        .argParser(byteCount(LEAST_MEMORY))
        .default(DEFAULT_MEMORY, '512m'),
    )
    .addHelpText('after', HELP)
    .action(async (sql: string | undefined, folder: string | undefined, options: QueryOptions) => {
      if (options.schema) {
        printSchema(openStdout());
        return;
      }
      if (sql === undefined)
        throw new CliError('give a query: shrike audit query "SELECT ..."; --schema lists what there is', EXIT.usage);
      await untilInterrupt((signal) => query(sql, chosenAuditFolder(folder), options, openStdout(), signal));
    });
};
