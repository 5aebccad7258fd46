import type { DuckDBConnection, DuckDBInstance, DuckDBResult } from '@duckdb/node-api';
import { readAuditLog } from '../audit/read.ts';
import { type Cell, cellOf, parsedCell } from './cell.ts';
import { QueryError } from './query-error.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import { checkStatement } from './statement.ts';
import { tableStatements } from './tables.ts';

export interface AuditQueryOptions {
  /** The log's folder. */
  readonly folder: string;
  /** Bytes that DuckDB may have; default 512 MiB. */
  readonly memory?: number;
  /** Default 2. */
  readonly threads?: number;
  /** Called now and then while a query runs, with how much of the log was read: 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** A query's answer; rows come as they are wanted. */
export interface QueryAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** In portions. Fails with a QueryError. */
  readonly rows: AsyncIterable<readonly (readonly Cell[])[]>;
}

/** An audit log that can be asked in SQL. */
export interface AuditQuery {
  /** What of the log is asked: as it was when it was opened. */
  readonly log: Pick<Snapshot, 'folder' | 'start' | 'first' | 'last' | 'gaps' | 'torn'>;
  /** Runs one statement that only reads. Fails with a QueryError. */
  run(sql: string): Promise<QueryAnswer>;
  /** Ends what runs, with a QueryError of the code `interrupted`. */
  interrupt(): void;
  close(): void;
}

const DEFAULT_MEMORY = 512 << 20;
const DEFAULT_THREADS = 2;
const PROGRESS_MS = 200;
const MEGABYTE = 1 << 20;

/** Settings that are in force before anything runs. Extensions are those that are part of DuckDB. */
const settings = (memory: number, threads: number): Record<string, string> => ({
  threads: String(threads),
  memory_limit: `${Math.floor(memory / MEGABYTE)}MiB`,
  temp_directory: '',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
  allow_community_extensions: 'false',
  allow_unsigned_extensions: 'false',
  allow_persistent_secrets: 'false',
});

const load = async (): Promise<typeof import('@duckdb/node-api')> => {
  try {
    return await import('@duckdb/node-api');
  } catch (error) {
    const said = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new QueryError(
      'environment',
      `DuckDB can't be loaded (${said}); its package @duckdb/node-api has programs for Linux, macOS and Windows on x64 and arm64: "npm ci" brings them. "shrike audit show" works without`,
    );
  }
};

const DAMAGE = /^(?:Invalid Input Error: )?(?:Malformed JSON|JSON transform error) in file /;

/** What of a message of DuckDB's is for people: without advice about its own settings. */
const sentenceOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/^Failed to extract statements: /, '').trimEnd();

/** The first line of a log that is wrong, with its place; undefined where all are right. */
const firstDamage = async (folder: string): Promise<string | undefined> => {
  try {
    for await (const _ of readAuditLog(folder));
    return undefined;
  } catch (error) {
    return sentenceOf(error);
  }
};

/** What DuckDB threw, as a sentence with a remedy. */
const errorOf = (error: unknown, snapshot: Snapshot, memory: number): QueryError => {
  const said = snapshot.translate(sentenceOf(error));
  if (/^INTERRUPT Error/.test(said)) return new QueryError('interrupted', 'interrupted');
  if (/^Out of Memory Error/.test(said))
    return new QueryError(
      'memory',
      `the query needs more memory than the ${Math.floor(memory / MEGABYTE)} MiB that it may have: let it keep less (WHERE, LIMIT, fewer columns), or give it more with --memory`,
    );
  if (DAMAGE.test(said)) return new QueryError('damaged', said);
  if (!snapshot.isThere())
    return new QueryError('changed', 'a segment of the log was removed while the query read it: run it again');
  if (/^Permission Error/.test(said))
    return new QueryError('query', `a query reads the log's tables and nothing else\n${said}`);
  return new QueryError('query', said);
};

/**
 * Opens an audit log for queries. DuckDB sees its lines through views, may read no other file, write none and load nothing. Nothing in the log's folder is
 * changed. Lines are not checked against their checksums or the log's checkpoint. @throws Error a sentence, where there is no log
 */
export const openAuditQuery = async (options: AuditQueryOptions): Promise<AuditQuery> => {
  const { memory = DEFAULT_MEMORY, threads = DEFAULT_THREADS, onProgress } = options;
  const { DuckDBInstance: instances } = await load();
  const snapshot = takeSnapshot(options.folder);
  let instance: DuckDBInstance | undefined;
  let connection: DuckDBConnection;
  const close = (): void => {
    connection?.closeSync();
    instance?.closeSync();
    snapshot.close();
  };
  try {
    instance = await instances.create(':memory:', settings(memory, threads));
    connection = await instance.connect();
    await connection.run('SET enable_progress_bar = true');
    await connection.run('SET enable_progress_bar_print = false');
    await connection.run("SET TimeZone = 'UTC'");
    for (const statement of tableStatements(snapshot.files)) await connection.run(statement);
    await connection.run(
      `SET allowed_paths = [${snapshot.files.map((path) => `'${path.replaceAll("'", "''")}'`).join(', ')}]`,
    );
    await connection.run('SET enable_external_access = false');
    await connection.run('SET lock_configuration = true');
  } catch (error) {
    close();
    throw error;
  }
  /** A damaged line is named by our own reader: DuckDB's place is one line off at times. */
  const wrong = async (error: unknown): Promise<QueryError> => {
    const found = errorOf(error, snapshot, memory);
    if (found.code !== 'damaged') return found;
    const place = (await firstDamage(options.folder)) ?? found.message;
    return new QueryError(
      'damaged',
      `${place}\nthe log is damaged, so that no query can be answered; "shrike audit show" shows the other entries, and "shrike audit verify" says what was changed`,
    );
  };
  async function* rowsOf(result: DuckDBResult, stop: () => void): AsyncGenerator<readonly (readonly Cell[])[]> {
    const isJson = result.columnNames().map((_, index) => result.columnLogicalType(index).alias === 'JSON');
    try {
      for await (const rows of result.yieldRows())
        yield rows.map((row) => row.map((value, index) => (isJson[index] ? parsedCell(cellOf(value)) : cellOf(value))));
    } catch (error) {
      throw await wrong(error);
    } finally {
      stop();
    }
  }
  return {
    log: snapshot,
    async run(sql) {
      await checkStatement(sql, connection, (error) => errorOf(error, snapshot, memory));
      const timer =
        onProgress &&
        setInterval(() => onProgress(Math.max(0, connection.progress.percentage) / 100), PROGRESS_MS).unref();
      const stop = (): void => clearInterval(timer);
      try {
        const result = await connection.stream(sql);
        const columns = result.deduplicatedColumnNames().map((name, index) => ({
          name,
          type: result.columnLogicalType(index).alias ?? String(result.columnType(index)),
        }));
        return { columns, rows: rowsOf(result, stop) };
      } catch (error) {
        stop();
        throw await wrong(error);
      }
    },
    interrupt: () => connection.interrupt(),
    close,
  };
};
